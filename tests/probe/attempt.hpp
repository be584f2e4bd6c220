// What the attempts share: how each tells what came of it, and where things are.
#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <span>
#include <string>

namespace tacit::probe {

// Every attempt returns 0 when it got through, else the errno that stopped it.

inline std::string from_environment(char const* name) {
  char const* const text = std::getenv(name);
  return text == nullptr ? std::string("/probe-needs-") + name : text;
}
inline std::string key_path() { return from_environment("PROBE_KEY"); }
inline std::string run_path(char const* name) { return from_environment("PROBE_RUN") + "/" + name; }
inline std::string store_path(char const* name) {
  return from_environment("PROBE_STORE") + "/" + name;
}
inline std::string keeper_path(char const* name) {
  return "/proc/" + std::to_string(getppid()) + "/" + name;
}

inline int close_or_errno(long descriptor) {
  if (descriptor < 0) return errno;
  close(static_cast<int>(descriptor));
  return 0;
}

// The kernel went past its checks and stopped at the argument, which is wrong on purpose.
inline int past_the_checks(long answer, int argument_errno) {
  return answer >= 0 || errno == argument_errno ? 0 : errno;
}

inline int wait_for(pid_t child) {
  int status = 0;
  if (waitpid(child, &status, 0) != child) return errno;
  return WIFEXITED(status) ? WEXITSTATUS(status) : ECHILD;
}

struct attempt {
  char const* name;
  int (*attack)();
};

[[nodiscard]] std::span<attempt const> attempts_on_files();
[[nodiscard]] std::span<attempt const> attempts_on_the_keeper();
[[nodiscard]] std::span<attempt const> attempts_on_the_kernel();

// In place of the api process: says that it serves and then lies to the keeper in the way that
// PROBE_CHANNEL names (false_api.cpp).
[[noreturn]] void play_false_api();

}  // namespace tacit::probe
