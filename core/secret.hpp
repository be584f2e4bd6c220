// Memory for secrets. A secret is a type: move-only, wiped when it goes, not printable; .reveal()
// is the only way to its bytes, so that a search finds every place that looks at one.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <span>
#include <string_view>

namespace tacit::core {

// Overwrites memory in a way that the compiler may not leave out (sodium_memzero).
void wipe(void* data, std::size_t bytes) noexcept;
inline void wipe(std::span<char> bytes) noexcept { wipe(bytes.data(), bytes.size()); }

// Overwrites the stack below the caller's frame, where a library may have left pieces of a secret.
void wipe_stack(std::size_t bytes) noexcept;

// Compares in time that depends on the size only.
[[nodiscard]] bool equal_in_constant_time(std::span<unsigned char const> a,
                                          std::span<unsigned char const> b) noexcept;

// N bytes of key material, zero when made. Tag makes two kinds of key two types.
template <typename Tag, std::size_t N>
class secret_array {
 public:
  static constexpr std::size_t bytes = N;

  secret_array() = default;
  secret_array(secret_array&& other) noexcept : data_(other.data_) { other.clear(); }
  secret_array& operator=(secret_array&& other) noexcept {
    if (this != &other) {
      data_ = other.data_;
      other.clear();
    }
    return *this;
  }
  secret_array(secret_array const&) = delete;
  secret_array& operator=(secret_array const&) = delete;
  ~secret_array() { clear(); }

  [[nodiscard]] std::span<unsigned char const, N> reveal() const noexcept { return data_; }
  [[nodiscard]] std::span<unsigned char, N> reveal_mutable() noexcept { return data_; }
  void clear() noexcept { wipe(data_.data(), N); }

 private:
  std::array<unsigned char, N> data_{};
};

// A buffer of fixed capacity in memory that is locked (never swapped; take_failed_lock() tells when
// the kernel refused), left out of core files, between guard pages, wiped when cleared and when it
// goes. It never grows, so no copy is ever left behind. Not for two threads at once. Throws
// std::bad_alloc. While the process's arena has room (128 KiB, core/arena.hpp) it costs no system
// call; beyond, it has pages and guard pages of its own (sodium_malloc), for some twelve.
class secret_buffer {
 public:
  explicit secret_buffer(std::size_t capacity);
  secret_buffer(secret_buffer&& other) noexcept;
  secret_buffer& operator=(secret_buffer&& other) noexcept;
  secret_buffer(secret_buffer const&) = delete;
  secret_buffer& operator=(secret_buffer const&) = delete;
  ~secret_buffer();

  // False, with nothing appended, when the bytes do not fit.
  [[nodiscard]] bool append(std::string_view bytes) noexcept;

  // Sets the size (at most the capacity); bytes that come into view are whatever was written
  // through reveal_storage(), bytes that leave it are wiped.
  void resize(std::size_t bytes) noexcept;
  void clear() noexcept { resize(0); }

  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
  [[nodiscard]] std::string_view reveal() const noexcept { return {data_.get(), size_}; }
  // The whole capacity, for a call that writes into it; resize() then says how much is in use.
  [[nodiscard]] std::span<char> reveal_storage() noexcept { return {data_.get(), capacity_}; }

 private:
  struct release {
    void operator()(char* data) const noexcept;
  };
  std::unique_ptr<char, release> data_;
  std::size_t capacity_ = 0;
  std::size_t size_ = 0;
};

// Whether the kernel refused to lock memory of this header since the last call, in any thread, or
// note_failed_lock() was called. The memory is used all the same; who asks says it to the operator.
[[nodiscard]] bool take_failed_lock() noexcept;
// For memory that another library keeps its keys in.
void note_failed_lock() noexcept;

// Such memory, from any thread; wiped when it is released. For one object of T: for key material
// that lives longer than one operation.
void* allocate_locked(std::size_t bytes);
void release_locked(void* data) noexcept;

template <typename T>
struct locked_delete {
  void operator()(T* object) const noexcept {
    object->~T();
    release_locked(object);
  }
};

template <typename T>
using locked_ptr = std::unique_ptr<T, locked_delete<T>>;

template <typename T>
[[nodiscard]] locked_ptr<T> make_locked(T object) {
  static_assert(alignof(T) <= alignof(std::max_align_t));
  // sodium_malloc places the end of the block at a page's end: round up so that T is aligned.
  constexpr std::size_t align = alignof(std::max_align_t);
  return locked_ptr<T>(new (allocate_locked((sizeof(T) + align - 1) / align * align))
                           T(std::move(object)));
}

}  // namespace tacit::core
