// A small HTTP/1.1 client for the command line, over TLS where the endpoint says so: one
// connection, one request, one answer. It knows nothing of what is asked.
#pragma once

#include <boost/system/result.hpp>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "core/secret.hpp"
#include "net/tls_trust.hpp"

namespace tacit::net {

inline constexpr int client_timeout_seconds = 30;  // to connect, for each send, for each receive
inline constexpr std::size_t client_body_bytes_max = 64 * 1024 * 1024;

struct unix_endpoint {
  std::string path;
};
struct tcp_endpoint {
  std::string host;  // a name or an address, IPv6 without brackets
  std::string port;
  std::optional<tls_trust> tls{};  // nothing: no TLS
};
using client_endpoint = std::variant<unix_endpoint, tcp_endpoint>;

// Views: the caller keeps the texts, and wipes what is secret.
struct client_request {
  std::string_view method;
  std::string_view target;              // origin form, already percent-encoded
  std::string_view token;               // sent as a bearer token; "" sends none
  std::string_view body;                // JSON; "" sends none
  std::string_view if_none_match = {};  // an entity tag with its quotes; "" sends none
};

struct client_answer {
  unsigned status = 0;
  std::string request_id;       // "" when the answer names none, as below
  std::string retry_after;      // seconds
  core::secret_buffer body{0};  // may hold values: wiped when it goes
};

enum class client_fault {
  path_too_long,   // of a Unix socket: 107 bytes at most
  stranger,        // who listens there is neither root, nor this user, nor the folder's owner
  no_such_host,    // reason is getaddrinfo's
  cannot_connect,  // reason is errno; nothing was sent
  timed_out,       // the server may have acted or not, as below
  connection_lost,
  not_http,
  too_large,
  // TLS: nothing was sent.
  bad_ca_file,  // of the endpoint's tls_trust: cannot be read, or holds what it should not
  bad_certificate_file,
  bad_key_file,
  untrusted,     // reason is a distrust: the server's certificate was not taken
  no_handshake,  // detail says why: no TLS there, or the server did not take us
};

struct client_failure {
  client_fault fault;
  int reason = 0;
  std::string_view detail{};  // OpenSSL's words; never what the server sent
};

using client_result = boost::system::result<client_answer, client_failure>;

// Ends exchanges from another thread: what is under way fails soon, and what is begun later at
// once. A copy is the same one.
class client_stop {
 public:
  client_stop();
  void stop() const noexcept;

 private:
  friend class client_wire;
  friend class stoppable;
  struct state;
  // Has the work done on another thread. False when it is stopped before that: it goes on then, so
  // it must have all that it needs, and nothing secret. Throws std::system_error without a thread.
  [[nodiscard]] bool wait_for(std::function<void()> work) const;
  std::shared_ptr<state> state_;
};

// Sends no signal (SIGPIPE) and leaves no descriptor open for a later exec.
[[nodiscard]] client_result exchange(client_endpoint const& endpoint, client_request const& request,
                                     client_stop const* stop = nullptr);

// The same for who waits for several things at once: no call blocks, and the caller keeps the time.
// But for begin() over TCP: it waits to connect, and for the handshake.
class pending_exchange {
 public:
  using begun = boost::system::result<pending_exchange, client_failure>;
  // Connects and sends. A server that accepts nobody now is cannot_connect with EAGAIN.
  [[nodiscard]] static begun begin(client_endpoint const& endpoint, client_request const& request);

  pending_exchange(pending_exchange&&) noexcept;
  pending_exchange& operator=(pending_exchange&&) noexcept;
  ~pending_exchange();

  // Readable when advance() has something to do.
  [[nodiscard]] int descriptor() const noexcept;
  // Takes what has arrived. Nothing while the answer is not complete; not to be called after it.
  [[nodiscard]] std::optional<client_result> advance();

 private:
  struct state;
  explicit pending_exchange(std::unique_ptr<state> held);
  std::unique_ptr<state> state_;
};

}  // namespace tacit::net
