// Two sessions, a server's and a client's, above a transport that gives and takes as little as it
// likes: nothing is lost, added or changed, whatever the pieces.
#include "net/tls_session.hpp"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <random>
#include <string>

#include "core/channel.hpp"
#include "net/tls_identity.hpp"

namespace tacit::net {
namespace {

// A pair made for this test, of use for nothing else; ends in 2126.
constexpr std::string_view test_certificate =
    "-----BEGIN CERTIFICATE-----\n"
    "MIIBljCCAT2gAwIBAgIUfoMuvkv2ZmDn9XylYe8JASNeJa8wCgYIKoZIzj0EAwIw\n"
    "FTETMBEGA1UEAwwKdGFjaXQtdGVzdDAgFw0yNjExMjYxMTE4NTJaGA8yMTI2MTEw\n"
    "MjExMTg1MlowFTETMBEGA1UEAwwKdGFjaXQtdGVzdDBZMBMGByqGSM49AgEGCCqG\n"
    "SM49AwEHA0IABDhPQqSvmZOpmpQX/63tq45dcHKl9KHRZjisYSOmxsG/H5xwz9B5\n"
    "15mHgvGGmWHPfApPNKaWUM8qsbRT7Zl8GsyjaTBnMB0GA1UdDgQWBBTydjlhLCFz\n"
    "Qxl8oobpto1VR9yEzTAfBgNVHSMEGDAWgBTydjlhLCFzQxl8oobpto1VR9yEzTAP\n"
    "BgNVHRMBAf8EBTADAQH/MBQGA1UdEQQNMAuCCWxvY2FsaG9zdDAKBggqhkjOPQQD\n"
    "AgNHADBEAiBmqTibbEWZfoR9tTdNIyOT2ciL9tvJOfYL5LSk5uO9QwIgIPbBIvN2\n"
    "r0fSLE3oKQdGwQtJQmu1zlFQJZ+/THHNWCQ=\n"
    "-----END CERTIFICATE-----\n";
constexpr std::string_view test_key =
    "-----BEGIN PRIVATE KEY-----\n"
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgeH1dhG9EYHgBeuxj\n"
    "dwQvABbLyQd3JFIAQUSg9n9/nxmhRANCAAQ4T0Kkr5mTqZqUF/+t7auOXXBypfSh\n"
    "0WY4rGEjpsbBvx+ccM/QedeZh4Lxhplhz3wKTzSmllDPKrG0U+2ZfBrM\n"
    "-----END PRIVATE KEY-----\n";

core::secret_buffer buffer_of(std::string_view text) {
  core::secret_buffer buffer(text.size());
  BOOST_REQUIRE(buffer.append(text));
  return buffer;
}

tls_identity::made make(std::string_view certificate, std::string_view key,
                        std::string_view client_ca = "") {
  return tls_identity::make({buffer_of(certificate), buffer_of(key), buffer_of(client_ca)});
}

// One direction of a wire with room for so many bytes.
struct pipe {
  std::string held{};
  std::size_t room = 0;
  bool ended = false;
};

// One end of two of them. Moves a random part of what it could, and now and then nothing.
class pipe_end final : public tls_transport {
 public:
  pipe_end(pipe& in, pipe& out, std::mt19937_64& random) : in_(in), out_(out), random_(random) {}

  io_result carry_in(std::span<char> into) noexcept override {
    if (in_.held.empty()) return {in_.ended ? io_state::ended : io_state::would_block, 0};
    std::size_t const count = some(std::min(into.size(), in_.held.size()));
    std::copy_n(in_.held.begin(), count, into.begin());
    in_.held.erase(0, count);
    return {count > 0 ? io_state::done : io_state::would_block, count};
  }
  io_result carry_out(std::string_view from) noexcept override {
    std::size_t const count = some(std::min(from.size(), out_.room - out_.held.size()));
    out_.held.append(from.substr(0, count));
    return {count > 0 ? io_state::done : io_state::would_block, count};
  }

