#include "net/tls_library.hpp"

#include <malloc.h>
#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <new>

#include "core/check.hpp"
#include "core/secret.hpp"

namespace tacit::net {

namespace {

// For private keys of certificates: the largest RSA key takes about 8 KB.
constexpr std::size_t locked_bytes = 60 * 1024;
constexpr std::size_t locked_session_bytes = 64;  // of a handshake's key on P-384
constexpr int locked_piece_bytes = 32;
constexpr std::size_t few_sessions = 64;

constexpr char const* ciphers_of_1_2 = "ECDHE+AESGCM:ECDHE+CHACHA20";
constexpr char const* groups = "X25519:P-256:P-384";
constexpr int security_level = 2;  // RSA of 2048 bits, no SHA-1

void* give(std::size_t bytes, char const*, int) { return std::malloc(bytes); }

// What was decrypted, and keys of sessions, were there.
void take_back(void* data, char const*, int) {
  if (data == nullptr) return;
  core::wipe(data, ::malloc_usable_size(data));
  std::free(data);
}

void* give_more(void* data, std::size_t bytes, char const* file, int line) {
  if (bytes == 0) {
    take_back(data, file, line);
    return nullptr;
  }
  void* const larger = std::malloc(bytes);
  if (larger == nullptr || data == nullptr) return larger;
  std::memcpy(larger, data, std::min(bytes, ::malloc_usable_size(data)));
  take_back(data, file, line);
  return larger;
}

bool set_up(std::size_t sessions) {
  // The system's openssl.cnf may name modules to load and weaken what stands below.
  constexpr std::uint64_t how = OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT;
  CHECK(CRYPTO_set_mem_functions(give, give_more, take_back) == 1);
  CHECK(OPENSSL_init_ssl(how, nullptr) == 1);
  std::size_t const locked = std::bit_ceil(locked_bytes + sessions * locked_session_bytes);
  // 0: there is none, and keys lie in ordinary memory. 2: the kernel did not lock it.
  if (CRYPTO_secure_malloc_init(locked, locked_piece_bytes) != 1) core::note_failed_lock();
  return true;
}

}  // namespace

void init_tls(std::size_t sessions) {
  static bool const once = set_up(sessions);
  static_cast<void>(once);
}

void tls_release::operator()(ssl_ctx_st* context) const noexcept { SSL_CTX_free(context); }
void tls_release::operator()(ssl_st* session) const noexcept { SSL_free(session); }
void tls_release::operator()(bio_st* bytes) const noexcept { BIO_free(bytes); }

tls_context_ptr make_tls_context(tls_side side) {
  init_tls(few_sessions);
  tls_context_ptr made(
      SSL_CTX_new(side == tls_side::server ? TLS_server_method() : TLS_client_method()));
  if (made == nullptr) throw std::bad_alloc();
  SSL_CTX* const context = made.get();
  CHECK(SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1);
  CHECK(SSL_CTX_set_max_proto_version(context, TLS1_3_VERSION) == 1);
  CHECK(SSL_CTX_set_cipher_list(context, ciphers_of_1_2) == 1);
  // SSL_CTX_set1_groups_list(), without its old-style cast.
  CHECK(SSL_CTX_ctrl(context, SSL_CTRL_SET_GROUPS_LIST, 0, const_cast<char*>(groups)) == 1);
  SSL_CTX_set_security_level(context, security_level);
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET |
                                   SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA |
                                   SSL_OP_CLEANSE_PLAINTEXT);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  if (side == tls_side::server) CHECK(SSL_CTX_set_num_tickets(context, 0) == 1);
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_read_ahead(context, 1);  // a record in one read, not its head first
  return made;
}

}  // namespace tacit::net
