#include "net/stranger_log.hpp"

#include <boost/system/error_code.hpp>
#include <chrono>
#include <limits>

#include "net/now.hpp"

namespace tacit::net {

stranger_log::stranger_log(boost::asio::io_context& context, core::log& log, core::severity level,
                           std::string_view event, core::log_field more)
    : timer_(context), log_(log), level_(level), event_(event), more_(more) {}

bool stranger_log::note(std::int64_t uid) {
  bool const first = pace_.note(uid, static_cast<std::uint64_t>(boot_milliseconds()));
  say_later();
  return first;
}

void stranger_log::say_later() {
  if (timer_runs_) return;
  timer_runs_ = true;
  timer_.expires_after(std::chrono::seconds(1));
  timer_.async_wait([this](boost::system::error_code cancelled) {
    timer_runs_ = false;
    if (cancelled) return;
    say_due(static_cast<std::uint64_t>(boot_milliseconds()));
    if (pace_.busy()) say_later();
  });
}

void stranger_log::say_due(std::uint64_t boot_milliseconds) {
  for (core::line_pace::left_out const& one : pace_.due(boot_milliseconds)) {
    log_.write(level_, event_,
               {{"uid", one.subject}, more_, {"count", static_cast<std::int64_t>(one.count)}});
  }
}

void stranger_log::stop() {
  timer_.cancel();
  say_due(std::numeric_limits<std::uint64_t>::max() / 2);
}

}  // namespace tacit::net