 private:
  std::size_t some(std::size_t most) { return random_() % 4 == 0 ? 0 : random_() % (most + 1); }

  pipe& in_;
  pipe& out_;
  std::mt19937_64& random_;
};

struct two_sessions {
  explicit two_sessions(std::uint64_t seed) : random(seed) {}

  // False when one of them has ended, or both have no more to say.
  bool shake_hands() {
    io_state s = io_state::would_block;
    io_state c = io_state::would_block;
    for (int step = 0; step < 100'000; ++step) {
      if (c != io_state::done) c = client.shake_hands();
      if (s != io_state::done) s = server.shake_hands();
      if (c == io_state::ended || s == io_state::ended) return false;
      if (c == io_state::done && s == io_state::done) return true;
    }
    return false;
  }

  std::mt19937_64 random;
  pipe to_server{{}, 700};
  pipe to_client{{}, 700};
  pipe_end server_end{to_server, to_client, random};
  pipe_end client_end{to_client, to_server, random};
  std::shared_ptr<tls_identity const> identity;
  tls_context_ptr client_context = make_tls_context(tls_side::client);
  tls_session server{identity_context(), tls_side::server, server_end};
  tls_session client{client_context.get(), tls_side::client, client_end};

 private:
  ssl_ctx_st* identity_context() {
    auto const made = make(test_certificate, test_key);
    BOOST_REQUIRE(made.has_value());
    identity = *made;
    return identity->context();
  }
};

std::string noise(std::mt19937_64& random, std::size_t bytes) {
  std::string made(bytes, 0);
  for (char& one : made) one = static_cast<char>(random());
  return made;
}

// Writes what is left in random pieces; a piece that would block is repeated as it must be.
struct sender {
  tls_session& to;
  std::string_view left;
  std::size_t piece = 0;

  void step(std::mt19937_64& random) {
    if (left.empty()) return;
    if (piece == 0) piece = 1 + random() % std::min<std::size_t>(left.size(), 40'000);
    std::string const moved(left.substr(0, piece));  // at another place each time
    io_result const sent = to.write_some(moved);
    BOOST_REQUIRE((sent.state != io_state::ended));
    left.remove_prefix(sent.bytes);
    piece -= sent.bytes;
  }
};

struct taker {
  tls_session& from;
  std::string got{};

