// The half of `tacit recover` that holds the keys which open values. It never looks into the
// store's files, and takes whatever the other half says as hostile: that may have been captured by
// what lies in them.
#pragma once

#include <poll.h>

#include <string>

#include "app/descriptor.hpp"
#include "core/recovery.hpp"

namespace tacit::app {

// Throws startup_error: the other half has been captured.
[[noreturn]] void distrust_reader();

class recover_opener {
 public:
  explicit recover_opener(core::keeper_share const& keys) : opener_(keys) {}

  // Takes one question from the channel and says yes or no, nothing else. False when the reader has
  // ended the channel. Throws startup_error for anything that is no question, and when its answers
  // are not taken.
  [[nodiscard]] bool answer(descriptor const& channel);

 private:
  core::value_opener opener_;
  core::secret_buffer value_{core::limits::value_bytes_max};
  std::string datagram_ = std::string(core::recovery_question_bytes_max + 1, '\0');
};

// What the reader writes to one of its streams, as a terminal may show it.
class shown_stream {
 public:
  using writer = void (*)(std::string_view lines);
  shown_stream(descriptor from, writer write) : from_(std::move(from)), write_(write) {}

  // What to wait for; descriptor -1 once it has ended.
  [[nodiscard]] pollfd wanted() const noexcept { return {from_.number(), POLLIN, 0}; }
  [[nodiscard]] bool has_ended() const noexcept { return !from_.is_open(); }
  // Reads once, and writes the lines that are complete. Throws what `write` throws.
  void pass_on();

 private:
  descriptor from_;
  writer write_;
  std::string line_{};
};

}  // namespace tacit::app
