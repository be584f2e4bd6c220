#include "net/tls_identity.hpp"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <ctime>
#include <new>
#include <optional>

#include "core/check.hpp"

namespace tacit::net {

namespace {

constexpr int client_chain_bytes_max = 32 * 1024;
constexpr int client_chain_depth_max = 8;
// RFC 7301: the length of the name, and the name.
constexpr std::string_view http_1_1 = "\x08http/1.1";

struct certificate_release {
  void operator()(X509* one) const noexcept { X509_free(one); }
};
struct key_release {
  void operator()(EVP_PKEY* one) const noexcept { EVP_PKEY_free(one); }
};
using certificate_ptr = std::unique_ptr<X509, certificate_release>;
using key_ptr = std::unique_ptr<EVP_PKEY, key_release>;

tls_bytes_ptr bytes_of(core::secret_buffer const& text) {
  std::string_view const pem = text.reveal();
  char const* const start = pem.empty() ? "" : pem.data();  // OpenSSL takes no null
  tls_bytes_ptr bytes(BIO_new_mem_buf(start, static_cast<int>(pem.size())));
  if (bytes == nullptr) throw std::bad_alloc();
  return bytes;
}

// Never asks anybody: that there is a passphrase is all that is wanted.
int note_passphrase(char*, int, int, void* asked) {
  *static_cast<bool*>(asked) = true;
  return -1;
}

certificate_ptr read_certificate(BIO* bytes) {
  bool asked = false;
  return certificate_ptr(PEM_read_bio_X509(bytes, nullptr, note_passphrase, &asked));
}

// Whether what made reading end was just the end of the text.
bool was_at_end() {
  unsigned long const error = ERR_peek_last_error();
  return ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
}

bool is_too_weak() {
  unsigned long const error = ERR_peek_error();
  int const reason = ERR_GET_REASON(error);
  return ERR_GET_LIB(error) == ERR_LIB_SSL &&
         (reason == SSL_R_EE_KEY_TOO_SMALL || reason == SSL_R_CA_KEY_TOO_SMALL ||
          reason == SSL_R_CA_MD_TOO_WEAK);
}

std::int64_t seconds_of(ASN1_TIME const* when) {
  std::tm broken_down{};
  if (ASN1_TIME_to_tm(when, &broken_down) != 1) return 0;
  return ::timegm(&broken_down);
}

using fault = std::optional<identity_fault>;

fault use_certificate(SSL_CTX* context, core::secret_buffer const& text, std::int64_t& ends_at) {
  tls_bytes_ptr const bytes = bytes_of(text);
  certificate_ptr const own = read_certificate(bytes.get());
  if (own == nullptr) return identity_fault::no_certificate;
  ends_at = seconds_of(X509_get0_notAfter(own.get()));
  if (SSL_CTX_use_certificate(context, own.get()) != 1) {
    return is_too_weak() ? identity_fault::weak_certificate : identity_fault::unusable;
  }
  while (certificate_ptr next = read_certificate(bytes.get())) {
    if (SSL_CTX_add0_chain_cert(context, next.get()) != 1) {
      return is_too_weak() ? identity_fault::weak_certificate : identity_fault::unusable;
    }
    static_cast<void>(next.release());  // the context's now
  }
  if (!was_at_end()) return identity_fault::broken_chain;
  ERR_clear_error();
  return std::nullopt;
}

fault use_key(SSL_CTX* context, core::secret_buffer const& text) {
  bool asked = false;
  tls_bytes_ptr const bytes = bytes_of(text);
  key_ptr const key(PEM_read_bio_PrivateKey(bytes.get(), nullptr, note_passphrase, &asked));
  if (asked) return identity_fault::key_with_passphrase;
  if (key == nullptr) return identity_fault::no_key;
  if (SSL_CTX_use_PrivateKey(context, key.get()) != 1 || SSL_CTX_check_private_key(context) != 1) {
    return identity_fault::key_of_another;
  }
  return std::nullopt;
}

// Who lists an authority trusts it, whether or not it is one at the root.
fault ask_clients(SSL_CTX* context, core::secret_buffer const& text) {
  if (text.empty()) return std::nullopt;
  tls_bytes_ptr const bytes = bytes_of(text);
  X509_STORE* const trusted = SSL_CTX_get_cert_store(context);
  std::size_t count = 0;
  while (certificate_ptr const one = read_certificate(bytes.get())) {
    if (X509_STORE_add_cert(trusted, one.get()) != 1 ||
        SSL_CTX_add_client_CA(context, one.get()) != 1) {
      return identity_fault::unusable;
    }
    ++count;
  }
  if (count == 0 || !was_at_end()) return identity_fault::no_client_ca;
  ERR_clear_error();
  X509_STORE_set_flags(trusted, X509_V_FLAG_PARTIAL_CHAIN);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  SSL_CTX_set_verify_depth(context, client_chain_depth_max);
  SSL_CTX_set_max_cert_list(context, client_chain_bytes_max);
  return std::nullopt;
}

// A client that names protocols must name HTTP/1.1 among them.
int choose_protocol(SSL*, unsigned char const** chosen, unsigned char* chosen_bytes,
                    unsigned char const* offered, unsigned offered_bytes, void*) {
  auto const* const ours = reinterpret_cast<unsigned char const*>(http_1_1.data());
  unsigned char* found = nullptr;
  if (SSL_select_next_proto(&found, chosen_bytes, ours, static_cast<unsigned>(http_1_1.size()),
                            offered, offered_bytes) != OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  }
  *chosen = found;
  return SSL_TLSEXT_ERR_OK;
}

}  // namespace

std::string_view explain(identity_fault what) noexcept {
  switch (what) {
    case identity_fault::no_certificate:
      return "the file of tls.certificate does not begin with a certificate in PEM "
             "(-----BEGIN CERTIFICATE-----)";
    case identity_fault::weak_certificate:
      return "the certificate of tls.certificate, or one behind it, is too weak: it needs an RSA "
             "key of 2048 bits or an elliptic one of 224, and no signature with SHA-1";
    case identity_fault::broken_chain:
      return "the file of tls.certificate has something behind its first certificate that is none";
    case identity_fault::no_key:
      return "the file of tls.key holds no private key in PEM (-----BEGIN PRIVATE KEY-----)";
    case identity_fault::key_with_passphrase:
      return "the key of tls.key has a passphrase: take it off, as with "
             "openssl pkey -in KEY -out NEW, and keep others from reading the file";
    case identity_fault::key_of_another:
      return "the key of tls.key is not that of the certificate of tls.certificate: both must be "
             "of one pair";
    case identity_fault::no_client_ca:
      return "the file of tls.client_ca must hold certificates in PEM, one or more, and nothing "
             "else";
    case identity_fault::unusable:
      break;
  }
  return "OpenSSL does not take the certificates of tls.certificate or tls.client_ca";
}

tls_identity::made tls_identity::make(core::identity_message const& from) {
  std::shared_ptr<tls_identity> identity(new tls_identity);
  identity->context_ = make_tls_context(tls_side::server);
  SSL_CTX* const context = identity->context_.get();
  ERR_clear_error();
  fault wrong = use_certificate(context, from.certificate, identity->ends_at_seconds_);
  if (!wrong) wrong = use_key(context, from.key);
  if (!wrong) wrong = ask_clients(context, from.client_ca);
  ERR_clear_error();
  if (wrong) return *wrong;
  SSL_CTX_set_alpn_select_cb(context, choose_protocol, nullptr);
  return std::shared_ptr<tls_identity const>(std::move(identity));
}

}  // namespace tacit::net
