// What the keeper remembers of what it delivered, so that an api process that answers with older
// records than before is noticed. A record's id is made anew with each write and bound to the value
// by its seal, so an id that was replaced never comes back by itself; a revision never goes back.
//
// In memory, since the keeper's start, and bounded: what was never delivered, or so long ago that
// it was forgotten, is not noticed. Nor are records that are held back under a new revision, nor a
// project that is said to be gone. Not for two threads at once.
#pragma once

#include <cstdint>
#include <deque>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "core/limits.hpp"
#include "core/name.hpp"

namespace tacit::core {

class delivery_history {
 public:
  struct limits_of {
    std::size_t delivered = limits::delivered_records_max;  // ids of all projects' last sets
    std::size_t replaced = limits::replaced_records_max;
  };
  delivery_history() : delivery_history(limits_of{}) {}
  explicit delivery_history(limits_of most) : most_(most) {}

  // Whether the set may follow what was delivered of the project before; if so it is remembered.
  // False when the revision is a lower one, when it is the same and the records are not, or when
  // one of them had been replaced or removed. Only sets whose records opened are to be asked about.
  [[nodiscard]] bool accepts(project_id const& project, std::uint64_t revision,
                             std::vector<std::uint64_t> record_ids);

 private:
  struct last_set {
    std::uint64_t revision = 0;
    std::vector<std::uint64_t> ids;  // sorted
  };
  void note_replaced(std::uint64_t id);

  limits_of most_;
  std::unordered_map<project_id, last_set> sets_;
  std::size_t delivered_ = 0;  // ids in sets_
  std::unordered_set<std::uint64_t> replaced_;
  std::deque<std::uint64_t> replaced_order_;  // oldest first
};

}  // namespace tacit::core
