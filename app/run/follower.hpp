// Follows a project's changes at a source, one question after the other, for as long as the
// command runs. Whatever goes wrong, it goes on asking: less and less often, and at random times,
// so that many that lost one server do not all come back at once. It says on stderr, once, when
// something is wrong, and when it is right again. For one thread, which polls.
#pragma once

#include <chrono>
#include <memory>
#include <optional>

#include "app/cli/delivery_source.hpp"

namespace tacit::app {

class follower {
 public:
  using clock = std::chrono::steady_clock;

  // Follows on from the revision that the command was started with.
  follower(std::unique_ptr<delivery_source> source, std::int64_t revision);

  // Readable when go_on() has something to do; -1 while it waits for wake_at() alone.
  [[nodiscard]] int descriptor() const noexcept;
  [[nodiscard]] clock::time_point wake_at() const noexcept { return wake_at_; }
  // Gives a set when another revision has come. Not blocking.
  [[nodiscard]] std::optional<delivered> go_on(clock::time_point now);

 private:
  void begin(clock::time_point now);
  void note(undelivered const& fault, clock::time_point now);
  void note_answer();

  std::unique_ptr<delivery_source> source_;
  std::unique_ptr<pending_delivery> pending_;
  std::int64_t revision_;
  clock::time_point wake_at_;  // to ask, or to give the question up
  clock::time_point asked_at_{};
  std::chrono::seconds held_for_{0};
  unsigned failures_ = 0;  // one after the other
  std::optional<delivery_fault> said_;
};

}  // namespace tacit::app
