// One connection's life.
#pragma once

#include "net/worker.hpp"

namespace tacit::net {

// Takes over the socket and serves requests on it, after the TLS handshake when it speaks TLS,
// until the client closes, errs or is too slow, or the worker drains. Runs on the worker's thread;
// the worker outlives it.
task<void> run_session(worker& at, accepted_socket accepted);

}  // namespace tacit::net
