// A runtime's identity: its own key pair, and the server's key that it trusts, in one file that
// nobody else may read:
//
//   tacit identity 1
//   private BASE64URL        of 32 bytes, without padding
//   server BASE64URL         once it is pinned
//
// Whoever has the private key is this runtime. The server's key tells the keeper from whoever
// answers in its place.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/crypto.hpp"

namespace tacit::app {

struct identity {
  core::exchange_private_key own;
  std::optional<core::exchange_public_key> server;
};

// Makes the file, mode 0600. Throws cli_error: it is there already, or cannot be made.
[[nodiscard]] identity make_identity_file(std::string const& path);
// Throws cli_error: not there, open to others, or not an identity.
[[nodiscard]] identity read_identity_file(std::string const& path);
// Puts the server's key into it. Throws cli_error, also when it has another one already.
void pin_server_key(std::string const& path, core::exchange_public_key const& server);

// Throws cli_error (wrong usage) that names the flag; the text is not repeated: it may be a private
// key.
[[nodiscard]] core::exchange_public_key parse_public_key(std::string_view text,
                                                         std::string const& flag);

}  // namespace tacit::app
