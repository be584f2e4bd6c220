// Which servers a client takes for the host that it asked for, in a handshake with each.
#include "net/tls_trust.hpp"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "core/channel.hpp"
#include "net/tls_identity.hpp"

namespace tacit::net {
namespace {

using key_ptr = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
using certificate_ptr = std::unique_ptr<X509, decltype(&X509_free)>;

struct pem_pair {
  std::string certificate;
  std::string key;
};

std::string take_text(BIO* bytes) {
  char* text = nullptr;
  auto const size = BIO_get_mem_data(bytes, &text);
  std::string taken(text, static_cast<std::size_t>(size));
  BIO_free(bytes);
  return taken;
}

// Vouches for itself, for these names ("DNS:a,IP:b").
pem_pair make_pair(std::string const& names) {
  std::string curve = "P-256";
  // EVP_EC_gen(), without its old-style cast.
  key_ptr const key(EVP_PKEY_Q_keygen(nullptr, nullptr, "EC", curve.data()), EVP_PKEY_free);
  certificate_ptr const made(X509_new(), X509_free);
  X509_set_version(made.get(), X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(made.get()), 1);
  X509_gmtime_adj(X509_getm_notBefore(made.get()), -60);
  X509_gmtime_adj(X509_getm_notAfter(made.get()), 3600);
  X509_set_pubkey(made.get(), key.get());
  X509V3_CTX about;
  X509V3_set_ctx(&about, made.get(), made.get(), nullptr, nullptr, 0);
  X509_EXTENSION* const extension =
      X509V3_EXT_conf_nid(nullptr, &about, NID_subject_alt_name, names.c_str());
  BOOST_REQUIRE(extension != nullptr);
  X509_add_ext(made.get(), extension, -1);
  X509_EXTENSION_free(extension);
  BOOST_REQUIRE(X509_sign(made.get(), key.get(), EVP_sha256()) > 0);
  BIO* const certificate = BIO_new(BIO_s_mem());
  PEM_write_bio_X509(certificate, made.get());
  BIO* const secret = BIO_new(BIO_s_mem());
  PEM_write_bio_PrivateKey(secret, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  return {take_text(certificate), take_text(secret)};
}

core::secret_buffer buffer_of(std::string_view text) {
  core::secret_buffer buffer(text.size());
  BOOST_REQUIRE(buffer.append(text));
  return buffer;
}

// One end of a wire that takes all.
struct wire_end final : tls_transport {
  std::string& in;
  std::string& out;
  wire_end(std::string& from, std::string& to) : in(from), out(to) {}

  io_result carry_in(std::span<char> into) noexcept override {
    if (in.empty()) return {io_state::would_block, 0};
    std::size_t const count = in.copy(into.data(), into.size());
    in.erase(0, count);
    return {io_state::done, count};
  }
  io_result carry_out(std::string_view from) noexcept override {
    out.append(from);
    return {io_state::done, from.size()};
  }
};

// What a client that asked for the host thinks of a server of these names.
distrust ask(std::string const& host, std::string const& names) {
  init_tls(2);
  pem_pair const pair = make_pair(names);
  std::string const file = std::filesystem::temp_directory_path() /
                           ("tacit-trust-" + std::to_string(::getpid()) + ".pem");
  std::ofstream(file) << pair.certificate;
  auto const context = make_client_context({file, "", "", server_check::certificate});
  std::filesystem::remove(file);
  auto const identity =
      tls_identity::make({buffer_of(pair.certificate), buffer_of(pair.key), buffer_of("")});
  BOOST_REQUIRE((context.has_value() && identity.has_value()));

  std::string to_server;
  std::string to_client;
  wire_end client_end(to_client, to_server);
  wire_end server_end(to_server, to_client);
  tls_session client(context->get(), tls_side::client, client_end);
  tls_session server((*identity)->context(), tls_side::server, server_end);
  expect_server(client, host);
  io_state state = io_state::would_block;
  for (int i = 0; i < 10 && state == io_state::would_block; ++i) {
    state = client.shake_hands();
    static_cast<void>(server.shake_hands());
  }
  distrust const found = distrust_of(client);
  BOOST_TEST((state == io_state::done) == (found == distrust::none));
  return found;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(tls_trusts)

BOOST_AUTO_TEST_CASE(a_server_is_taken_for_a_host_that_its_certificate_names_and_for_no_other) {
  struct row {
    char const* host;
    char const* names;
    bool taken;
  };
  for (row const& one : {
           row{"www.example.com", "DNS:www.example.com", true},
           {"www.example.com", "DNS:other.example.com,DNS:WWW.Example.com", true},
           {"www.example.com", "DNS:*.example.com", true},
           {"www.example.com", "DNS:example.com", false},
           {"www.example.com", "DNS:www.example.com.org", false},
           {"www.example.com", "DNS:w.example.com", false},
           // A star for a part of a label: RFC 9525 section 6.3 takes none.
           {"www.example.com", "DNS:w*.example.com", false},
           {"www.example.com", "DNS:*w.example.com", false},
           {"www.example.com", "DNS:w*w.example.com", false},
           {"www.example.com", "DNS:*.*.com", false},
           {"www.example.com", "DNS:www.*.com", false},
           {"www.example.com", "DNS:*.com", false},
           {"www.example.com", "DNS:*", false},
           {"a.www.example.com", "DNS:*.example.com", false},
           {"example.com", "DNS:*.example.com", false},
           {"127.0.0.1", "IP:127.0.0.1", true},
           {"127.0.0.1", "IP:127.0.0.2", false},
           {"127.0.0.1", "DNS:127.0.0.1", false},
           {"127.0.0.1", "DNS:*.0.0.1", false},
           {"::1", "IP:::1", true},
           {"::1", "IP:::2", false},
       }) {
    BOOST_TEST((ask(one.host, one.names) == distrust::none) == one.taken,
               one.host << " of " << one.names);
    if (!one.taken) BOOST_CHECK(ask(one.host, one.names) == distrust::another_host);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace tacit::net
