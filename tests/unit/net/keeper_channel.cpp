// The keeper's end of the socket pair while the api does not read: what is said once must arrive.
#include "net/keeper_channel.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/test/unit_test.hpp>
#include <chrono>
#include <optional>

#include "tests/unit/core/samples.hpp"

namespace tacit::net {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;

struct busy_api {
  std::array<int, 2> pair = make_pair();
  asio::io_context context{1};
  keeper_channel channel{context, pair[0], 20ms};

  busy_api() {
    std::string const junk(1, '\0');
    while (::send(pair[0], junk.data(), junk.size(), MSG_DONTWAIT) >= 0) {
    }
    BOOST_REQUIRE(errno == EAGAIN);
  }
  ~busy_api() { ::close(pair[1]); }

  static std::array<int, 2> make_pair() {
    std::array<int, 2> ends{};
    BOOST_REQUIRE(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) == 0);
    return ends;
  }

  void begin(asio::awaitable<void> what) {
    asio::co_spawn(context, std::move(what), asio::detached);
  }
  // What the api reads beside the junk, once it does read.
  std::optional<core::message_to_api> next() {
    std::string datagram(core::limits::channel_message_bytes_max, '\0');
    ssize_t got = 1;
    while (got == 1) got = ::recv(pair[1], datagram.data(), datagram.size(), MSG_DONTWAIT);
    if (got < 0) return std::nullopt;
    auto message = core::decode_to_api({datagram.data(), static_cast<std::size_t>(got)});
    BOOST_REQUIRE(message.has_value());
    return *std::move(message);
  }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(a_channel_that_is_full, busy_api)

BOOST_AUTO_TEST_CASE(an_invitation_arrives_however_late) {
  begin(channel.invite(7));
  context.run_for(100ms);  // beyond the patience for everything else
  BOOST_TEST(!next());
  context.restart();
  context.run();
  auto const said = next();
  BOOST_REQUIRE(said);
  auto const* const invited = std::get_if<core::invite_message>(&*said);
  BOOST_REQUIRE(invited != nullptr);
  BOOST_TEST(invited->requests == 7u);
}

BOOST_AUTO_TEST_CASE(a_watch_that_was_given_up_is_said_by_who_waits_next) {
  auto const project = core::test::project("bot");
  begin(channel.watch(project, 1));
  context.run();
  BOOST_TEST(!next());
  context.restart();
  begin(channel.watch(project, 2));
  context.run();
  auto const said = next();
  BOOST_REQUIRE(said);
  auto const* const watched = std::get_if<core::watch_message>(&*said);
  BOOST_REQUIRE(watched != nullptr);
  BOOST_TEST(watched->revision == 2u);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace tacit::net
