// What the owner of the server orders on keeper.sock about runtimes of other machines:
//
//   GET    /v1/runtimes                                        the enrolments, and the server's key
//   POST   /v1/runtimes?project=P&publicKey=K[&id=ID][&expiresAt=TIME]
//   DELETE /v1/runtimes/{id}                                   revokes one
//   DELETE /v1/runtimes                                        revokes all, and ends a doubt
//
// There are no bodies and no escapes to parse. Without I/O but for the keeper's own file.
#pragma once

#include <string>
#include <string_view>

#include "core/crypto.hpp"
#include "core/timestamp.hpp"
#include "net/enrolments.hpp"
#include "net/framing.hpp"

namespace tacit::net {

[[nodiscard]] bool is_runtime_order(std::string_view target) noexcept;

struct order_outcome {
  unsigned status = 200;
  std::string body;
};
// `target` is one that is_runtime_order(); who asks is the owner.
[[nodiscard]] order_outcome carry_out(enrolments& enrolled, core::exchange_public_key const& own,
                                      method verb, std::string_view target, core::timestamp now);

}  // namespace tacit::net
