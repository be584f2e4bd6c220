#include "kv/commit_queue.hpp"

#include <thread>

#include "core/limits.hpp"

namespace tacit::kv {

namespace {

using clock = std::chrono::steady_clock;

// One client that sends a change as soon as the last one is answered takes half of it.
constexpr std::chrono::microseconds short_wait{80};

// On a single core the taker would only be in the way.
bool has_other_cores() {
  static bool const several = std::thread::hardware_concurrency() > 1;
  return several;
}

}  // namespace

core::result<void> commit_queue::push(core::change& asked) {
  bool wake = false;
  {
    std::lock_guard const lock(mutex_);
    if (closed_ || waiting_.size() >= core::limits::commit_queue_changes_max) {
      return core::errc::unavailable;
    }
    waiting_.push_back(&asked);
    is_due_.store(true, std::memory_order_relaxed);
    wake = taker_sleeps_;
    taker_sleeps_ = false;
  }
  if (wake) something_.notify_one();
  return {};
}

void commit_queue::look_until(clock::time_point end) const noexcept {
  while (!is_due_.load(std::memory_order_relaxed) && clock::now() < end) std::this_thread::yield();
}

std::vector<core::change*> commit_queue::take_all(std::chrono::milliseconds at_most) {
  auto const began = clock::now();
  if (last_wait_was_short_ && has_other_cores()) look_until(began + short_wait);
  std::unique_lock lock(mutex_);
  if (waiting_.empty() && !woken_ && !closed_) {
    taker_sleeps_ = true;
    something_.wait_for(lock, at_most, [this] { return !waiting_.empty() || woken_ || closed_; });
    taker_sleeps_ = false;
  }
  woken_ = false;
  is_due_.store(false, std::memory_order_relaxed);
  std::vector<core::change*> taken;
  taken.swap(waiting_);
  last_wait_was_short_ = clock::now() - began < short_wait;
  return taken;
}

void commit_queue::wake() noexcept {
  {
    std::lock_guard const lock(mutex_);
    woken_ = true;
    is_due_.store(true, std::memory_order_relaxed);
  }
  something_.notify_one();
}

void commit_queue::close() noexcept {
  {
    std::lock_guard const lock(mutex_);
    closed_ = true;
    is_due_.store(true, std::memory_order_relaxed);
  }
  something_.notify_one();
}

bool commit_queue::closed_and_empty() const noexcept {
  std::lock_guard const lock(mutex_);
  return closed_ && waiting_.empty();
}

}  // namespace tacit::kv
