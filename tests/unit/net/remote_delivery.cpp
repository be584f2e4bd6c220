// Delivery to runtimes of other machines against an api process that is not what it should be. It
// carries the runtime's requests, and is the test.
#include "net/remote_delivery.hpp"

#include <boost/test/unit_test.hpp>
#include <future>
#include <map>
#include <optional>
#include <vector>

#include "core/runtime_message.hpp"
#include "net/now.hpp"
#include "net/runtime_orders.hpp"
#include "tests/unit/net/keeper_and_false_api.hpp"

namespace tacit::net {
namespace {

using core::remote_outcome;

// So few that all of them wait at the same time, however slow the machine: a wait ends after 20 s.
constexpr std::size_t waits_max = 8;

struct fixture : test::keeper {
  core::exchange_private_key own = core::make_exchange_key();
  core::exchange_public_key own_public = core::public_half(own);
  remote_delivery remote{context, channel, {keys, policy, feed, noted, log}, enrolled, waits_max};
  std::uint32_t last_request = 0;

  fixture() {
    on_keeper([this] { remote.start(); });
  }
  ~fixture() { end(); }

  // Runs it on the keeper's thread, to its end.
  template <typename Work>
  void on_keeper(Work work) {
    std::promise<void> done;
    boost::asio::post(context, [&] {
      work();
      done.set_value();
    });
    done.get_future().wait();
  }
  void settle() {
    auto settled = std::make_shared<std::promise<void>>();
    boost::asio::co_spawn(context, enrolled.settle(context),
                          [settled](std::exception_ptr) { settled->set_value(); });
    settled->get_future().wait();
  }
  core::result<void> enrol_key(std::string const& id, core::exchange_public_key const& key,
                               std::string_view project = "bot") {
    core::result<void> done = core::errc::internal;
    on_keeper([&] {
      core::timestamp const now = now_of_day();
      done = enrolled.enrol({*core::runtime_id::parse(id),
                             core::test::project(project),
                             key,
                             now,
                             {now.unix_milliseconds + 3'600'000}},
                            now);
    });
    return done;
  }
  core::result<void> enrol(std::string_view project = "bot") {
    return enrol_key("web-" + std::string(project), own_public, project);
  }

