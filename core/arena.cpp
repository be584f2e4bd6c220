#include "core/arena.hpp"

#include <sanitizer/asan_interface.h>

#include <cstring>
#include <functional>

#include "core/check.hpp"
#include "core/secret.hpp"

namespace tacit::core {

arena::arena(std::span<unsigned char, block_bytes> block, std::uint64_t mark) noexcept
    : block_(block), mark_(mark) {
  CHECK(reinterpret_cast<std::uintptr_t>(block.data()) % unit_bytes == 0);
  ASAN_POISON_MEMORY_REGION(block_.data(), block_.size());
}

arena::~arena() { ASAN_UNPOISON_MEMORY_REGION(block_.data(), block_.size()); }

bool arena::owns(void const* data) const noexcept {
  auto const* const at = static_cast<unsigned char const*>(data);
  std::less<> const before;  // defined for any two pointers
  return !before(at, block_.data()) && before(at, block_.data() + block_.size());
}

void* arena::take(std::size_t bytes) noexcept {
  if (bytes > block_bytes - sizeof mark_) return nullptr;
  std::size_t const wanted = (bytes + sizeof mark_ + unit_bytes - 1) / unit_bytes;
  std::size_t run = 0;
  std::size_t end = 0;
  while (run < wanted && end < units) run = taken_[end++] ? 0 : run + 1;
  if (run < wanted) return nullptr;
  std::size_t const first = end - wanted;
  for (std::size_t i = first; i < end; ++i) taken_.set(i);
  starts_.set(first);
  unsigned char* const data = block_.data() + first * unit_bytes;
  ASAN_UNPOISON_MEMORY_REGION(data, wanted * unit_bytes);
  std::memcpy(data + wanted * unit_bytes - sizeof mark_, &mark_, sizeof mark_);
  ASAN_POISON_MEMORY_REGION(data + bytes, wanted * unit_bytes - bytes);
  return data;
}

void arena::give_back(void* data) noexcept {
  auto const offset = static_cast<std::size_t>(static_cast<unsigned char*>(data) - block_.data());
  std::size_t const first = offset / unit_bytes;
  CHECK(offset % unit_bytes == 0 && starts_[first]);
  starts_.reset(first);
  std::size_t end = first;
  while (end < units && taken_[end] && !starts_[end]) taken_.reset(end++);
  std::size_t const bytes = (end - first) * unit_bytes;
  ASAN_UNPOISON_MEMORY_REGION(data, bytes);
  CHECK(std::memcmp(static_cast<unsigned char*>(data) + bytes - sizeof mark_, &mark_,
                    sizeof mark_) == 0);
  wipe(data, bytes);
  ASAN_POISON_MEMORY_REGION(data, bytes);
}

}  // namespace tacit::core
