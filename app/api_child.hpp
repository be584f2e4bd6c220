// The api process as the keeper sees it: starting it and learning how it ended.
#pragma once

#include <optional>
#include <vector>

#include "app/child_process.hpp"
#include "app/listen.hpp"

namespace tacit::app {

inline constexpr int first_listener_descriptor = first_given_descriptor;  // then one each

// As spawn_child.
[[nodiscard]] child_process spawn_api(descriptor const& lock,
                                      std::vector<open_listener> const& listeners);

// The exit status of the child (128 + signal when one ended it), waiting at most a few seconds for
// it; nothing when it is still there then.
[[nodiscard]] std::optional<int> wait_for_api(pid_t pid);

}  // namespace tacit::app
