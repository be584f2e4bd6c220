// One connection's life.
#pragma once

#include "net/worker.hpp"

namespace tacit::net {

// Takes over a connected, non-blocking socket and serves requests on it until the client closes,
// errs or is too slow, or the worker drains. Runs on the worker's thread; the worker outlives it.
task<void> run_session(worker& at, int accepted, peer from);

}  // namespace tacit::net
