#include "app/child_process.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <string>
#include <string_view>
#include <thread>

#include "app/settings/settings.hpp"
#include "app/system_fault.hpp"

extern char** environ;

namespace tacit::app {

namespace {

constexpr unsigned no_end = ~0u;
constexpr std::chrono::milliseconds wait_step{5};
constexpr int wait_steps_max = 1000;

[[noreturn]] void fail(std::string const& what) {
  throw startup_error("cannot " + what + ": " + explain_system_fault(errno));
}

// What steers a sanitizer, in a build with one. Nothing else is a child's business.
constexpr std::array<std::string_view, 4> kept_names{
    "ASAN_OPTIONS=", "LSAN_OPTIONS=", "TSAN_OPTIONS=", "UBSAN_OPTIONS="};

std::vector<char*> child_environment() {
  std::vector<char*> kept;
  for (char** one = environ; *one != nullptr; ++one) {
    std::string_view const entry(*one);
    auto const begins_it = [entry](std::string_view name) { return entry.starts_with(name); };
    if (std::any_of(kept_names.begin(), kept_names.end(), begins_it)) kept.push_back(*one);
  }
  kept.push_back(nullptr);
  return kept;
}

enum class step : int { descriptors, null_device, close_others, exec };

// What went wrong between fork and exec, as the child writes it to the pipe that an exec closes.
struct failed_step {
  step which;
  int error;
};

[[noreturn]] void give_up(int report, step which) {
  failed_step const failed{which, errno};
  [[maybe_unused]] auto const told = ::write(report, &failed, sizeof failed);
  ::_exit(1);
}

// Between fork and exec: system calls only.
[[noreturn]] void become_child(char const* role, std::vector<int> const& inherited, int report,
                               char* const* environment) {
  int number = channel_descriptor;
  for (int const one : inherited) {
    if (::dup2(one, number++) < 0) give_up(report, step::descriptors);
  }
  int const kept_report = ::dup3(report, number++, O_CLOEXEC);
  if (kept_report < 0) give_up(report, step::descriptors);
  // Whatever whoever started tacit left open is not for a process that faces strangers, nor is what
  // is typed at the terminal.
  int const nothing = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (nothing < 0 || ::dup2(nothing, STDIN_FILENO) < 0) give_up(kept_report, step::null_device);
  if (::close_range(static_cast<unsigned>(number), no_end, 0) != 0) {
    give_up(kept_report, step::close_others);
  }
  char name[] = "tacit";
  char* const arguments[] = {name, const_cast<char*>(role), nullptr};
  ::execve("/proc/self/exe", arguments, environment);
  give_up(kept_report, step::exec);
}

std::string explain(failed_step const& failed) {
  std::string const why = std::string(" (") + std::strerror(failed.error) + ")";
  switch (failed.which) {
    case step::null_device:
      return "/dev/null cannot be opened" + why + ": mount /dev";
    case step::close_others:
      return "the kernel refused close_range" + why +
             ": it takes Linux 5.9, and a container runtime that knows of it";
    case step::exec:
      return "this program cannot be executed again through /proc/self/exe" + why + ": mount /proc";
    case step::descriptors:
      break;
  }
  return "its descriptors" + why;
}

// Returns once the child is what it is to be. Throws startup_error when it did not come to that.
void wait_for_exec(descriptor const& report) {
  failed_step failed{};
  ssize_t got = -1;
  do {
    got = ::read(report.number(), &failed, sizeof failed);
  } while (got < 0 && errno == EINTR);
  if (got != static_cast<ssize_t>(sizeof failed)) return;
  throw startup_error("cannot start the second process: " + explain(failed));
}

}  // namespace

child_process spawn_child(char const* role, descriptor const& lock, std::vector<int> const& given) {
  int pair[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
    fail("make a socket pair");
  descriptor own_end(pair[0]);
  descriptor const childs_end(pair[1]);
  if (::pipe2(pair, O_CLOEXEC) != 0) fail("make a pipe");
  descriptor const report(pair[0]);
  descriptor told(pair[1]);

  // The numbers that the child wants may be taken: copies above them first, then dup2 (which also
  // takes the close-on-exec mark away).
  std::vector<descriptor> copies;
  std::vector<int> wanted{childs_end.number(), lock.number()};
  wanted.insert(wanted.end(), given.begin(), given.end());
  wanted.push_back(told.number());
  int const out_of_the_way = channel_descriptor + static_cast<int>(wanted.size());
  std::vector<int> inherited;
  for (int const one : wanted) {
    copies.emplace_back(::fcntl(one, F_DUPFD_CLOEXEC, out_of_the_way));
    if (!copies.back().is_open()) fail("copy a descriptor");
    inherited.push_back(copies.back().number());
  }
  int const to_report = inherited.back();
  inherited.pop_back();
  auto const kept = child_environment();
  pid_t const pid = ::fork();
  if (pid < 0) fail("start a process");
  if (pid == 0) become_child(role, inherited, to_report, kept.data());
  told.reset();
  copies.clear();  // a copy of `told` is among them
  wait_for_exec(report);
  return {pid, std::move(own_end)};
}

std::optional<int> wait_for_end(pid_t pid) {
  for (int step = 0; step < wait_steps_max; ++step) {
    int status = 0;
    pid_t const ended = ::waitpid(pid, &status, WNOHANG);
    if (ended == pid) {
      return WIFEXITED(status) ? WEXITSTATUS(status) : ended_by_signal + WTERMSIG(status);
    }
    if (ended < 0 && errno != EINTR) return std::nullopt;
    std::this_thread::sleep_for(wait_step);
  }
  return std::nullopt;
}

}  // namespace tacit::app
