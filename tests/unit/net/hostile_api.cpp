// The keeper's side of delivery against an api process that is not what it should be: what it says
// is delivered only when it opens, belongs there and is not older than what was delivered before.
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/test/unit_test.hpp>
#include <condition_variable>
#include <deque>
#include <filesystem>
#include <mutex>
#include <thread>

#include "core/sealing.hpp"
#include "net/client.hpp"
#include "net/delivery.hpp"
#include "tests/unit/core/samples.hpp"

namespace tacit::net {
namespace {

using core::fetch_outcome;
using namespace std::chrono_literals;

struct silent_log final : core::log {
  void write(core::severity, std::string_view,
             std::initializer_list<core::log_field>) noexcept override {}
  bool wants(core::severity) const noexcept override { return false; }
};

// What an api process says to a fetch.
struct told {
  std::uint64_t revision = 0;
  std::vector<core::record_message> records;
  fetch_outcome came_of = fetch_outcome::found;
  std::uint32_t claimed_more = 0;  // records that are counted and never sent
};

// The other end of the keeper's channel, in the test's hand.
class api_end {
 public:
  explicit api_end(int socket) : socket_(socket), thread_([this] { run(); }) {}
  ~api_end() {
    ::shutdown(socket_, SHUT_RDWR);
    thread_.join();
    ::close(socket_);
  }
  api_end(api_end const&) = delete;
  api_end& operator=(api_end const&) = delete;

  // From now on this is the answer to each fetch.
  void say(told what) {
    std::lock_guard const lock(mutex_);
    next_ = std::move(what);
  }
  void hold_answers(bool held) {
    std::lock_guard const lock(mutex_);
    held_ = held;
    if (held) return;
    for (core::fetch_message const& one : unanswered_) answer(one);
    unanswered_.clear();
  }
  void send(std::string const& datagram) const {
    static_cast<void>(::send(socket_, datagram.data(), datagram.size(), MSG_NOSIGNAL));
  }
  void wait_for_fetches(unsigned at_least) {
    wait([&] { return fetches_ >= at_least; });
  }
  void wait_for_watches(unsigned at_least) {
    wait([&] { return watches_ >= at_least; });
  }
  unsigned fetches() {
    std::lock_guard const lock(mutex_);
    return fetches_;
  }

 private:
  template <typename Condition>
  void wait(Condition condition) {
    std::unique_lock lock(mutex_);
    BOOST_REQUIRE(something_.wait_for(lock, 30s, condition));
  }

  void answer(core::fetch_message const& asked) {
    for (core::record_message record : next_.records) {
      record.ask = asked.ask;
      send(core::encode_message(record));
    }
    auto const records = static_cast<std::uint32_t>(next_.records.size()) + next_.claimed_more;
    send(core::encode_message(
        core::fetched_message{asked.ask, next_.came_of, records, next_.revision}));
  }

  void run() {
    std::string datagram(core::limits::channel_message_bytes_max, '\0');
    while (true) {
      auto const got = ::recv(socket_, datagram.data(), datagram.size(), 0);
      if (got <= 0) return;
      auto const message =
          core::decode_to_api(std::string_view(datagram).substr(0, static_cast<std::size_t>(got)));
      std::lock_guard const lock(mutex_);
      if (auto const* const asked = std::get_if<core::fetch_message>(&*message)) {
        ++fetches_;
        if (held_) {
          unanswered_.push_back(*asked);
        } else {
          answer(*asked);
        }
      }
      if (std::holds_alternative<core::watch_message>(*message)) ++watches_;
      something_.notify_all();
    }
  }

  int socket_;
  std::mutex mutex_;
  std::condition_variable something_;
  told next_;  // guarded by mutex_, as below
  std::deque<core::fetch_message> unanswered_;
  bool held_ = false;
  unsigned fetches_ = 0;
  unsigned watches_ = 0;
  std::thread thread_;
};

std::string make_folder() {
  std::string pattern = "/tmp/tacit-net-XXXXXX";
  CHECK(::mkdtemp(pattern.data()) != nullptr);
  return pattern;
}

int listen_at(std::string const& path) {
  int const socket = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  CHECK(::bind(socket, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  CHECK(::listen(socket, 128) == 0);
  return socket;
}

struct keeper {
  core::api_share api_keys = core::derive_api_share(core::test::sample_root());
  core::keeper_share keys = core::derive_keeper_share(core::test::sample_root());
  core::sealer seals{api_keys.public_key, api_keys.record};
  core::delivery_policy policy{::getuid(), {}, {}};
  silent_log log;
  std::string folder = make_folder();
  std::string path = folder + "/keeper.sock";
  std::array<int, 2> pair = make_pair();
  boost::asio::io_context context{1};
  keeper_channel channel{context, pair[0]};
  receipts noted{context, channel, log, "host"};
  delivery serves{context, listen_at(path), {keys, policy, channel, noted, log}};
  api_end api{pair[1]};
  std::thread thread;

  keeper() {
    auto const rethrow = [](std::exception_ptr failed) {
      if (failed) std::rethrow_exception(failed);
    };
    boost::asio::co_spawn(context, channel.run(), rethrow);
    boost::asio::co_spawn(context, serves.run(), rethrow);
    thread = std::thread([this] { context.run(); });
  }
  ~keeper() {
    context.stop();
    thread.join();
    std::filesystem::remove_all(folder);
  }

  static std::array<int, 2> make_pair() {
    std::array<int, 2> ends{};
    CHECK(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) == 0);
    return ends;
  }

  core::record_message record(std::string_view project, std::string_view name, std::uint64_t id,
                              std::string_view value) {
    auto const of = core::test::project(project);
    auto const called = core::test::secret(name);
    return {0, called, id, id, seals.seal(value, {of, called, id}, 0)};
  }

  client_answer ask(std::string_view query = "", std::string_view tag = "") const {
    std::string const target = "/v1/projects/bot/env" + std::string(query);
    auto answer = exchange(unix_endpoint{path}, {"GET", target, "", "", tag});
    BOOST_REQUIRE(answer.has_value());
    return *std::move(answer);
  }
  // "200 {…env…}", "503".
  std::string answer(std::string_view query = "", std::string_view tag = "") const {
    client_answer const got = ask(query, tag);
    std::string const body(got.body.reveal());
    std::string text = std::to_string(got.status);
    if (got.status != 200) return text;
    std::size_t const from = body.find(R"("env":)") + 6;
    return text + " " + body.substr(from, body.find('}', from) + 1 - from);
  }
};

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
    boost::asio::post(context, [this] { serves.stop(); });
  });
  auto const began = std::chrono::steady_clock::now();
  BOOST_TEST(answer("?wait=60", "\"5\"") == "503");
  BOOST_TEST((std::chrono::steady_clock::now() - began < 20s));
  stopper.join();
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace tacit::net
