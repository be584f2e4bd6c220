// One connection's life.
#pragma once

#include "net/worker.hpp"

namespace tacit::net {

// Serves requests on the socket until the client closes, errs or is too slow, or the worker drains.
// Runs on the worker's thread; the worker outlives it.
task<void> run_session(worker& at, stream_socket accepted, peer from);

}  // namespace tacit::net
