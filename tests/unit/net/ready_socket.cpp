// The wait for a socket, over real socket pairs.
#include "net/ready_socket.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/test/unit_test.hpp>
#include <string>

namespace tacit::net {
namespace {

namespace asio = boost::asio;

// A context with a set, a socket of it and the other end of that socket, which blocks.
struct pair_of_sockets {
  asio::io_context context{1};
  socket_set set{context};
  std::array<int, 2> ends = open_pair();
  std::optional<ready_socket> socket{std::in_place, set, ends[0]};

  static std::array<int, 2> open_pair() {
    std::array<int, 2> pair{};
    BOOST_REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.data()) == 0);
    BOOST_REQUIRE(::fcntl(pair[0], F_SETFL, O_NONBLOCK) == 0);
    return pair;
  }

  ~pair_of_sockets() {
    if (ends[1] >= 0) ::close(ends[1]);
  }

  void close_other() {
    ::close(ends[1]);
    ends[1] = -1;
  }

  void send(std::string_view text) const {
    BOOST_REQUIRE(::write(ends[1], text.data(), text.size()) == static_cast<ssize_t>(text.size()));
  }

  // Runs what `session` does with the socket to its end.
  template <typename Session>
  void run(Session session) {
    asio::co_spawn(context, session(*socket), [this](std::exception_ptr failed) {
      socket.reset();
      set.close();
      if (failed) std::rethrow_exception(failed);
    });
    set.watch();
    context.run();
  }
};

