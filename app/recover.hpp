// `tacit recover`: what is left of a store that serve refuses, without a server.
#pragma once

#include "app/settings/settings.hpp"

namespace tacit::app {

enum class recovery {
  look,  // changes nothing
  drop,  // makes a new store of what is left, and puts the old one aside
};

// Reads the whole store, as the user that it belongs to, and writes to stdout what is lost and
// what is left. Returns 0 when it is not damaged, or when a new one has taken its place; 1 when it
// is damaged and stays as it is. Throws startup_error: a server uses it, no store, no root key or
// another one, a store that cannot be read at all.
[[nodiscard]] int run_recover(settings const& configured, recovery how);

}  // namespace tacit::app
