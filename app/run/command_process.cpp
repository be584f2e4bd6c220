#include "app/run/command_process.hpp"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>

#include "app/cli/error.hpp"
#include "app/cli/output.hpp"
#include "core/check.hpp"

namespace tacit::app {

namespace {

constexpr int signal_status_base = 128;

// Everything between fork and exec: nothing that allocates.
[[noreturn]] void become_command(command_start const& how, char* const* words, pid_t parent,
                                 int failed) noexcept {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(exit_not_executable);
  if (how.own_group) ::setpgid(0, 0);
  bool const placed = (how.out < 0 || ::dup2(how.out, STDOUT_FILENO) >= 0) &&
                      (how.err < 0 || ::dup2(how.err, STDERR_FILENO) >= 0);
  if (how.ignores_children) std::signal(SIGCHLD, SIG_IGN);
  ::sigprocmask(SIG_SETMASK, &how.signals, nullptr);
  environ = how.environment.data();  // a delivered PATH is where the command is looked for
  if (placed) ::execvp(words[0], words);
  int const reason = errno;
  [[maybe_unused]] auto const told = ::write(failed, &reason, sizeof reason);
  ::_exit(exit_not_executable);
}

}  // namespace

pid_t start_command(command_start const& how) {
  std::vector<char*> words;
  for (std::string const& word : how.words) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  std::array<int, 2> ends{};
  pid_t const self = ::getpid();
  pid_t pid = -1;
  if (::pipe2(ends.data(), O_CLOEXEC) == 0) pid = ::fork();
  if (pid < 0) {
    throw cli_error(exit_not_executable,
                    std::string("cannot start a process: ") + std::strerror(errno));
  }
  if (pid == 0) become_command(how, words.data(), self, ends[1]);
  descriptor const failed(ends[0]);
  ::close(ends[1]);
  int reason = 0;
  ssize_t got = -1;
  do {
    got = ::read(failed.number(), &reason, sizeof reason);
  } while (got < 0 && errno == EINTR);
  if (got <= 0) return pid;  // the exec has closed it
  ::waitpid(pid, nullptr, 0);
  throw cli_error(reason == ENOENT ? exit_not_found : exit_not_executable,
                  "cannot run " + shown(how.words.front()) + ": " + std::strerror(reason));
}

std::vector<pid_t> child_processes() {
  std::ifstream file("/proc/self/task/" + std::to_string(::gettid()) + "/children");
  std::vector<pid_t> children;
  for (pid_t one = 0; file >> one;) children.push_back(one);
  return children;
}

int exit_status_of(int wait_status) noexcept {
  if (WIFSIGNALED(wait_status)) return signal_status_base + WTERMSIG(wait_status);
  return WEXITSTATUS(wait_status);
}

int end_as(int wait_status) noexcept {
  if (WIFSIGNALED(wait_status) && ::getpid() != 1) {
    int const number = WTERMSIG(wait_status);
    rlimit const no_core{0, 0};
    ::setrlimit(RLIMIT_CORE, &no_core);
    std::signal(number, SIG_DFL);
    sigset_t only;
    sigemptyset(&only);
    sigaddset(&only, number);
    ::sigprocmask(SIG_UNBLOCK, &only, nullptr);
    ::raise(number);
  }
  return exit_status_of(wait_status);
}

}  // namespace tacit::app
