// The api process as the keeper sees it.
#pragma once

#include <vector>

#include "app/child_process.hpp"
#include "app/listen.hpp"

namespace tacit::app {

inline constexpr int first_listener_descriptor = first_given_descriptor;  // then one each

// As spawn_child.
[[nodiscard]] child_process spawn_api(descriptor const& lock,
                                      std::vector<open_listener> const& listeners);

}  // namespace tacit::app
