#include "app/end_signals.hpp"

#include <sys/signalfd.h>

#include <csignal>
#include <initializer_list>

namespace tacit::app {

namespace {

descriptor open_signals(std::initializer_list<int> numbers) {
  sigset_t wanted;
  sigemptyset(&wanted);
  for (int const number : numbers) sigaddset(&wanted, number);
  ::pthread_sigmask(SIG_BLOCK, &wanted, nullptr);
  return descriptor(::signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK));
}

}  // namespace

descriptor open_end_signals() { return open_signals({SIGTERM, SIGINT}); }

descriptor open_hangup_signal() { return open_signals({SIGHUP}); }

}  // namespace tacit::app
