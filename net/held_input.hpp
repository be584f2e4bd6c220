// What a connection has sent of a request that is not complete yet. A connection without one holds
// no buffer at all. Wiped whenever it moves, shrinks or goes: it may be a piece of a value.
#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>

#include "core/check.hpp"
#include "core/secret.hpp"

namespace tacit::net {

class held_input {
 public:
  held_input() = default;
  held_input(held_input const&) = delete;
  held_input& operator=(held_input const&) = delete;
  ~held_input() { release(); }

  [[nodiscard]] bool empty() const noexcept { return begin_ == end_; }
  [[nodiscard]] std::string_view view() const noexcept {
    return {data_.get() + begin_, end_ - begin_};
  }
  // Where the next bytes go; never empty after reserve(view().size() + 1).
  [[nodiscard]] std::span<char> free_space() noexcept {
    return {data_.get() + end_, capacity_ - end_};
  }
  void grow_by(std::size_t bytes) noexcept {
    CHECK(bytes <= capacity_ - end_);
    end_ += bytes;
  }

  void append(std::string_view bytes) {
    if (bytes.empty()) return;
    reserve(view().size() + bytes.size());
    std::memcpy(data_.get() + end_, bytes.data(), bytes.size());
    end_ += bytes.size();
  }

  // Makes room for so many bytes in all, those that are there among them.
  void reserve(std::size_t bytes) {
    if (bytes <= capacity_ - begin_) return;
    std::string_view const kept = view();
    if (bytes <= capacity_) {
      std::memmove(data_.get(), kept.data(), kept.size());
      core::wipe(data_.get() + kept.size(), begin_);
    } else {
      auto larger = std::make_unique<char[]>(bytes);
      if (!kept.empty()) std::memcpy(larger.get(), kept.data(), kept.size());
      if (data_) core::wipe(data_.get() + begin_, kept.size());
      data_ = std::move(larger);
      capacity_ = bytes;
    }
    begin_ = 0;
    end_ = kept.size();
  }

  // Drops the first bytes, where they lie: what is left moves when room is made, not each time.
  // Gives the memory back when nothing is left.
  void consume(std::size_t bytes) noexcept {
    CHECK(bytes <= view().size());
    if (bytes == view().size()) return release();
    core::wipe(data_.get() + begin_, bytes);
    begin_ += bytes;
  }

  void release() noexcept {
    if (data_) core::wipe(data_.get() + begin_, view().size());
    data_.reset();
    begin_ = end_ = capacity_ = 0;
  }

 private:
  std::unique_ptr<char[]> data_;
  std::size_t begin_ = 0;  // before it, what was there is wiped
  std::size_t end_ = 0;
  std::size_t capacity_ = 0;
};

}  // namespace tacit::net
