#include "app/api_child.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <cerrno>
#include <chrono>
#include <string>
#include <string_view>
#include <thread>

#include "app/settings/settings.hpp"
#include "app/system_fault.hpp"

extern char** environ;

namespace tacit::app {

namespace {

constexpr int exec_failed = 126;
constexpr unsigned no_end = ~0u;
constexpr std::chrono::milliseconds wait_step{5};
constexpr int wait_steps_max = 1000;

[[noreturn]] void fail(std::string const& what) {
  throw startup_error("cannot " + what + ": " + explain_system_fault(errno));
}

std::vector<char*> child_environment() {
  std::vector<char*> kept;
  for (char** one = environ; *one != nullptr; ++one) {
    std::string_view const entry(*one);
    if (entry.starts_with("TACIT_") || entry.starts_with("NOTIFY_SOCKET=")) continue;
    kept.push_back(*one);
  }
  kept.push_back(nullptr);
  return kept;
}

// Between fork and exec: system calls only.
[[noreturn]] void become_api(std::vector<int> const& inherited, char* const* environment) {
  int number = channel_descriptor;
  for (int const one : inherited) {
    if (::dup2(one, number++) < 0) ::_exit(exec_failed);
  }
  // Whatever whoever started tacit left open is not for the process that faces the network, nor is
  // what is typed at the terminal.
  int const nothing = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (nothing < 0 || ::dup2(nothing, STDIN_FILENO) < 0) ::_exit(exec_failed);
  if (::close_range(static_cast<unsigned>(number), no_end, 0) != 0) ::_exit(exec_failed);
  char name[] = "tacit";
  char role[] = "api-process";
  char* const arguments[] = {name, role, nullptr};
  ::execve("/proc/self/exe", arguments, environment);
  ::_exit(exec_failed);
}

}  // namespace

api_child spawn_api(descriptor const& lock, std::vector<open_listener> const& listeners) {
  int pair[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
    fail("make a socket pair");
  descriptor keeper_end(pair[0]);
  descriptor const api_end(pair[1]);

  // The numbers that the child wants may be taken: copies above them first, then dup2 (which also
  // takes the close-on-exec mark away).
  std::vector<descriptor> copies;
  std::vector<int> wanted{api_end.number(), lock.number()};
  for (open_listener const& one : listeners) wanted.push_back(one.socket.number());
  int const out_of_the_way = channel_descriptor + static_cast<int>(wanted.size());
  std::vector<int> inherited;
  for (int const one : wanted) {
    copies.emplace_back(::fcntl(one, F_DUPFD_CLOEXEC, out_of_the_way));
    if (!copies.back().is_open()) fail("copy a descriptor");
    inherited.push_back(copies.back().number());
  }
  auto const kept = child_environment();
  pid_t const pid = ::fork();
  if (pid < 0) fail("start the api process");
  if (pid == 0) become_api(inherited, kept.data());
  return {pid, std::move(keeper_end)};
}

std::optional<int> wait_for_api(pid_t pid) {
  for (int step = 0; step < wait_steps_max; ++step) {
    int status = 0;
    pid_t const ended = ::waitpid(pid, &status, WNOHANG);
    if (ended == pid) return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    if (ended < 0 && errno != EINTR) return std::nullopt;
    std::this_thread::sleep_for(wait_step);
  }
  return std::nullopt;
}

}  // namespace tacit::app
