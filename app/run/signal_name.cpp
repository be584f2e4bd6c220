#include "app/run/signal_name.hpp"

#include <cstring>

namespace tacit::app {

std::optional<int> parse_signal(std::string_view name) {
  if (name.starts_with("SIG")) name.remove_prefix(3);
  for (int number = 1; number < SIGRTMIN; ++number) {
    char const* const known = ::sigabbrev_np(number);
    if (known != nullptr && name == known) return number;
  }
  return std::nullopt;
}

std::string signal_name(int number) {
  char const* const known = ::sigabbrev_np(number);
  return known == nullptr ? "signal " + std::to_string(number) : std::string("SIG") + known;
}

bool is_passed_on(int number) noexcept {
  switch (number) {
    case SIGKILL:
    case SIGSTOP:
    case SIGCHLD:
    case SIGPIPE:
    case SIGTTIN:
    case SIGTTOU:
    case SIGSEGV:
    case SIGBUS:
    case SIGFPE:
    case SIGILL:
    case SIGTRAP:
    case SIGSYS:
    case SIGABRT:
      return false;
    default:
      return true;
  }
}

bool comes_from_terminals(int number) noexcept {
  return number == SIGINT || number == SIGQUIT || number == SIGTSTP || number == SIGWINCH ||
         number == SIGHUP || number == SIGCONT;
}

bool asks_to_end(int number) noexcept {
  return number == SIGTERM || number == SIGINT || number == SIGQUIT || number == SIGHUP;
}

}  // namespace tacit::app
