// Whom a TLS client trusts, and who it says that it is.
#pragma once

#include <boost/system/result.hpp>
#include <string>
#include <string_view>

#include "net/tls_library.hpp"
#include "net/tls_session.hpp"

namespace tacit::net {

enum class server_check { certificate, none };

// PEM files; "" where there is none.
struct tls_trust {
  std::string ca_file;           // authorities instead of the system's
  std::string certificate_file;  // the client's own, with those that it rests on
  std::string key_file;          // its key; "": in the same file
  server_check check = server_check::certificate;
};

// The file that cannot be read, or holds what it should not.
enum class trust_fault { ca_file, certificate_file, key_file };

// A client's context, that takes no server without a good certificate unless `check` says so.
[[nodiscard]] boost::system::result<tls_context_ptr, trust_fault> make_client_context(
    tls_trust const& trust);

// Before the handshake: the server must be this host, a name or an address.
void expect_server(tls_session& session, std::string const& host);

// Why the server's certificate was not taken.
enum class distrust { none, expired, not_yet_valid, another_host, unknown_authority, other };
[[nodiscard]] distrust distrust_of(tls_session const& session) noexcept;

}  // namespace tacit::net
