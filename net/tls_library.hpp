// OpenSSL, set up once for the process: no settings file of the system's, memory that is wiped when
// it is given back, private keys in locked memory.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

// OpenSSL's SSL_CTX, SSL, BIO and X509, whose headers are included in net/tls_*.cpp only.
struct ssl_ctx_st;
struct ssl_st;
struct bio_st;

namespace tacit::net {

// Before anything else of OpenSSL; does its work once, so the first call counts. `sessions`: how
// many there may be at a time. Each keeps the private key of its handshake in locked memory as long
// as it lives, and when that is full no handshake succeeds.
void init_tls(std::size_t sessions);

struct tls_release {
  void operator()(ssl_ctx_st* context) const noexcept;
  void operator()(ssl_st* session) const noexcept;
  void operator()(bio_st* bytes) const noexcept;
};
using tls_context_ptr = std::unique_ptr<ssl_ctx_st, tls_release>;
using tls_session_ptr = std::unique_ptr<ssl_st, tls_release>;
using tls_bytes_ptr = std::unique_ptr<bio_st, tls_release>;

// A fresh context of the side, for a few sessions when init_tls() was not called before, with what
// both sides have in common: TLS 1.2 and 1.3, forward secrecy and authenticated encryption only, no
// renegotiation, no compression, no resumption.
enum class tls_side { server, client };
[[nodiscard]] tls_context_ptr make_tls_context(tls_side side);

}  // namespace tacit::net
