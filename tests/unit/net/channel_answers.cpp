// The keeper's end of the socket pair: each answer goes to who asked for it and to nobody else, and
// what must not come ends the channel.
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/test/unit_test.hpp>
#include <chrono>
#include <deque>
#include <optional>
#include <vector>

#include "core/enrolment.hpp"
#include "net/keeper_channel.hpp"
#include "tests/unit/core/samples.hpp"

namespace tacit::net {
namespace {

namespace asio = boost::asio;
using core::errc;
using core::fetch_outcome;
using core::test::is;
using namespace std::chrono_literals;

// One thread is keeper and api: what the one has sent is there when the other looks.
template <typename Answer>
struct asked {
  std::optional<core::result<Answer>> came_of;
};

struct both_ends {
  std::array<int, 2> pair = make_pair();
  asio::io_context context{1};
  keeper_channel channel;
  std::deque<asked<sealed_set>> fetches;
  std::vector<core::project_id> heard;
  std::vector<core::request_message> taken;

  explicit both_ends(std::chrono::milliseconds patience = 1h)
      : channel(context, pair[0], patience) {
    channel.when_changed([this](core::project_id const& project) { heard.push_back(project); });
    channel.when_asked([this](core::request_message one) { taken.push_back(std::move(one)); });
    asio::co_spawn(context, channel.run(), asio::detached);
  }
  ~both_ends() { end_api(); }

  static std::array<int, 2> make_pair() {
    std::array<int, 2> ends{};
    BOOST_REQUIRE(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) == 0);
    return ends;
  }
  void end_api() {
    if (pair[1] >= 0) ::close(pair[1]);
    pair[1] = -1;
    settle();
  }

  // The keeper does all that it can do without waiting.
  void settle() {
    context.restart();
    while (context.poll() > 0) {
    }
  }
  // Also what takes time: until there is an answer, or the keeper has given up.
  template <typename Answer>
  void run_until_answered(asked<Answer> const& one) {
    context.restart();
    auto const until = std::chrono::steady_clock::now() + 10s;
    while (!one.came_of && std::chrono::steady_clock::now() < until) context.run_one_for(10s);
  }
  template <typename Answer>
  void begin(asked<Answer>& one, asio::awaitable<core::result<Answer>> what) {
    asio::co_spawn(context, std::move(what),
                   [&one](std::exception_ptr, core::result<Answer> came_of) {
                     one.came_of.emplace(std::move(came_of));
                   });
    settle();
  }
  void begin(asio::awaitable<void> what) {
    asio::co_spawn(context, std::move(what), asio::detached);
    settle();
  }
  asked<sealed_set>& fetch(std::string_view project) {
    begin(fetches.emplace_back(), channel.fetch(core::test::project(project)));
    return fetches.back();
  }