  std::string carry(std::string const& sealed) {
    std::uint32_t const number = ++last_request;
    api.send(core::encode_message(core::request_message{number, sealed}));
    return api.reply_to(number);
  }
  struct heard {
    core::verdict verdict = core::verdict::unavailable;
    remote_outcome outcome = remote_outcome::unavailable;
    std::string env{};
  };
  // One whose ask has been sent, and what it needs to read the reply.
  struct asked {
    std::uint32_t request;
    core::noise_session session;
  };
  // The conversation up to the ask, through an api process that passes on what it gets. Nothing
  // when the keeper does not let it go on; `told` has why.
  std::optional<asked> begin(core::exchange_private_key const& as, core::verdict& told,
                             core::runtime_request const& wanted) {
    core::exchange_public_key const server = core::public_half(keys.towards_runtimes);
    core::exchange_public_key const half = core::public_half(as);
    core::noise_initiator from({as, half, server, core::runtime_prologue},
                               core::make_exchange_key());
    auto met = from.finish(carry(core::encode_message(core::hello_message{half, *from.begin("")})));
    BOOST_REQUIRE(met.has_value());
    auto const said = core::decode_welcome(met->payload);
    BOOST_REQUIRE(said.has_value());
    told = said->told;
    if (told != core::verdict::go_on) return std::nullopt;
    std::uint32_t const number = ++last_request;
    std::string const sealed = core::encode_message(
        core::ask_message{said->session, met->session.seal(core::encode_request(wanted))});
    api.send(core::encode_message(core::request_message{number, sealed}));
    return asked{number, std::move(met->session)};
  }
  core::opened_answer read_reply(asked one) {
    auto opened = core::open_answer(std::move(one.session), api.reply_to(one.request));
    BOOST_REQUIRE(opened.has_value());
    return *std::move(opened);
  }
  heard ask(std::string_view project = "bot", std::optional<std::uint64_t> known = {},
            std::uint16_t wait = 0) {
    heard got;
    auto begun = begin(own, got.verdict, {core::test::project(project), known, wait, "box"});
    if (!begun) return got;
    auto const opened = read_reply(*std::move(begun));
    got.outcome = opened.outcome;
    std::string const body(opened.body.reveal());
    std::size_t const at = body.find(R"("env":)");
    if (at != std::string::npos) got.env = body.substr(at + 6, body.find('}', at) - at - 5);
    return got;
  }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(remote_deliveries, fixture)

BOOST_AUTO_TEST_CASE(an_enrolled_runtime_gets_the_set) {
  settle();
  BOOST_REQUIRE(enrol().has_value());
  api.say({5, {record("bot", "A", 1, "one")}});
  BOOST_TEST(ask().env == R"({"A":"one"})");
  BOOST_CHECK(ask("bot", 5).outcome == remote_outcome::unchanged);
  BOOST_TEST(ask("bot", 4).env == R"({"A":"one"})");
  api.say({6, {}});
  BOOST_TEST(ask().env == "{}");
}

BOOST_AUTO_TEST_CASE(other_records_older_ones_and_forged_ones_are_unavailable) {
  settle();
  BOOST_REQUIRE(enrol().has_value());
  auto const older = record("bot", "A", 1, "one");
  api.say({5, {older}});
  BOOST_TEST(ask().env == R"({"A":"one"})");
  api.say({6, {record("bot", "A", 2, "two")}});
  BOOST_TEST(ask().env == R"({"A":"two"})");
  for (auto const& lie : {test::told{7, {older}}, test::told{5, {older}},
                          test::told{8, {record("other", "A", 3, "three")}},
                          test::told{8, {{0, core::test::secret("A"), 4, 4, "forged"}}}}) {
    api.say(lie);
    auto const got = ask();
    BOOST_CHECK(got.outcome == remote_outcome::unavailable);
    BOOST_TEST(got.env == "");
  }
  api.say({9, {}, core::fetch_outcome::absent});
  BOOST_CHECK(ask().outcome == remote_outcome::absent);
}

BOOST_AUTO_TEST_CASE(one_runtime_has_so_many_requests_at_a_time) {
  settle();
  BOOST_REQUIRE(enrol().has_value());
  api.say({5, {record("bot", "A", 1, "one")}});
  api.hold_answers(true);
  core::runtime_request const wanted{core::test::project("bot"), {}, 0, "box"};
  core::verdict told{};
  std::vector<asked> held;
  for (std::size_t i = 0; i < core::limits::remote_requests_per_runtime_max; ++i) {
    held.push_back(*begin(own, told, wanted));
  }
  BOOST_CHECK(read_reply(*begin(own, told, wanted)).outcome == remote_outcome::unavailable);
  api.hold_answers(false);
  for (asked& one : held) {
    BOOST_CHECK(read_reply(std::move(one)).outcome == remote_outcome::found);
  }
  BOOST_CHECK(ask().outcome == remote_outcome::found);
}

BOOST_AUTO_TEST_CASE(only_so_many_wait_for_a_change) {
  settle();
  api.say({5, {record("bot", "A", 1, "one")}});
  constexpr std::size_t too_many = 4;
  constexpr std::size_t of_one = waits_max / 2;
  core::runtime_request const wanted{core::test::project("bot"), 5,
                                     core::limits::remote_wait_seconds_max, "box"};
  core::exchange_private_key key;
  std::vector<asked> all;
  for (std::size_t i = 0; i < waits_max + too_many; ++i) {
    if (i % of_one == 0) {
      key = core::make_exchange_key();
      BOOST_REQUIRE(enrol_key("web-" + std::to_string(i), core::public_half(key)).has_value());
    }
    core::verdict told{};
    all.push_back(*begin(key, told, wanted));
  }
  api.wait_for_replies(all.size() + too_many);  // each hello's, and theirs
  api.say({6, {record("bot", "A", 2, "two")}});
  api.send(core::encode_message(core::changed_message{core::test::project("bot")}));
  std::map<remote_outcome, std::size_t> outcomes;
  for (asked& one : all) ++outcomes[read_reply(std::move(one)).outcome];
  BOOST_TEST(outcomes[remote_outcome::unavailable] == too_many);
  BOOST_TEST(outcomes[remote_outcome::found] == waits_max);
}

BOOST_AUTO_TEST_CASE(a_set_that_is_too_large_for_a_reply_is_unavailable) {
  settle();
  BOOST_REQUIRE(enrol().has_value());
  std::string const value(16'000, 'v');
  std::vector<core::record_message> records;
  auto const add_up_to = [&](std::size_t count) {
    for (std::size_t i = records.size(); i < count; ++i) {
      records.push_back(record("bot", "N" + std::to_string(1000 + i), i + 1, value));
    }
  };
  add_up_to(core::limits::remote_answer_bytes_max / value.size() - 8);
  api.say({5, records});
  BOOST_CHECK(ask().outcome == remote_outcome::found);
  add_up_to(core::limits::remote_answer_bytes_max / value.size() + 1);
  api.say({6, records});
  BOOST_CHECK(ask().outcome == remote_outcome::unavailable);
}

BOOST_AUTO_TEST_CASE(before_the_mark_is_known_nobody_is_let_in_or_turned_away) {
  BOOST_CHECK(ask().verdict == core::verdict::unavailable);
  BOOST_TEST(core::test::is(enrol(), core::errc::unavailable));
  settle();
  BOOST_CHECK(ask().verdict == core::verdict::unauthorized);
}

BOOST_AUTO_TEST_CASE(a_mark_of_a_newer_book_or_none_of_ours_is_a_doubt) {
  std::string const newer = core::encode_epoch_mark(keys.runtime_book, 7);
  std::string forged = newer;
  forged.back() = static_cast<char>(forged.back() ^ 1);
  api.keep_mark(newer);
  settle();
  BOOST_TEST(enrolled.doubtful());
  BOOST_CHECK(ask().verdict == core::verdict::unavailable);
  BOOST_TEST(core::test::is(enrol(), core::errc::unavailable));
  on_keeper([&] { BOOST_TEST(enrolled.reset().has_value()); });
  BOOST_TEST(enrolled.book().epoch() == 8u);
  BOOST_CHECK(ask().verdict == core::verdict::unauthorized);
  BOOST_REQUIRE(enrol().has_value());
  // What the store keeps now is the mark of the newest book: an older one would be noticed.
  BOOST_CHECK(ask("other").outcome == remote_outcome::refused);
  BOOST_CHECK(*core::decode_epoch_mark(keys.runtime_book, api.kept_mark()) == 9u);
  enrolments second(keys.runtime_book, {}, [](std::string_view) { return true; }, channel, log);
  api.keep_mark(forged);
  auto settled = std::make_shared<std::promise<void>>();
  boost::asio::co_spawn(context, second.settle(context),
                        [settled](std::exception_ptr) { settled->set_value(); });
  settled->get_future().wait();
  BOOST_TEST(second.doubtful());
}

BOOST_AUTO_TEST_CASE(who_is_revoked_while_it_waits_gets_nothing) {
  settle();
  BOOST_REQUIRE(enrol().has_value());
  BOOST_REQUIRE(enrol("other").has_value());
  api.say({5, {record("bot", "A", 1, "one")}});
  std::future<heard> waiting = std::async(std::launch::async, [&] { return ask("bot", 5, 20); });
  api.wait_for_watches(1);
  on_keeper([&] { BOOST_TEST(enrolled.revoke(*core::runtime_id::parse("web-bot")).has_value()); });
  api.say({6, {record("bot", "A", 2, "two")}});
  api.send(core::encode_message(core::changed_message{core::test::project("bot")}));
  auto const got = waiting.get();
  BOOST_CHECK(got.outcome == remote_outcome::refused);
  BOOST_TEST(got.env == "");
}

BOOST_AUTO_TEST_CASE(who_has_no_enrolment_left_while_it_waits_is_unauthorized_not_refused) {
  settle();
  BOOST_REQUIRE(enrol().has_value());
  api.say({5, {record("bot", "A", 1, "one")}});
  std::future<heard> waiting = std::async(std::launch::async, [&] { return ask("bot", 5, 20); });
  api.wait_for_watches(1);
  on_keeper([&] { BOOST_TEST(enrolled.revoke(*core::runtime_id::parse("web-bot")).has_value()); });
  api.say({6, {record("bot", "A", 2, "two")}});
  api.send(core::encode_message(core::changed_message{core::test::project("bot")}));
  auto const got = waiting.get();
  BOOST_CHECK(got.outcome == remote_outcome::unauthorized);
  BOOST_TEST(got.env == "");
}

BOOST_AUTO_TEST_CASE(what_is_not_on_disk_is_not_enrolled) {
  bool full = true;
  enrolments careful(keys.runtime_book, {}, [&](std::string_view) { return !full; }, channel, log);
  auto settled = std::make_shared<std::promise<void>>();
  boost::asio::co_spawn(context, careful.settle(context),
                        [settled](std::exception_ptr) { settled->set_value(); });
  settled->get_future().wait();
  core::timestamp const now = now_of_day();
  core::enrolment const one{*core::runtime_id::parse("a"),
                            core::test::project("bot"),
                            own_public,
                            now,
                            {now.unix_milliseconds + 1000}};
  on_keeper([&] {
    BOOST_TEST(core::test::is(careful.enrol(one, now), core::errc::storage_full));
    BOOST_TEST(careful.book().all().empty());
    full = false;
    BOOST_TEST(careful.enrol(one, now).has_value());
    full = true;
    // Whoever is revoked is out, whatever the disk says.
    BOOST_TEST(core::test::is(careful.revoke(one.id), core::errc::storage_full));
    BOOST_TEST(careful.book().all().empty());
  });
}

BOOST_AUTO_TEST_CASE(what_was_revoked_in_memory_alone_can_be_revoked_again_until_it_is_on_disk) {
  bool full = false;
  std::string on_disk;
  auto const write = [&](std::string_view book) {
    if (!full) on_disk = book;
    return !full;
  };
  enrolments careful(keys.runtime_book, {}, write, channel, log);
  auto settled = std::make_shared<std::promise<void>>();
  boost::asio::co_spawn(context, careful.settle(context),
                        [settled](std::exception_ptr) { settled->set_value(); });
  settled->get_future().wait();
  auto const order = [&](std::string_view id) {
    std::string const target = "/v1/runtimes/" + std::string(id);
    return carry_out(careful, own_public, method::del, target, now_of_day());
  };
  auto const enrolled_on_disk = [&] {
    return core::decode_book(keys.runtime_book, on_disk).value().all().size();
  };
  on_keeper([&] {
    core::timestamp const now = now_of_day();
    BOOST_TEST(careful
                   .enrol({*core::runtime_id::parse("a"),
                           core::test::project("bot"),
                           own_public,
                           now,
                           {now.unix_milliseconds + 1000}},
                          now)
                   .has_value());
    full = true;
    for (int i = 0; i < 2; ++i) {
      order_outcome const refused = order("a");
      BOOST_TEST(refused.status == 507u);
      BOOST_TEST(refused.body.find("Revoked, but only until the server starts again") !=
                 std::string::npos);
      BOOST_TEST(order("b").status == 404u);
    }
    BOOST_TEST(enrolled_on_disk() == 1u);
    full = false;
    BOOST_TEST(order("b").status == 404u);
    BOOST_TEST(order("a").status == 200u);
    BOOST_TEST(enrolled_on_disk() == 0u);
    BOOST_TEST(order("a").status == 404u);
  });
}

BOOST_AUTO_TEST_CASE(each_request_that_is_answered_makes_room_for_one) {
  api.wait_for_invitations(core::limits::remote_requests_max);
  BOOST_TEST(carry("nonsense") == "");
  api.wait_for_invitations(core::limits::remote_requests_max + 1);
}

BOOST_FIXTURE_TEST_CASE(a_request_that_was_not_invited_ends_the_channel, test::keeper) {
  BOOST_TEST(answer() == "200 {}");
  std::promise<void> invited;
  channel.when_asked([](core::request_message const&) {});
  boost::asio::co_spawn(context, channel.invite(1),
                        [&](std::exception_ptr) { invited.set_value(); });
  invited.get_future().wait();
  api.send(core::encode_message(core::request_message{1, "x"}));
  BOOST_TEST(answer() == "200 {}");
  api.send(core::encode_message(core::request_message{2, "x"}));
  BOOST_TEST(answer() == "503");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace tacit::net
