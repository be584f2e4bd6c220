// What a delivery answers, without I/O: from sealed records to the bytes of a body.
#pragma once

#include <cstddef>
#include <string_view>
#include <utility>
#include <vector>

#include "core/crypto.hpp"
#include "core/delivery_policy.hpp"
#include "core/error.hpp"
#include "core/secret.hpp"
#include "net/keeper_channel.hpp"

namespace tacit::net {

// The values of a set that the policy does not withhold, in the set's order. The names are views
// into the set.
struct opened_set {
  core::secret_buffer bytes{0};  // what the values are views into
  std::vector<std::pair<std::string_view, std::string_view>> entries;  // name, value
};

// errc::corrupt when any record does not open at its place: a set that is not whole is not
// delivered.
[[nodiscard]] core::result<opened_set> open_set(core::keeper_share const& keys,
                                                core::delivery_policy const& policy,
                                                core::project_id const& project,
                                                sealed_set const& set);

// {"data":{"project":…,"revision":…,"env":{…},"withheld":[…]}} with what open_set() gives, or its
// error.
[[nodiscard]] core::result<core::secret_buffer> make_delivery_body(
    core::keeper_share const& keys, core::delivery_policy const& policy,
    core::project_id const& project, sealed_set const& set);

}  // namespace tacit::net
