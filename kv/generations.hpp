// Numbers that change with the projects, so that what was read can be kept until it is stale. Many
// readers, one writer (the commit thread). A seqlock's counter: odd while a change is being
// written, so that nobody keeps, and nobody is answered from, what is about to be old.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <vector>

#include "core/name.hpp"

namespace tacit::kv {

class generations {
 public:
  [[nodiscard]] std::uint64_t of_set() const noexcept {
    return set_.load(std::memory_order_acquire);
  }
  [[nodiscard]] std::uint64_t of(core::project_id const& id) const noexcept {
    return slots_[slot_of(id)].load(std::memory_order_acquire);
  }

  // What a group changes: noted first, then begun before its write and ended after it. A write of
  // unknown outcome is never ended: its projects stay odd.
  class pending {
   public:
    void note(core::project_id const& id) { slots_.push_back(slot_of(id)); }
    void note_set() noexcept { set_ = true; }

   private:
    friend class generations;
    std::vector<std::size_t> slots_;
    bool set_ = false;
  };

  void begin(pending& changes) noexcept {
    // Two projects may share a slot, which must count once.
    auto& slots = changes.slots_;
    std::sort(slots.begin(), slots.end());
    slots.erase(std::unique(slots.begin(), slots.end()), slots.end());
    step(changes);
  }
  void end(pending const& changes) noexcept { step(changes); }

 private:
  static constexpr std::size_t slot_count = 16'384;
  static std::size_t slot_of(core::project_id const& id) noexcept {
    return std::hash<core::project_id>{}(id) % slot_count;
  }
  void step(pending const& changes) noexcept {
    for (std::size_t const slot : changes.slots_) slots_[slot].fetch_add(1);
    if (changes.set_) set_.fetch_add(1);
  }

  std::array<std::atomic<std::uint64_t>, slot_count> slots_{};
  std::atomic<std::uint64_t> set_ = 0;
};

}  // namespace tacit::kv
