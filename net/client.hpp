// A small blocking HTTP/1.1 client for the command line: one connection, one request, one answer.
// It knows nothing of what is asked. No TLS yet.
#pragma once

#include <boost/system/result.hpp>
#include <cstddef>
#include <string>
#include <string_view>
#include <variant>

#include "core/secret.hpp"

namespace tacit::net {

inline constexpr int client_timeout_seconds = 30;  // to connect, for each send, for each receive
inline constexpr std::size_t client_body_bytes_max = 64 * 1024 * 1024;

struct unix_endpoint {
  std::string path;
};
struct tcp_endpoint {
  std::string host;  // a name or an address, IPv6 without brackets
  std::string port;
};
using client_endpoint = std::variant<unix_endpoint, tcp_endpoint>;

// Views: the caller keeps the texts, and wipes what is secret.
struct client_request {
  std::string_view method;
  std::string_view target;  // origin form, already percent-encoded
  std::string_view token;   // sent as a bearer token; "" sends none
  std::string_view body;    // JSON; "" sends none
};

struct client_answer {
  unsigned status = 0;
  std::string request_id;       // "" when the answer names none, as below
  std::string retry_after;      // seconds
  core::secret_buffer body{0};  // may hold values: wiped when it goes
};

enum class client_fault {
  path_too_long,   // of a Unix socket: 107 bytes at most
  no_such_host,    // reason is getaddrinfo's
  cannot_connect,  // reason is errno; nothing was sent
  timed_out,       // the server may have acted or not, as below
  connection_lost,
  not_http,
  too_large,
};

struct client_failure {
  client_fault fault;
  int reason = 0;
};

using client_result = boost::system::result<client_answer, client_failure>;

// Sends no signal (SIGPIPE) and leaves no descriptor open for a later exec.
[[nodiscard]] client_result exchange(client_endpoint const& endpoint,
                                     client_request const& request);

}  // namespace tacit::net
