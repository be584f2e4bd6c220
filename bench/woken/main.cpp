// A command that says when a signal reached it: waits for SIGUSR1 and writes the moment
// (CLOCK_MONOTONIC in nanoseconds, 8 bytes of this machine's order) to stdout, each time.
// Its first 8 bytes, all zero, say that it is ready. bench/delivery.py starts a thousand.
#include <csignal>
#include <cstdint>
#include <ctime>

#include <unistd.h>

namespace {

bool say(std::uint64_t moment) {
  return ::write(STDOUT_FILENO, &moment, sizeof moment) == sizeof moment;
}

std::uint64_t now() {
  timespec at{};
  clock_gettime(CLOCK_MONOTONIC, &at);
  return static_cast<std::uint64_t>(at.tv_sec) * 1'000'000'000 +
         static_cast<std::uint64_t>(at.tv_nsec);
}

}  // namespace

int main() {
  sigset_t awaited;
  sigemptyset(&awaited);
  sigaddset(&awaited, SIGUSR1);
  sigprocmask(SIG_BLOCK, &awaited, nullptr);
  bool heard = say(0);
  int which = 0;
  while (heard && sigwait(&awaited, &which) == 0) heard = say(now());
  return 1;
}