task<std::string> read_once(ready_socket& socket, std::size_t bytes_max) {
  std::string text(bytes_max, '\0');
  while (true) {
    if (!socket.is_ready(readiness::readable)) {
      bool const readable = co_await socket.wait(readiness::readable);
      if (!readable) co_return "cancelled";
    }
    io_result const got = socket.read_some(text);
    if (got.state == io_state::ended) co_return "ended";
    text.resize(got.bytes);
    if (got.state == io_state::done) co_return text;
    text.resize(bytes_max);
  }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(ready_sockets)

// NOLINTBEGIN(cppcoreguidelines-avoid-capturing-lambda-coroutines): run() returns when it has ended

// Sessions that give up their turn again and again, until one was served that waits for bytes.
struct crowd {
  pair_of_sockets const& sockets;
  int turns = 0;
  int turns_when_sent = 0;
  int turns_when_served = 0;
  bool served = false;
};

task<void> flood(ready_socket& socket, crowd& all) {
  constexpr int turns_before_it_is_sent = 120;
  while (!all.served) {
    co_await socket.yield();
    if (++all.turns != turns_before_it_is_sent) continue;
    all.sockets.send("x");
    all.turns_when_sent = all.turns;
  }
}

task<void> be_served(ready_socket& socket, crowd& all) {
  std::string const got = co_await read_once(socket, 100);
  BOOST_TEST(got == "x");
  all.turns_when_served = all.turns;
  all.served = true;
}

task<void> say_turns(ready_socket& socket, std::string& order, char name) {
  for (int i = 0; i < 3; ++i) {
    co_await socket.yield();
    order += name;
  }
}

BOOST_AUTO_TEST_CASE(what_was_sent_before_and_while_it_waits_is_read) {
  pair_of_sockets pair;
  pair.send("before");
  std::string first;
  std::string second;
  pair.run([&](ready_socket& socket) -> task<void> {
    first = co_await read_once(socket, 100);
    asio::post(pair.context, [&] { pair.send("while"); });
    second = co_await read_once(socket, 100);
  });
  BOOST_TEST(first == "before");
  BOOST_TEST(second == "while");
}

// The edge for the second half came with the first: only the socket knows that there is more.
BOOST_AUTO_TEST_CASE(what_a_short_buffer_left_is_read_without_a_new_event) {
  pair_of_sockets pair;
  pair.send("twohalves");
  std::string first;
  std::string second;
  pair.run([&](ready_socket& socket) -> task<void> {
    first = co_await read_once(socket, 3);
    BOOST_TEST(socket.is_ready(readiness::readable));
    second = co_await read_once(socket, 100);
    BOOST_TEST(!socket.is_ready(readiness::readable));
  });
  BOOST_TEST(first == "two");
  BOOST_TEST(second == "halves");
}

// The end came in one event with the bytes before it.
BOOST_AUTO_TEST_CASE(an_end_behind_the_last_bytes_is_seen) {
  pair_of_sockets pair;
  pair.send("last");
  pair.close_other();
  std::string first;
  std::string second;
  pair.run([&](ready_socket& socket) -> task<void> {
    first = co_await read_once(socket, 100);
    second = co_await read_once(socket, 100);
  });
  BOOST_TEST(first == "last");
  BOOST_TEST(second == "ended");
}

BOOST_AUTO_TEST_CASE(a_half_closed_peer_can_still_be_written_to_without_spinning) {
  pair_of_sockets pair;
  BOOST_REQUIRE(::shutdown(pair.ends[1], SHUT_WR) == 0);
  std::size_t sent = 0;
  std::size_t waits = 0;
  pair.run([&](ready_socket& socket) -> task<void> {
    std::string const seen = co_await read_once(socket, 100);
    BOOST_TEST(seen == "ended");
    std::string const block(64 * 1024, 'x');
    while (waits < 4) {
      io_result const moved = socket.write_some(block);
      BOOST_TEST_REQUIRE((moved.state != io_state::ended));
      sent += moved.bytes;
      if (socket.is_ready(readiness::writable)) continue;
      // Nothing but the peer's reading makes room again.
      asio::post(pair.context, [&] {
        std::string taken(sent, '\0');
        for (std::size_t at = 0; at < sent;) {
          ssize_t const got = ::read(pair.ends[1], taken.data() + at, taken.size() - at);
          BOOST_TEST_REQUIRE(got > 0);
          at += static_cast<std::size_t>(got);
        }
        sent = 0;
      });
      ++waits;
      bool const writable = co_await socket.wait(readiness::writable);
      BOOST_TEST(writable);
    }
  });
}

BOOST_AUTO_TEST_CASE(a_cancelled_wait_ends_and_the_socket_can_wait_again) {
  pair_of_sockets pair;
  std::string first;
  std::string second;
  pair.run([&](ready_socket& socket) -> task<void> {
    asio::post(pair.context, [&] {
      socket.cancel();
      socket.cancel();  // nothing waits any more
      pair.send("late");
    });
    first = co_await read_once(socket, 100);
    second = co_await read_once(socket, 100);
  });
  BOOST_TEST(first == "cancelled");
  BOOST_TEST(second == "late");
}

BOOST_AUTO_TEST_CASE(who_was_heard_of_waits_for_one_of_a_crowd_that_gave_up_its_turn) {
  pair_of_sockets sockets;
  crowd all{sockets};
  constexpr int crowd_size = 50;
  for (int i = 0; i < crowd_size; ++i) {
    asio::co_spawn(sockets.context, flood(*sockets.socket, all), asio::detached);
  }
  sockets.run([&all](ready_socket& socket) { return be_served(socket, all); });
  BOOST_TEST(all.turns_when_sent > 2 * crowd_size);
  BOOST_TEST(all.turns_when_served - all.turns_when_sent <= 1);
}

BOOST_AUTO_TEST_CASE(turns_that_were_given_up_come_back_in_their_order) {
  pair_of_sockets sockets;
  std::string order;
  for (char const name : {'a', 'b', 'c'}) {
    asio::co_spawn(sockets.context, say_turns(*sockets.socket, order, name), asio::detached);
  }
  sockets.run([&order](ready_socket& socket) -> task<void> {
    for (int i = 0; i < 1000 && order.size() < 9; ++i) co_await socket.yield();
  });
  BOOST_TEST(order == "abcabcabc");
}

BOOST_AUTO_TEST_CASE(a_descriptor_that_cannot_be_watched_has_ended) {
  pair_of_sockets pair;
  ready_socket broken(pair.set, -1);
  std::array<char, 4> bytes{};
  BOOST_TEST(broken.is_ready(readiness::readable));
  BOOST_TEST((broken.read_some(bytes).state == io_state::ended));
  BOOST_TEST((broken.write_some("x").state == io_state::ended));
}

// NOLINTEND(cppcoreguidelines-avoid-capturing-lambda-coroutines)

BOOST_AUTO_TEST_SUITE_END()

}  // namespace tacit::net
