// A server on another machine as a source of the delivered set: what is asked and answered goes
// over its HTTP API sealed between this runtime and its keeper (core/runtime_message.hpp). Only
// what the keeper sealed is an answer; whatever else comes back is that nobody answered.
#pragma once

#include <memory>
#include <string>

#include "app/cli/delivery_source.hpp"
#include "app/cli/identity.hpp"

namespace tacit::app {

struct remote_server {
  api_address at;
  core::exchange_public_key key;
};

[[nodiscard]] std::unique_ptr<delivery_source> make_remote_source(std::string project,
                                                                  remote_server server,
                                                                  core::exchange_private_key own);

}  // namespace tacit::app
