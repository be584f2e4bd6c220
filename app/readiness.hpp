// Tells the service manager that the server serves: sd_notify(3), without its library. One datagram
// "READY=1" to the Unix socket that NOTIFY_SOCKET names.
#pragma once

#include <string>

#include "app/descriptor.hpp"
#include "core/log.hpp"

namespace tacit::app {

class readiness {
 public:
  // Connects to `address`: a path, or "@NAME" for an abstract socket; "" for nobody to tell. Before
  // confine(), which forbids it. What cannot be connected to is said in the log: a manager that
  // waits for the word ends the server after a while.
  readiness(std::string const& address, core::log& log);

  // Says it, once, and closes the socket.
  void say_ready() noexcept;

 private:
  core::log& log_;
  descriptor socket_;
};

}  // namespace tacit::app
