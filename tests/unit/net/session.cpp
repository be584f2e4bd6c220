// Sessions of one worker, over socket pairs, above a store that is none.
#include "net/session.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <string>
#include <thread>
#include <vector>

#include "net/worker.hpp"
#include "tests/unit/core/samples.hpp"
#include "tests/unit/net/false_store.hpp"

namespace tacit::net {
namespace {

// One project with a long list; takes no change.
class closed_store final : public test::false_store {
 public:
  core::result<core::project_state> find_project(core::project_id const&) const override {
    ++looks;
    return core::project_state::present;
  }
  core::result<core::secret_list> list_secrets(core::read_permit const&) const override {
    core::secret_list list{1, {}};
    for (unsigned i = 0; i < 1000; ++i) {
      list.secrets.push_back({core::test::secret("KEY_" + std::to_string(i)), 1, {}, {}, {}});
    }
    return list;
  }
  std::uint64_t project_generation(core::project_id const&) const noexcept override {
    ++looks;
    return 0;
  }
  std::shared_ptr<core::api_key_directory const> api_keys() const override { return keys; }

  std::shared_ptr<core::api_key_directory> keys = std::make_shared<core::api_key_directory>();
  mutable std::size_t looks = 0;  // for a project by its id, of the worker's thread
};

// In which order requests were answered, by their ids.
class order_log final : public core::log {
 public:
  void write(core::severity, std::string_view,
             std::initializer_list<core::log_field> fields) noexcept override {
    for (core::log_field const& one : fields) {
      if (one.name == "request_id") ids.emplace_back(std::get<std::string_view>(one.value));
    }
  }
  bool wants(core::severity) const noexcept override { return true; }

  std::vector<std::string> ids;  // of the worker's thread
};

std::string get(std::string_view path, std::string_view id, std::string_view more = "") {
  return "GET " + std::string(path) + " HTTP/1.1\r\nHost: x\r\nX-Request-Id: " + std::string(id) +
         "\r\n" + std::string(more) + "\r\n";
}
constexpr std::string_view last = "Connection: close\r\n";
std::string many(std::size_t count, std::string const& request) {
  std::string all;
  for (std::size_t i = 0; i < count; ++i) all += request;
  return all;
}

struct one_worker {
  closed_store store;
  core::test::open_gate gate;
  core::api_share share = core::derive_api_share(core::test::sample_root());
  order_log log;
  relay to_keeper;
  service_parts parts{store, gate.limiter, share, log, {}, 8, 0, to_keeper};
  worker at{parts, {}};
  std::atomic<std::uint32_t> open = 0;
  std::vector<int> clients;

  ~one_worker() {
    for (int const one : clients) ::close(one);
  }

  // A client of the local owner's that has sent this.
  void add(std::string_view sent) {
    std::array<int, 2> pair{};
    BOOST_REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.data()) == 0);
    BOOST_REQUIRE(::fcntl(pair[0], F_SETFL, O_NONBLOCK) == 0);
    int const bytes = 1 << 20;
    ::setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
    timeval const patience{60, 0};  // of a test that would hang
    ::setsockopt(pair[1], SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    BOOST_REQUIRE(::write(pair[1], sent.data(), sent.size()) == static_cast<ssize_t>(sent.size()));
    ++open;
    at.adopt({pair[0], {0, true}, false}, open);
    clients.push_back(pair[1]);
  }

  // Runs until the last request of each was answered: what each has got.
  std::vector<std::string> run() {
    std::jthread const thread([this] { at.run(); });
    std::vector<std::string> got;
    for (int const one : clients) {
      got.emplace_back();
      std::array<char, 4096> bytes;
      for (ssize_t count = 1; count > 0;) {
        count = ::read(one, bytes.data(), bytes.size());
        if (count > 0) got.back().append(bytes.data(), static_cast<std::size_t>(count));
      }
      ::shutdown(one, SHUT_RDWR);
    }
    at.drain(0);
    return got;
  }

  // An API key that may read and write this project: its field.
  std::string let_in(std::string_view project) {
    auto const key = core::api_key_text::make_random();
    core::api_key_entry entry(*core::api_key_id::parse("key"));
    entry.permissions = core::permission_set::from_bits(3);
    entry.scope.projects.push_back(core::test::project(project));
    store.keys->keys.emplace(key.hash(share.pepper),
                             std::make_shared<core::api_key_entry const>(std::move(entry)));
    return "Authorization: Bearer " + std::string(key.reveal()) + "\r\n";
  }

  // Everything that names a project, and runs.
  void ask_for(std::string const& project, std::string const& bearer) {
    std::string const path = "/api/v1/projects/" + project;
    std::string all;
    for (std::string const start : {"GET ", "DELETE "}) {
      for (std::string const end : {"", "/secrets", "/secrets/A", "/deliveries"}) {
        all += start + path + end + " HTTP/1.1\r\nHost: x\r\n" + bearer + "\r\n";
      }
    }
    add(all + "POST " + path + "/secrets HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n" + bearer +
        std::string(last) + "\r\n{}");
    static_cast<void>(run());
  }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(sessions, one_worker)

BOOST_AUTO_TEST_CASE(a_flood_that_is_there_at_once_gives_up_its_turn_to_one_request) {
  constexpr std::size_t flood = 1500;
  add(many(flood, get("/livez", "flood")) + get("/livez", "flood", last));
  add(get("/livez", "one", last));
  static_cast<void>(run());
  BOOST_REQUIRE(log.ids.size() == flood + 2);
  auto const before = std::find(log.ids.begin(), log.ids.end(), "one") - log.ids.begin();
  BOOST_TEST(before <= 64);  // two turns
}

BOOST_AUTO_TEST_CASE(answers_are_sent_before_they_are_too_many) {
  std::string const list = "/api/v1/projects/bot/secrets";
  constexpr std::size_t count = 30;  // of one turn
  add(many(count, get(list, "list")) + get(list, "list", last));
  auto const got = run();
  BOOST_TEST(got[0].size() > count * 80'000);
  BOOST_TEST(at.output().capacity() < 1'000'000u);
}

BOOST_AUTO_TEST_CASE(a_change_that_the_store_does_not_take_is_answered_as_unavailable) {
  std::string const body = R"({"key":"A","value":"v"})";
  add("POST /api/v1/projects/bot/secrets HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
      "Content-Length: " +
      std::to_string(body.size()) + "\r\n\r\n" + body);
  BOOST_TEST(run()[0].starts_with("HTTP/1.1 503 "));
}

BOOST_AUTO_TEST_CASE(a_project_out_of_an_api_keys_scope_is_not_looked_for) {
  ask_for("others", let_in("mine"));
  BOOST_TEST(log.ids.size() == 9U);
  BOOST_TEST(store.looks == 0U);
}

BOOST_AUTO_TEST_CASE(one_in_its_scope_is) {
  ask_for("mine", let_in("mine"));
  BOOST_TEST(log.ids.size() == 9U);
  BOOST_TEST(store.looks > 0U);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace tacit::net
