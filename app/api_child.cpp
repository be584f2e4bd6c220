#include "app/api_child.hpp"

#include <sys/wait.h>

#include <cerrno>
#include <chrono>
#include <thread>

namespace tacit::app {

namespace {

constexpr std::chrono::milliseconds wait_step{5};
constexpr int wait_steps_max = 1000;

}  // namespace

child_process spawn_api(descriptor const& lock, std::vector<open_listener> const& listeners) {
  std::vector<int> given;
  for (open_listener const& one : listeners) given.push_back(one.socket.number());
  return spawn_child("api-process", lock, given);
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
