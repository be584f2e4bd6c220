// What SIGHUP to `tacit serve` asks for.
#pragma once

#include <sys/signalfd.h>
#include <unistd.h>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <functional>
#include <utility>

namespace tacit::app {

struct hangup_acts {
  std::function<void()> read_anew;  // as often as it comes
  std::function<void()> end;        // once: it came because the terminal has gone
};

// Hears it from the descriptor (app/end_signals.hpp) until that is cancelled, which comes before
// the watch's own end.
class hangup_watch {
 public:
  hangup_watch(boost::asio::posix::stream_descriptor& signals, hangup_acts acts)
      : signals_(signals), acts_(std::move(acts)) {}

  void begin() {
    signals_.async_wait(signals_.wait_read, [this](boost::system::error_code error) {
      if (error) return;
      signalfd_siginfo taken{};
      while (::read(signals_.native_handle(), &taken, sizeof taken) > 0) {
      }
      bool const terminal_has_gone = had_terminal_ && ::isatty(STDOUT_FILENO) == 0;
      if (terminal_has_gone) return acts_.end();
      acts_.read_anew();
      begin();
    });
  }

 private:
  boost::asio::posix::stream_descriptor& signals_;
  hangup_acts acts_;
  bool had_terminal_ = ::isatty(STDOUT_FILENO) == 1;
};

}  // namespace tacit::app
