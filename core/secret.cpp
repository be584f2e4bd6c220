#include "core/secret.hpp"

#include <sodium.h>

#include <atomic>
#include <cstring>
#include <new>
#include <utility>

#include "core/check.hpp"

namespace tacit::core {

namespace {

std::atomic<bool> lock_failed = false;

}  // namespace

void wipe(void* data, std::size_t bytes) noexcept { sodium_memzero(data, bytes); }

void wipe_stack(std::size_t bytes) noexcept { sodium_stackzero(bytes); }

bool equal_in_constant_time(std::span<unsigned char const> a,
                            std::span<unsigned char const> b) noexcept {
  return a.size() == b.size() && sodium_memcmp(a.data(), b.data(), a.size()) == 0;
}

void* allocate_locked(std::size_t bytes) {
  void* const data = sodium_malloc(bytes);
  if (data == nullptr) throw std::bad_alloc();
  // sodium_malloc locks the pages but does not tell when that fails: once more, for the answer.
  if (sodium_mlock(data, bytes) != 0) lock_failed.store(true, std::memory_order_relaxed);
  return data;
}

bool take_failed_lock() noexcept { return lock_failed.exchange(false, std::memory_order_relaxed); }

void release_locked(void* data) noexcept { sodium_free(data); }

void secret_buffer::release::operator()(char* data) const noexcept { release_locked(data); }

secret_buffer::secret_buffer(std::size_t capacity)
    : data_(capacity == 0 ? nullptr : static_cast<char*>(allocate_locked(capacity))),
      capacity_(capacity) {}

secret_buffer::secret_buffer(secret_buffer&& other) noexcept
    : data_(std::move(other.data_)),
      capacity_(std::exchange(other.capacity_, 0)),
      size_(std::exchange(other.size_, 0)) {}

secret_buffer& secret_buffer::operator=(secret_buffer&& other) noexcept {
  if (this != &other) {
    data_ = std::move(other.data_);  // releasing the old block wipes it
    capacity_ = std::exchange(other.capacity_, 0);
    size_ = std::exchange(other.size_, 0);
  }
  return *this;
}

secret_buffer::~secret_buffer() = default;  // sodium_free wipes

bool secret_buffer::append(std::string_view bytes) noexcept {
  if (bytes.size() > capacity_ - size_) return false;
  if (!bytes.empty()) std::memcpy(data_.get() + size_, bytes.data(), bytes.size());
  size_ += bytes.size();
  return true;
}

void secret_buffer::resize(std::size_t bytes) noexcept {
  CHECK(bytes <= capacity_);
  if (bytes < size_) wipe(data_.get() + bytes, size_ - bytes);
  size_ = bytes;
}

}  // namespace tacit::core
