// Opening the sockets that tacit listens on.
#pragma once

#include <string>
#include <vector>

#include "app/descriptor.hpp"
#include "app/settings/settings.hpp"

namespace tacit::app {

struct open_listener {
  descriptor socket;
  std::string url;  // http://127.0.0.1:8787, with the port that the kernel chose; or https://
};

// One for each "ADDRESS:PORT" ("[ADDRESS]:PORT" for IPv6; port 0: any free one). Throws
// startup_error: taken, not ours, not allowed.
[[nodiscard]] std::vector<open_listener> open_tcp_listeners(settings const& configured);

// Throws startup_error when Linux has no room for the path of a Unix socket.
void check_socket_path(std::string const& path);

// Replaces what lies there: whoever calls holds the lock of the folder. Throws startup_error.
[[nodiscard]] descriptor open_unix_listener(std::string const& path, unsigned mode);

}  // namespace tacit::app
