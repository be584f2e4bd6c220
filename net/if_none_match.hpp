// The If-None-Match field against a version (RFC 9110 section 13.1.2).
#pragma once

#include <cstdint>
#include <string_view>

namespace tacit::net {

// Whether the field's list of entity tags has the version's, or is "*". Weak tags compare alike.
[[nodiscard]] bool names_version(std::string_view if_none_match, std::uint64_t version);

}  // namespace tacit::net
