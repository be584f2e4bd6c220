// Who the api process says that it is to clients that speak TLS.
#pragma once

#include <memory>
#include <span>

#include "core/channel.hpp"
#include "core/log.hpp"
#include "net/tls_identity.hpp"
#include "net/worker.hpp"

namespace tacit::app {

// At the start. Throws startup_error when the texts are no identity.
[[nodiscard]] std::shared_ptr<net::tls_identity const> require_identity(
    core::identity_message const& from, core::log& log);

// Later: has the workers use it from the next connection on. When the texts are no identity, the
// one before stays. The log says either.
void renew_identity(core::identity_message const& from, std::span<net::worker* const> workers,
                    core::log& log);

}  // namespace tacit::app