  // What the api reads next; none when there is nothing.
  template <typename Message>
  std::optional<Message> next() {
    std::string datagram(core::limits::channel_message_bytes_max, '\0');
    ssize_t const got = ::recv(pair[1], datagram.data(), datagram.size(), MSG_DONTWAIT);
    if (got <= 0) return std::nullopt;
    auto message = core::decode_to_api({datagram.data(), static_cast<std::size_t>(got)});
    BOOST_REQUIRE(message.has_value());
    auto* const one = std::get_if<Message>(&*message);
    BOOST_REQUIRE(one != nullptr);
    return std::move(*one);
  }
  std::uint32_t next_ask() {
    auto const message = next<core::fetch_message>();
    BOOST_REQUIRE(message);
    return message->ask;
  }
  template <typename Message>
  void say(Message const& message) {
    std::string const datagram = core::encode_message(message);
    send(datagram);
  }
  void send(std::string_view datagram) {
    static_cast<void>(::send(pair[1], datagram.data(), datagram.size(), MSG_NOSIGNAL));
    settle();
  }
  // Said, and not yet looked at.
  template <typename Message>
  void lay(Message const& message) {
    std::string const datagram = core::encode_message(message);
    static_cast<void>(::send(pair[1], datagram.data(), datagram.size(), MSG_NOSIGNAL));
  }
  void say_record(std::uint32_t ask, std::string_view name) {
    say(core::record_message{ask, core::test::secret(name), 1, 1, "sealed"});
  }
  void say_end(std::uint32_t ask, std::uint32_t records, std::uint64_t revision = 1,
               fetch_outcome came_of = fetch_outcome::found) {
    say(core::fetched_message{ask, came_of, records, revision});
  }
  // The keeper has closed its end.
  bool is_ended() {
    pollfd one{pair[1], 0, 0};
    return ::poll(&one, 1, 0) == 1 && (one.revents & POLLHUP) != 0;
  }
};

struct impatient : both_ends {
  impatient() : both_ends(50ms) {}
};

std::string mark_of(char letter) { return std::string(core::epoch_mark_bytes, letter); }

// "A,B at 7", or the error's number.
std::string text(asked<sealed_set> const& one) {
  if (!one.came_of) return "waits";
  if (is(*one.came_of, errc::not_found)) return "not found";
  if (is(*one.came_of, errc::unavailable)) return "unavailable";
  if (!*one.came_of) return "another error";
  std::string all;
  for (auto const& record : (*one.came_of)->records) all.append(record.name.text()).append(",");
  return all + " at " + std::to_string((*one.came_of)->revision);
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(answers_on_the_channel, both_ends)

BOOST_AUTO_TEST_CASE(each_goes_to_who_asked_in_whatever_order_they_come) {
  auto const& first = fetch("bot");
  auto const& second = fetch("shop");
  std::uint32_t const of_first = next_ask();
  std::uint32_t const of_second = next_ask();
  say_record(of_second, "S1");
  say_record(of_first, "F1");
  say_record(of_second, "S2");
  say_end(of_second, 2, 20);
  BOOST_TEST(text(first) == "waits");
  BOOST_TEST(text(second) == "S1,S2, at 20");
  say_record(of_first, "F2");
  say_end(of_first, 2, 10);
  BOOST_TEST(text(first) == "F1,F2, at 10");
  auto const& third = fetch("bot");
  say_end(next_ask(), 0, 30);
  BOOST_TEST(text(third) == " at 30");
  BOOST_TEST(!is_ended());
}

BOOST_AUTO_TEST_CASE(absent_and_unavailable_are_told_as_they_are) {
  auto const& absent = fetch("bot");
  say_end(next_ask(), 0, 0, fetch_outcome::absent);
  BOOST_TEST(text(absent) == "not found");
  auto const& unavailable = fetch("bot");
  std::uint32_t const ask = next_ask();
  say_record(ask, "A");  // and then the disk did not answer
  say_end(ask, 1, 0, fetch_outcome::unavailable);
  BOOST_TEST(text(unavailable) == "unavailable");
  BOOST_TEST(!is_ended());
}

BOOST_AUTO_TEST_CASE(one_to_a_question_that_was_not_asked_ends_the_channel) {
  for (std::uint32_t const beyond : {1u, 2u, 1000u}) {
    {
      both_ends one;
      auto const& waits = one.fetch("bot");
      one.say_record(one.next_ask() + beyond, "A");
      BOOST_TEST(one.is_ended());
      BOOST_TEST(text(waits) == "unavailable");
    }
    both_ends one;
    auto const& waits = one.fetch("bot");
    one.say_end(one.next_ask() + beyond, 0);
    BOOST_TEST(one.is_ended());
    BOOST_TEST(text(waits) == "unavailable");
  }
}

BOOST_AUTO_TEST_CASE(one_that_is_answered_is_not_answered_again) {
  auto const& first = fetch("bot");
  std::uint32_t const ask = next_ask();
  say_end(ask, 0, 10);
  auto const& second = fetch("bot");
  std::uint32_t const next = next_ask();
  say_record(ask, "OLD");
  say_end(ask, 1, 11);
  BOOST_TEST(text(first) == " at 10");
  BOOST_TEST(text(second) == "waits");
  say_record(next, "NEW");
  say_end(next, 1, 12);
  BOOST_TEST(text(second) == "NEW, at 12");
}

BOOST_AUTO_TEST_CASE(what_lies_behind_an_answer_is_none_of_it) {
  auto const& waits = fetch("bot");
  std::uint32_t const ask = next_ask();
  lay(core::fetched_message{ask, fetch_outcome::found, 0, 10});
  lay(core::record_message{ask, core::test::secret("LATE"), 1, 1, "sealed"});
  lay(core::fetched_message{ask, fetch_outcome::absent, 0, 0});
  settle();
  BOOST_TEST(text(waits) == " at 10");
}

// A hostile one: it can guess the number.
BOOST_AUTO_TEST_CASE(an_answer_that_is_there_before_its_question_is_out_is_not_waited_for) {
  std::string const junk(1, '\0');
  while (::send(pair[0], junk.data(), junk.size(), MSG_DONTWAIT) >= 0) {
  }
  auto const& waits = fetch("bot");
  say_end(1, 0, 10);
  std::array<char, 8> ignored;
  while (::recv(pair[1], ignored.data(), ignored.size(), MSG_DONTWAIT) > 0) {
  }
  run_until_answered(waits);
  BOOST_TEST(text(waits) == " at 10");
}

BOOST_AUTO_TEST_CASE(records_that_are_out_of_order_or_not_as_many_as_counted_end_the_channel) {
  for (auto const* const next : {"B", "A"}) {
    both_ends one;
    auto const& waits = one.fetch("bot");
    std::uint32_t const ask = one.next_ask();
    one.say_record(ask, "B");
    one.say_record(ask, next);
    BOOST_TEST(one.is_ended());
    BOOST_TEST(text(waits) == "unavailable");
  }
  for (std::uint32_t const claimed : {0u, 2u}) {
    both_ends one;
    auto const& waits = one.fetch("bot");
    std::uint32_t const ask = one.next_ask();
    one.say_record(ask, "A");
    one.say_end(ask, claimed);
    BOOST_TEST(one.is_ended());
    BOOST_TEST(text(waits) == "unavailable");
  }
  auto const& waits = fetch("bot");
  std::uint32_t const ask = next_ask();
  say_record(ask, "A");
  say_end(ask, 1, 1, fetch_outcome::absent);
  BOOST_TEST(is_ended());
  BOOST_TEST(text(waits) == "unavailable");
}

BOOST_AUTO_TEST_CASE(nonsense_a_message_that_is_too_long_and_ready_end_the_channel) {
  std::string const too_long =
      core::encode_message(core::changed_message{core::test::project("bot")}) +
      std::string(core::limits::channel_message_bytes_max, '\0');
  std::string const ready = core::encode_message(core::ready_message{});
  for (std::string const& datagram : {std::string("\x7f nonsense"), too_long, ready}) {
    both_ends one;
    auto const& waits = one.fetch("bot");
    one.begin(one.channel.watch(core::test::project("bot"), 1));
    one.send(datagram);
    BOOST_TEST(one.is_ended());
    BOOST_TEST(text(waits) == "unavailable");
  }
}

BOOST_AUTO_TEST_CASE(all_who_wait_are_told_of_the_end_and_who_comes_later_at_once) {
  auto const& first = fetch("bot");
  auto const& second = fetch("shop");
  asked<std::string> mark;
  begin(mark, channel.fetch_mark());
  end_api();
  BOOST_TEST(text(first) == "unavailable");
  BOOST_TEST(text(second) == "unavailable");
  BOOST_REQUIRE(mark.came_of);
  BOOST_TEST(is(*mark.came_of, errc::unavailable));
  BOOST_TEST(text(fetch("bot")) == "unavailable");
  asked<std::string> late;
  begin(late, channel.fetch_mark());
  BOOST_REQUIRE(late.came_of);
  BOOST_TEST(is(*late.came_of, errc::unavailable));
}

BOOST_AUTO_TEST_CASE(a_watch_is_said_once_until_the_change_is_heard_once) {
  auto const project = core::test::project("bot");
  begin(channel.watch(project, 1));
  begin(channel.watch(project, 2));
  auto const said = next<core::watch_message>();
  BOOST_REQUIRE(said);
  BOOST_TEST(said->revision == 1u);
  BOOST_TEST(!next<core::watch_message>());
  say(core::changed_message{project});
  BOOST_TEST((heard == std::vector{project}));
  begin(channel.watch(project, 3));
  BOOST_TEST(next<core::watch_message>()->revision == 3u);
  say(core::changed_message{project});
  BOOST_TEST(heard.size() == 2u);
  BOOST_TEST(!is_ended());
  say(core::changed_message{project});
  BOOST_TEST(is_ended());
  BOOST_TEST(heard.size() == 2u);
}

BOOST_AUTO_TEST_CASE(a_change_of_a_project_that_is_not_watched_ends_the_channel) {
  begin(channel.watch(core::test::project("bot"), 1));
  say(core::changed_message{core::test::project("shop")});
  BOOST_TEST(is_ended());
  BOOST_TEST(heard.empty());
}

BOOST_AUTO_TEST_CASE(as_many_requests_are_taken_as_were_invited) {
  begin(channel.invite(2));
  begin(channel.invite(1));
  for (std::uint32_t i = 1; i <= 3; ++i) say(core::request_message{i, "sealed"});
  BOOST_TEST(taken.size() == 3u);
  BOOST_TEST(!is_ended());
  say(core::request_message{4, "sealed"});
  BOOST_TEST(is_ended());
  BOOST_TEST(taken.size() == 3u);
}

BOOST_AUTO_TEST_CASE(the_mark_is_told_to_who_asked_and_to_nobody_else) {
  for (std::string const& kept : {std::string(), mark_of('m')}) {
    asked<std::string> mark;
    begin(mark, channel.fetch_mark());
    BOOST_TEST(next<core::mark_message>()->mark == "");
    say(core::marked_message{kept});
    BOOST_REQUIRE((mark.came_of && mark.came_of->has_value()));
    BOOST_TEST(**mark.came_of == kept);
  }
  BOOST_TEST(!is_ended());
  say(core::marked_message{mark_of('m')});
  BOOST_TEST(is_ended());
}

BOOST_AUTO_TEST_CASE(a_second_mark_is_not_taken) {
  asked<std::string> mark;
  begin(mark, channel.fetch_mark());
  lay(core::marked_message{mark_of('1')});
  say(core::marked_message{mark_of('2')});
  BOOST_REQUIRE((mark.came_of && mark.came_of->has_value()));
  BOOST_TEST(**mark.came_of == mark_of('1'));
  BOOST_TEST(is_ended());
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_FIXTURE_TEST_SUITE(answers_that_come_too_late, impatient)

BOOST_AUTO_TEST_CASE(they_are_passed_over_and_answer_nobody) {
  auto const& first = fetch("bot");
  std::uint32_t const ask = next_ask();
  say_record(ask, "A");
  run_until_answered(first);
  BOOST_TEST(text(first) == "unavailable");
  say_record(ask, "B");
  say_end(ask, 2, 10);
  BOOST_TEST(!is_ended());
  auto const& second = fetch("bot");
  std::uint32_t const next = next_ask();
  say_end(ask, 2, 10);
  say_end(next, 0, 20);
  run_until_answered(second);
  BOOST_TEST((text(second) == " at 20" || text(second) == "unavailable"));
  BOOST_TEST(!is_ended());
}

BOOST_AUTO_TEST_CASE(a_mark_too) {
  asked<std::string> mark;
  begin(mark, channel.fetch_mark());
  run_until_answered(mark);
  BOOST_REQUIRE(mark.came_of);
  BOOST_TEST(is(*mark.came_of, errc::unavailable));
  say(core::marked_message{mark_of('m')});
  BOOST_TEST(!is_ended());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace tacit::net