  io_state step(std::mt19937_64& random) {
    std::string room(1 + random() % 20'000, 0);
    io_result const read = from.read_some(room);
    got.append(room, 0, read.bytes);
    return read.state;
  }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(tls_sessions)

BOOST_AUTO_TEST_CASE(all_bytes_arrive_both_ways_whatever_the_pieces) {
  for (std::uint64_t seed = 1; seed <= 6; ++seed) {
    two_sessions both(seed);
    BOOST_REQUIRE(both.shake_hands());
    std::string const up = noise(both.random, 200'000);
    std::string const down = noise(both.random, 200'000);
    sender sends_up{both.client, up};
    sender sends_down{both.server, down};
    taker takes_up{both.server};
    taker takes_down{both.client};
    for (int step = 0; step < 200'000; ++step) {
      sends_up.step(both.random);
      takes_up.step(both.random);
      sends_down.step(both.random);
      takes_down.step(both.random);
      if (takes_up.got.size() == up.size() && takes_down.got.size() == down.size()) break;
    }
    BOOST_TEST((takes_up.got == up), "seed " << seed);
    BOOST_TEST((takes_down.got == down), "seed " << seed);
  }
}

BOOST_AUTO_TEST_CASE(an_end_that_is_announced_is_read_behind_the_last_bytes) {
  two_sessions both(7);
  BOOST_REQUIRE(both.shake_hands());
  both.to_server.room = 10'000;
  std::size_t sent = 0;
  while (sent < 5) sent += both.client.write_some(std::string_view("hello").substr(sent)).bytes;
  for (int i = 0; i < 100; ++i) both.client.say_end();
  taker takes{both.server};
  io_state state = io_state::would_block;
  for (int i = 0; i < 100 && state != io_state::ended; ++i) state = takes.step(both.random);
  BOOST_TEST(takes.got == "hello");
  BOOST_TEST((state == io_state::ended));
  BOOST_TEST(both.server.fault() == "");
}

BOOST_AUTO_TEST_CASE(a_changed_byte_ends_the_session_for_good) {
  for (std::size_t at = 0; at < 25; ++at) {
    two_sessions both(8);
    BOOST_REQUIRE(both.shake_hands());
    both.to_server.room = 10'000;
    while (both.client.write_some("hello").state != io_state::done) {
    }
    both.to_server.held.at(at) = static_cast<char>(both.to_server.held.at(at) ^ 1);
    both.to_server.ended = true;
    taker takes{both.server};
    for (int i = 0; i < 200; ++i) takes.step(both.random);
    BOOST_TEST(takes.got == "", "byte " << at);
    BOOST_TEST((takes.step(both.random) == io_state::ended));
    BOOST_TEST((both.server.write_some("x").state == io_state::ended));
  }
}

BOOST_AUTO_TEST_CASE(a_piece_of_a_record_is_held_and_said) {
  two_sessions both(9);
  BOOST_REQUIRE(both.shake_hands());
  both.to_server.room = 10'000;
  taker takes{both.server};
  for (int i = 0; i < 50; ++i) takes.step(both.random);
  BOOST_TEST(!both.server.holds_part());
  while (both.client.write_some("hello").state != io_state::done) {
  }
  char const last = both.to_server.held.back();
  both.to_server.held.pop_back();
  for (int i = 0; i < 50; ++i) takes.step(both.random);
  BOOST_TEST(both.server.holds_part());
  BOOST_TEST(takes.got == "");
  both.to_server.held.push_back(last);
  for (int i = 0; i < 50; ++i) takes.step(both.random);
  BOOST_TEST(takes.got == "hello");
  BOOST_TEST(!both.server.holds_part());
}

BOOST_AUTO_TEST_CASE(what_is_no_identity_is_told_apart) {
  std::string const certificate(test_certificate);
  std::string const key(test_key);
  using fault = identity_fault;
  BOOST_TEST(make(certificate, key).has_value());
  BOOST_TEST(make(key + certificate, certificate + key).has_value());  // one file for both
  BOOST_TEST(make(certificate + certificate, key, certificate + certificate).has_value());
  BOOST_TEST(((*make(certificate, key))->ends_at_seconds() > 4'000'000'000));
  std::string const cut = certificate.substr(0, certificate.size() / 2);
  BOOST_CHECK(make("", key).error() == fault::no_certificate);
  BOOST_CHECK(make("junk", key).error() == fault::no_certificate);
  BOOST_CHECK(make(key, key).error() == fault::no_certificate);
  BOOST_CHECK(make(cut, key).error() == fault::no_certificate);
  BOOST_CHECK(make(certificate + cut, key).error() == fault::broken_chain);
  BOOST_CHECK(make(certificate, "").error() == fault::no_key);
  BOOST_CHECK(make(certificate, certificate).error() == fault::no_key);
  BOOST_CHECK(make(certificate, key.substr(0, 100)).error() == fault::no_key);
  BOOST_CHECK(make(certificate, key, "junk").error() == fault::no_client_ca);
  BOOST_CHECK(make(certificate, key, key).error() == fault::no_client_ca);
  BOOST_CHECK(make(certificate, key, certificate + cut).error() == fault::no_client_ca);
  for (int what = 0; what <= static_cast<int>(fault::unusable); ++what) {
    BOOST_TEST(explain(static_cast<fault>(what)).find('\n') == std::string_view::npos);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace tacit::net
