// How systemd asks for a credential (systemd.exec(5), LoadCredential=): it binds its end of the
// socket to the abstract address
//
//   NUL  1 to 16 hexadecimal digits, a random number  "/unit/"  unit  "/"  credential id
//
// Any process can bind such an address: who the peer is must be known otherwise.
#pragma once

#include <cstddef>
#include <string_view>

#include "core/error.hpp"

namespace tacit::core {

inline constexpr std::size_t unit_name_chars_max = 255;  // systemd's

// systemd gives up (its exit status is 243) when the address with all 16 digits, and with the NUL
// that it wants behind it, is longer than sun_path in unix(7).
inline constexpr std::size_t unit_and_credential_chars_max = 83;
static_assert(1 + 16 + std::string_view("/unit/").size() + unit_and_credential_chars_max + 1 + 1 ==
              108);

// Whether the text has the characters and the length of a unit's name.
[[nodiscard]] bool is_unit_name(std::string_view text) noexcept;

// Views into the address.
struct credential_name {
  std::string_view unit;  // is_unit_name()
  std::string_view id;    // not empty, without "/" and NUL
};

// `address` is sun_path up to the length that the kernel gave. errc::validation when it has not the
// form, or is longer than systemd makes one for every random number.
[[nodiscard]] result<credential_name> parse_credential_name(std::string_view address) noexcept;

}  // namespace tacit::core
