// What a delivery answers, without I/O: from sealed records to the bytes of a body.
#pragma once

#include <cstddef>
#include <string_view>

#include "core/crypto.hpp"
#include "core/delivery_policy.hpp"
#include "core/error.hpp"
#include "core/secret.hpp"
#include "net/keeper_channel.hpp"

namespace tacit::net {

// {"data":{"project":…,"revision":…,"env":{…},"withheld":[…]}} with every value of the set that the
// policy does not withhold. errc::corrupt when any record does not open at its place: a set that is
// not whole is not delivered.
[[nodiscard]] core::result<core::secret_buffer> make_delivery_body(
    core::keeper_share const& keys, core::delivery_policy const& policy,
    core::project_id const& project, sealed_set const& set);

}  // namespace tacit::net
