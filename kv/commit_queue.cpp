#include "kv/commit_queue.hpp"

#include "core/limits.hpp"

namespace tacit::kv {

core::result<void> commit_queue::push(core::change& asked) {
  bool wake = false;
  {
    std::lock_guard const lock(mutex_);
    if (closed_ || waiting_.size() >= core::limits::commit_queue_changes_max) {
      return core::errc::unavailable;
    }
    waiting_.push_back(&asked);
    wake = taker_sleeps_;
    taker_sleeps_ = false;
  }
  if (wake) something_.notify_one();
  return {};
}

std::vector<core::change*> commit_queue::take_all(std::chrono::milliseconds at_most) {
  std::unique_lock lock(mutex_);
  if (waiting_.empty() && !woken_ && !closed_) {
    taker_sleeps_ = true;
    something_.wait_for(lock, at_most, [this] { return !waiting_.empty() || woken_ || closed_; });
    taker_sleeps_ = false;
  }
  woken_ = false;
  std::vector<core::change*> taken;
  taken.swap(waiting_);
  return taken;
}

void commit_queue::wake() noexcept {
  {
    std::lock_guard const lock(mutex_);
    woken_ = true;
  }
  something_.notify_one();
}

void commit_queue::close() noexcept {
  {
    std::lock_guard const lock(mutex_);
    closed_ = true;
  }
  something_.notify_one();
}

bool commit_queue::closed_and_empty() const noexcept {
  std::lock_guard const lock(mutex_);
  return closed_ && waiting_.empty();
}

}  // namespace tacit::kv
