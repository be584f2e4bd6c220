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

  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
  [[nodiscard]] std::string_view view() const noexcept { return {data_.get(), size_}; }
  // Where the next bytes go; never empty after reserve(size + 1).
  [[nodiscard]] std::span<char> free_space() noexcept {
    return {data_.get() + size_, capacity_ - size_};
  }
  void grow_by(std::size_t bytes) noexcept {
    CHECK(bytes <= capacity_ - size_);
    size_ += bytes;
  }

  void append(std::string_view bytes) {
    if (bytes.empty()) return;
    reserve(size_ + bytes.size());
    std::memcpy(data_.get() + size_, bytes.data(), bytes.size());
    size_ += bytes.size();
  }

  void reserve(std::size_t capacity) {
    if (capacity <= capacity_) return;
    auto larger = std::make_unique<char[]>(capacity);
    if (size_ > 0) std::memcpy(larger.get(), data_.get(), size_);
    if (data_) core::wipe(data_.get(), size_);
    data_ = std::move(larger);
    capacity_ = capacity;
  }

  // Drops the first bytes; gives the memory back when none are left.
  void consume(std::size_t bytes) noexcept {
    CHECK(bytes <= size_);
    std::size_t const left = size_ - bytes;
    if (left == 0) return release();
    std::memmove(data_.get(), data_.get() + bytes, left);
    core::wipe(data_.get() + left, bytes);
    size_ = left;
  }

  void release() noexcept {
    if (data_) core::wipe(data_.get(), size_);
    data_.reset();
    size_ = 0;
    capacity_ = 0;
  }

 private:
  std::unique_ptr<char[]> data_;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

}  // namespace tacit::net
