// The keeper's side of delivery against an api process that is not what it should be: what it says
// is delivered only when it opens, belongs there and is not older than what was delivered before.
#include <atomic>
#include <boost/asio/post.hpp>
#include <boost/test/unit_test.hpp>
#include <thread>

#include "tests/unit/net/keeper_and_false_api.hpp"

namespace tacit::net {
namespace {

using core::fetch_outcome;
using test::keeper;
using namespace std::chrono_literals;

}  // namespace

BOOST_FIXTURE_TEST_SUITE(hostile_apis, keeper)

BOOST_AUTO_TEST_CASE(an_honest_answer_is_delivered) {
  api.say({5, {record("bot", "A", 1, "one"), record("bot", "B", 2, "two")}});
  BOOST_TEST(answer() == R"(200 {"A":"one","B":"two"})");
  api.say({6, {}});
  BOOST_TEST(answer() == "200 {}");
}

BOOST_AUTO_TEST_CASE(records_of_another_project_are_not_delivered) {
  api.say({5, {record("shop", "A", 1, "theirs")}});
  BOOST_TEST(answer() == "503");
  api.say({5, {record("bot", "A", 1, "one"), record("shop", "B", 2, "theirs")}});
  BOOST_TEST(answer() == "503");  // nor is a part of it
}

BOOST_AUTO_TEST_CASE(a_record_under_another_name_or_id_is_not_delivered) {
  core::record_message moved = record("bot", "A", 1, "one");
  moved.name = core::test::secret("B");
  api.say({5, {moved}});
  BOOST_TEST(answer() == "503");
  core::record_message renumbered = record("bot", "A", 1, "one");
  renumbered.record_id = 2;
  api.say({5, {renumbered}});
  BOOST_TEST(answer() == "503");
}

BOOST_AUTO_TEST_CASE(records_that_were_replaced_are_not_delivered_again) {
  auto const first = record("bot", "A", 1, "one");
  auto const second = record("bot", "A", 2, "two");
  api.say({5, {first}});
  BOOST_TEST(answer() == R"(200 {"A":"one"})");
  api.say({6, {second}});
  BOOST_TEST(answer() == R"(200 {"A":"two"})");
  for (std::uint64_t const claimed : {0u, 5u, 6u, 7u, 1000u}) {
    api.say({claimed, {first}});
    BOOST_TEST(answer() == "503");
    BOOST_TEST(answer("?wait=1", "\"6\"") == "503");
  }
  api.say({6, {second}});
  BOOST_TEST(answer() == R"(200 {"A":"two"})");
}

BOOST_AUTO_TEST_CASE(no_records_are_an_empty_set_only_under_a_new_revision) {
  api.say({5, {record("bot", "A", 1, "one")}});
  BOOST_TEST(answer() == R"(200 {"A":"one"})");
  api.say({5, {}});
  BOOST_TEST(answer() == "503");
  api.say({4, {}});
  BOOST_TEST(answer() == "503");
  api.say({6, {}});  // as when all were removed: nobody could tell
  BOOST_TEST(answer() == "200 {}");
}

BOOST_AUTO_TEST_CASE(absent_and_unavailable_stay_what_they_are) {
  api.say({0, {}, fetch_outcome::absent});
  BOOST_TEST(answer() == "404");
  BOOST_TEST(answer("?wait=1", "\"5\"") == "404");
  api.say({0, {}, fetch_outcome::unavailable});
  BOOST_TEST(answer() == "503");
  BOOST_TEST(answer("?wait=1", "\"5\"") == "503");
}

BOOST_AUTO_TEST_CASE(fewer_records_than_announced_end_the_channel) {
  api.say({5, {record("bot", "A", 1, "one")}, fetch_outcome::found, 1});
  BOOST_TEST(answer() == "503");
  api.say({5, {record("bot", "A", 1, "one")}});
  BOOST_TEST(answer() == "503");
}

BOOST_AUTO_TEST_CASE(a_change_that_nobody_waits_for_ends_the_channel) {
  api.say({5, {record("bot", "A", 1, "one")}});
  BOOST_TEST(answer() == R"(200 {"A":"one"})");
  api.send(core::encode_message(core::changed_message{core::test::project("bot")}));
  for (int tries = 0; answer() != "503"; ++tries) {
    BOOST_REQUIRE(tries < 10'000);
    std::this_thread::sleep_for(1ms);
  }
}

BOOST_AUTO_TEST_CASE(a_change_that_is_none_ends_no_wait) {
  api.say({5, {record("bot", "A", 1, "one")}});
  std::thread crier([this] {
    for (unsigned i = 1; i <= 3; ++i) {
      api.wait_for_watches(i);
      api.send(core::encode_message(core::changed_message{core::test::project("bot")}));
    }
  });
  auto const began = std::chrono::steady_clock::now();
  BOOST_TEST(answer("?wait=2", "\"5\"") == "304");
  BOOST_TEST((std::chrono::steady_clock::now() - began >= 2s));
  crier.join();
}

BOOST_AUTO_TEST_CASE(a_change_that_is_never_told_is_seen_when_the_time_is_up) {
  api.say({5, {record("bot", "A", 1, "one")}});
  std::thread changer([this] {
    api.wait_for_watches(1);
    api.say({6, {record("bot", "A", 2, "two")}});
  });
  BOOST_TEST(answer("?wait=1", "\"5\"") == R"(200 {"A":"two"})");
  changer.join();
}

BOOST_AUTO_TEST_CASE(an_api_that_fails_when_the_time_is_up_is_unavailable_and_not_unchanged) {
  api.say({5, {record("bot", "A", 1, "one")}});
  std::thread changer([this] {
    api.wait_for_watches(1);
    api.say({0, {}, fetch_outcome::unavailable});
  });
  BOOST_TEST(answer("?wait=1", "\"5\"") == "503");
  changer.join();
}

BOOST_AUTO_TEST_CASE(all_who_wait_are_woken_by_one_word_and_one_question) {
  api.say({5, {record("bot", "A", 1, "one")}});
  std::atomic<unsigned> right = 0;
  std::vector<std::thread> waiting;
  for (int i = 0; i < 20; ++i) {
    waiting.emplace_back([&] { right += answer("?wait=60", "\"5\"") == R"(200 {"A":"two"})"; });
    api.wait_for_fetches(static_cast<unsigned>(waiting.size()));
  }
  BOOST_TEST(answer() == R"(200 {"A":"one"})");  // the keeper has seen to all before it
  api.say({6, {record("bot", "A", 2, "two")}});
  unsigned const before = api.fetches();
  api.send(core::encode_message(core::changed_message{core::test::project("bot")}));
  for (std::thread& one : waiting) one.join();
  BOOST_TEST(right == 20u);
  BOOST_TEST(api.fetches() == before + 1);
}

BOOST_AUTO_TEST_CASE(a_question_under_way_does_not_answer_who_comes_later) {
  api.say({5, {record("bot", "A", 1, "one")}});
  api.hold_answers(true);
  std::thread early([this] { static_cast<void>(answer()); });
  api.wait_for_fetches(1);
  std::string late_answer;
  std::thread late([&] { late_answer = answer(); });
  api.wait_for_fetches(2);
  api.say({6, {record("bot", "A", 2, "two")}});
  api.hold_answers(false);
  early.join();
  late.join();
  BOOST_TEST(late_answer == R"(200 {"A":"two"})");
}

BOOST_AUTO_TEST_CASE(at_the_stop_who_waits_is_told_so_at_once) {
  api.say({5, {record("bot", "A", 1, "one")}});
  std::thread stopper([this] {
    api.wait_for_watches(1);
    boost::asio::post(context, [this] {
      serves.stop();
      feed.stop();
    });
  });
  auto const began = std::chrono::steady_clock::now();
  BOOST_TEST(answer("?wait=60", "\"5\"") == "503");
  BOOST_TEST((std::chrono::steady_clock::now() - began < 20s));
  stopper.join();
}

// systemd is answered as root only.
boost::test_tools::assertion_result is_root(boost::unit_test::test_unit_id) {
  return ::geteuid() == 0;
}

BOOST_AUTO_TEST_CASE(what_one_way_out_delivered_binds_the_other,
                     *boost::unit_test::precondition(is_root)) {
  auto const first = record("bot", "A", 1, "one");
  auto const second = record("bot", "A", 2, "two");
  auto const third = record("bot", "A", 3, "three");
  api.say({5, {first}});
  BOOST_TEST(load("A") == "one");
  api.say({6, {second}});
  BOOST_TEST(answer() == R"(200 {"A":"two"})");
  for (std::uint64_t const claimed : {5u, 6u, 7u}) {
    api.say({claimed, {first}});
    BOOST_TEST(load("A") == "");
    BOOST_TEST(load("env") == "");
    BOOST_TEST(answer() == "503");
  }
  api.say({7, {third}});
  BOOST_TEST(load("A") == "three");
  api.say({8, {second}});
  BOOST_TEST(answer() == "503");
  api.say({7, {third}});
  BOOST_TEST(load("env") == "A=\"three\"\n# complete\n");
}

BOOST_AUTO_TEST_CASE(a_single_credential_is_sent_only_when_all_of_its_project_opens,
                     *boost::unit_test::precondition(is_root)) {
  auto const honest = record("bot", "A", 1, "one");
  api.say({5, {honest, record("shop", "B", 2, "theirs")}});
  BOOST_TEST(load("A") == "");
  api.say({5, {honest, record("bot", "B", 2, "two")}});
  BOOST_TEST(load("A") == "one");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace tacit::net
