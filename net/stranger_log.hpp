// What the log says of peers that are turned away at a socket: the first at once, a flood of one
// uid then as one line a second with its number. On the keeper's one thread.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <string_view>
#include <vector>

#include "core/line_pace.hpp"
#include "core/log.hpp"

namespace tacit::net {

class stranger_log {
 public:
  // `event`, `level` and `more` are of the lines with a number; `log` outlives this.
  stranger_log(boost::asio::io_context& context, core::log& log, core::severity level,
               std::string_view event, core::log_field more);

  // One more of this uid was turned away. True: it has a line of its own, which the caller writes.
  [[nodiscard]] bool note(std::int64_t uid);
  // What was counted is said now.
  void stop();

 private:
  void say_later();
  void say_due(std::uint64_t boot_milliseconds);

  boost::asio::steady_timer timer_;
  core::log& log_;
  core::severity level_;
  std::string_view event_;
  core::log_field more_;
  core::line_pace pace_;
  bool timer_runs_ = false;
};

}  // namespace tacit::net
