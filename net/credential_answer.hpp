// What systemd is given for a credential, without I/O.
#pragma once

#include <string_view>

#include "core/crypto.hpp"
#include "core/delivery_policy.hpp"
#include "core/error.hpp"
#include "core/secret.hpp"
#include "net/keeper_channel.hpp"

namespace tacit::net {

// The credential id that stands for a project's whole set.
inline constexpr std::string_view whole_set_id = "env";

// The last line of a whole set. Who reads to the end of a connection cannot tell one that broke off
// from one that was closed: the line says that nothing is missing, also when there is no secret.
inline constexpr std::string_view whole_set_end = "# complete\n";

// The value of one secret and nothing else, so never empty. errc::not_found when the set has none
// of that name, errc::forbidden when the name is withheld, errc::corrupt when it does not open.
[[nodiscard]] core::result<core::secret_buffer> make_single_credential(
    core::keeper_share const& keys, core::delivery_policy const& policy,
    core::project_id const& project, sealed_set const& set, core::secret_name const& name);

// What is not withheld as an EnvironmentFile, then whole_set_end. errc::validation when it cannot
// hold one of the values, errc::corrupt when one does not open.
[[nodiscard]] core::result<core::secret_buffer> make_whole_credential(
    core::keeper_share const& keys, core::delivery_policy const& policy,
    core::project_id const& project, sealed_set const& set);

}  // namespace tacit::net
