// One stream of the command's output, with the delivered values masked: from a pipe that the
// command writes to, to where ours goes. For one thread, which polls.
#pragma once

#include <poll.h>

#include <chrono>
#include <memory>
#include <optional>

#include "app/descriptor.hpp"
#include "app/run/masker.hpp"

namespace tacit::app {

class output_filter {
 public:
  using clock = std::chrono::steady_clock;

  // Takes over the pipe's reading end. `out` is borrowed. `values` are what is masked; `owner`
  // keeps their memory.
  output_filter(descriptor in, int out, std::vector<std::string_view> const& values,
                std::shared_ptr<void const> owner);

  // What to wait for; descriptor -1 when nothing. It reads only when what was read is written.
  [[nodiscard]] pollfd wanted() const noexcept;
  [[nodiscard]] std::optional<clock::time_point> wake_at() const noexcept;
  // After what was wanted has come, or the time has. Blocks for long only when others fill the same
  // pipe or terminal between poll and write.
  void go_on(bool ready);
  // The command has ended: what it has written is still passed on, then the filter is done.
  void finish() noexcept { finishing_ = true; }
  [[nodiscard]] bool done() const noexcept { return !in_.is_open() && pending_.empty(); }

 private:
  void read_some();
  void write_some();
  void close_input();

  descriptor in_;
  int out_;
  std::shared_ptr<void const> owner_;
  masker masker_;
  core::secret_buffer input_;
  core::secret_buffer pending_;
  std::size_t written_ = 0;  // of pending_
  clock::time_point last_input_{};
  bool finishing_ = false;
};

}  // namespace tacit::app
