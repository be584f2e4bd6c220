#include "net/tls_trust.hpp"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <array>

#include "core/check.hpp"

namespace tacit::net {

namespace {

constexpr std::array<unsigned char, 9> http_1_1{8, 'h', 't', 't', 'p', '/', '1', '.', '1'};

// Nobody is asked for a passphrase: the file is refused.
int no_passphrase(char*, int, int, void*) { return -1; }

bool is_address(std::string const& host) {
  std::array<unsigned char, sizeof(in6_addr)> bytes;
  return inet_pton(AF_INET, host.c_str(), bytes.data()) == 1 ||
         inet_pton(AF_INET6, host.c_str(), bytes.data()) == 1;
}

}  // namespace

boost::system::result<tls_context_ptr, trust_fault> make_client_context(tls_trust const& trust) {
  tls_context_ptr made = make_tls_context(tls_side::client);
  SSL_CTX* const context = made.get();
  SSL_CTX_set_default_passwd_cb(context, no_passphrase);
  bool const takes_any = trust.check == server_check::none;
  SSL_CTX_set_verify(context, takes_any ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, nullptr);
  CHECK(SSL_CTX_set_alpn_protos(context, http_1_1.data(), http_1_1.size()) == 0);
  ERR_clear_error();
  if (trust.ca_file.empty()) {
    SSL_CTX_set_default_verify_paths(context);
  } else if (SSL_CTX_load_verify_file(context, trust.ca_file.c_str()) != 1) {
    return trust_fault::ca_file;
  }
  if (!trust.certificate_file.empty()) {
    std::string const& key = trust.key_file.empty() ? trust.certificate_file : trust.key_file;
    if (SSL_CTX_use_certificate_chain_file(context, trust.certificate_file.c_str()) != 1) {
      return trust_fault::certificate_file;
    }
    if (SSL_CTX_use_PrivateKey_file(context, key.c_str(), SSL_FILETYPE_PEM) != 1) {
      return trust_fault::key_file;
    }
  }
  ERR_clear_error();
  return made;
}

void expect_server(tls_session& session, std::string const& host) {
  X509_VERIFY_PARAM* const wanted = SSL_get0_param(session.native());
  if (is_address(host)) {
    CHECK(X509_VERIFY_PARAM_set1_ip_asc(wanted, host.c_str()) == 1);
    return;
  }
  X509_VERIFY_PARAM_set_hostflags(wanted, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  CHECK(X509_VERIFY_PARAM_set1_host(wanted, host.c_str(), host.size()) == 1);
  // SSL_set_tlsext_host_name(), without its old-style cast.
  CHECK(SSL_ctrl(session.native(), SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                 const_cast<char*>(host.c_str())) == 1);
}

distrust distrust_of(tls_session const& session) noexcept {
  switch (SSL_get_verify_result(session.native())) {
    case X509_V_OK:
      return distrust::none;
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return distrust::expired;
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return distrust::not_yet_valid;
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
      return distrust::another_host;
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
      return distrust::unknown_authority;
    default:
      return distrust::other;
  }
}

}  // namespace tacit::net
