#include "core/secret.hpp"

#include <sodium.h>

#include <atomic>
#include <cstring>
#include <new>
#include <utility>

#include "core/arena.hpp"
#include "core/check.hpp"

namespace tacit::core {

namespace {

std::atomic<bool> lock_failed = false;

// The process's arena in locked memory, made when the first secret needs room, and there as long
// as the process is. Where so much cannot be locked there is none: each secret then has pages of
// its own, and those are locked as far as the kernel lets us.
class shared_arena {
 public:
  static shared_arena& instance() {
    static shared_arena one;
    return one;
  }

  [[nodiscard]] void* take(std::size_t bytes) noexcept {
    if (memory_ == nullptr) return nullptr;
    turn const mine(busy_);
    return memory_->take(bytes);
  }

  // False when the memory is not the arena's.
  [[nodiscard]] bool give_back(void* data) noexcept {
    if (memory_ == nullptr || !memory_->owns(data)) return false;
    turn const mine(busy_);
    memory_->give_back(data);
    return true;
  }

 private:
  class turn {  // a mutex; what it guards takes less than a microsecond, and core has no threads
   public:
    explicit turn(std::atomic_flag& busy) noexcept : busy_(busy) {
      while (busy_.test_and_set(std::memory_order_acquire)) {
        busy_.wait(true, std::memory_order_relaxed);
      }
    }
    turn(turn const&) = delete;
    turn& operator=(turn const&) = delete;
    ~turn() {
      busy_.clear(std::memory_order_release);
      busy_.notify_one();
    }

   private:
    std::atomic_flag& busy_;
  };

  shared_arena() noexcept {
    void* const block = sodium_malloc(arena::block_bytes);
    if (block == nullptr) return;
    if (sodium_mlock(block, arena::block_bytes) != 0) {  // see allocate_locked
      sodium_free(block);
      return;
    }
    std::uint64_t mark = 0;
    randombytes_buf(&mark, sizeof mark);
    auto* const bytes = static_cast<unsigned char*>(block);
    memory_ =
        new arena(std::span<unsigned char, arena::block_bytes>(bytes, arena::block_bytes), mark);
  }

  arena* memory_ = nullptr;
  std::atomic_flag busy_;
};

}  // namespace

void wipe(void* data, std::size_t bytes) noexcept { sodium_memzero(data, bytes); }

void wipe_stack(std::size_t bytes) noexcept { sodium_stackzero(bytes); }

bool equal_in_constant_time(std::span<unsigned char const> a,
                            std::span<unsigned char const> b) noexcept {
  return a.size() == b.size() && sodium_memcmp(a.data(), b.data(), a.size()) == 0;
}

void* allocate_locked(std::size_t bytes) {
  if (void* const piece = shared_arena::instance().take(bytes)) return piece;
  void* const data = sodium_malloc(bytes);
  if (data == nullptr) throw std::bad_alloc();
  // sodium_malloc locks the pages but does not tell when that fails: once more, for the answer.
  if (sodium_mlock(data, bytes) != 0) note_failed_lock();
  return data;
}

void note_failed_lock() noexcept { lock_failed.store(true, std::memory_order_relaxed); }

bool take_failed_lock() noexcept { return lock_failed.exchange(false, std::memory_order_relaxed); }

void release_locked(void* data) noexcept {
  if (data == nullptr || shared_arena::instance().give_back(data)) return;
  sodium_free(data);
}

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

secret_buffer::~secret_buffer() = default;  // releasing wipes

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
