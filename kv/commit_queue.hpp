// Where changes wait for the commit thread.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <vector>

#include "core/error.hpp"
#include "core/store.hpp"

namespace tacit::kv {

// Many threads push, one takes.
class commit_queue {
 public:
  // errc::unavailable when the queue is closed or holds limits::commit_queue_changes_max.
  core::result<void> push(core::change& asked);

  // Waits until there is something, the time is up, wake() was called or the queue is closed, and
  // takes all that waits, in order. Perhaps nothing; nothing for good once closed and empty.
  //
  // When the last wait was short, it looks for a moment whether this one is too, before it sleeps:
  // to be woken takes about as long. Whoever else can run on the core runs meanwhile.
  std::vector<core::change*> take_all(std::chrono::milliseconds at_most);

  // Makes take_all() return soon, now or at its next call. From any thread.
  void wake() noexcept;

  // No push succeeds from now on; what was pushed is still taken.
  void close() noexcept;
  [[nodiscard]] bool closed_and_empty() const noexcept;

 private:
  void look_until(std::chrono::steady_clock::time_point end) const noexcept;

  mutable std::mutex mutex_;
  std::condition_variable something_;
  std::vector<core::change*> waiting_;  // guarded by mutex_
  bool taker_sleeps_ = false;           // guarded by mutex_
  bool woken_ = false;                  // guarded by mutex_
  bool closed_ = false;                 // guarded by mutex_
  std::atomic<bool> is_due_ = false;    // the taker has something to see; set under mutex_
  bool last_wait_was_short_ = false;    // owned by the taker
};

}  // namespace tacit::kv
