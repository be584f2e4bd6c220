// The api process as the keeper sees it: starting it and learning how it ended.
#pragma once

#include <sys/types.h>

#include <optional>
#include <vector>

#include "app/descriptor.hpp"
#include "app/listen.hpp"

namespace tacit::app {

// Descriptors that the api process inherits; the first listener's number, then one each.
inline constexpr int channel_descriptor = 3;
inline constexpr int lock_descriptor = 4;
inline constexpr int first_listener_descriptor = 5;

struct api_child {
  pid_t pid = -1;
  descriptor channel;  // SOCK_SEQPACKET
};

// Forks and executes this same binary as the api process, with the environment less everything that
// begins with TACIT_ and the service manager's NOTIFY_SOCKET, and with no descriptor but stdout,
// stderr and those above. Call before any thread and before any key is read. Throws startup_error,
// also when it could not be executed.
[[nodiscard]] api_child spawn_api(descriptor const& lock,
                                  std::vector<open_listener> const& listeners);

// The exit status of the child (128 + signal when one ended it), waiting at most a few seconds for
// it; nothing when it is still there then.
[[nodiscard]] std::optional<int> wait_for_api(pid_t pid);

}  // namespace tacit::app
