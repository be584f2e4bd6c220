// This same program as another process: for a part that is to be kept apart.
#pragma once

#include <sys/types.h>

#include <optional>
#include <vector>

#include "app/descriptor.hpp"

namespace tacit::app {

// Descriptors that the child inherits: its end of the channel, the data folder's lock, and then
// those that it is given.
inline constexpr int channel_descriptor = 3;
inline constexpr int lock_descriptor = 4;
inline constexpr int first_given_descriptor = 5;

struct child_process {
  pid_t pid = -1;
  descriptor channel;  // SOCK_SEQPACKET
};

// Forks and executes this same binary with `role` as its only argument, with an empty
// environment (but for a sanitizer's options), and with no descriptor but stdout, stderr and those
// above. Call before any thread and before any key is read.
// Throws startup_error, also when it could not be executed.
[[nodiscard]] child_process spawn_child(char const* role, descriptor const& lock,
                                        std::vector<int> const& given);

// The exit status of the child (128 + signal when one ended it), waiting at most a few seconds for
// it; nothing when it is still there then.
[[nodiscard]] std::optional<int> wait_for_end(pid_t pid);
inline constexpr int ended_by_signal = 128;

}  // namespace tacit::app
