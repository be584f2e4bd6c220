// When to act on changes that come in bursts: once nothing has come for a while, but not ever
// later.
#pragma once

#include <algorithm>
#include <chrono>
#include <optional>

namespace tacit::app {

class quiet_time {
 public:
  using clock = std::chrono::steady_clock;
  static constexpr int longest_burst = 10;  // debounce times

  explicit quiet_time(std::chrono::milliseconds debounce) : debounce_(debounce) {}

  void note_change(clock::time_point now) {
    clock::time_point const first = first_.value_or(now);
    first_ = first;
    due_ = std::min(now + debounce_, first + longest_burst * debounce_);
  }
  void forget() {
    first_.reset();
    due_.reset();
  }
  // Nothing when there is nothing to act on.
  [[nodiscard]] std::optional<clock::time_point> due() const noexcept { return due_; }

 private:
  std::chrono::milliseconds debounce_;
  std::optional<clock::time_point> first_;  // of the burst
  std::optional<clock::time_point> due_;
};

}  // namespace tacit::app
