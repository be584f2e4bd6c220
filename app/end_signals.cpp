#include "app/end_signals.hpp"

#include <sys/signalfd.h>

#include <cerrno>
#include <csignal>
#include <initializer_list>
#include <system_error>

namespace tacit::app {

namespace {

descriptor open_signals(std::initializer_list<int> numbers) {
  sigset_t wanted;
  sigemptyset(&wanted);
  for (int const number : numbers) sigaddset(&wanted, number);
  ::pthread_sigmask(SIG_BLOCK, &wanted, nullptr);
  descriptor opened(::signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!opened.is_open()) throw std::system_error(errno, std::generic_category());
  return opened;
}

}  // namespace

descriptor open_end_signals() { return open_signals({SIGTERM, SIGINT}); }

descriptor open_hangup_signal() { return open_signals({SIGHUP}); }

}  // namespace tacit::app
