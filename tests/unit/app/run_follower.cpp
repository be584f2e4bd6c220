// How often `run` asks a source for changes, and from which set on: a clock is handed in.
#include "app/run/follower.hpp"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <chrono>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/check.hpp"
#include "core/crypto.hpp"
#include "core/limits.hpp"

namespace tacit::app {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

delivered set_of(std::int64_t revision) {
  std::string const body = R"({"data":{"project":"p","revision":)" + std::to_string(revision) +
                           R"(,"env":{},"withheld":[]}})";
  core::secret_buffer bytes(body.size());
  CHECK(bytes.append(body));
  return read_delivered(std::move(bytes), "p").value();
}

struct question {
  std::int64_t revision;
  seconds at_most;
};

// What a source was asked, and the answers that it is to give, which it has at once.
struct script {
  std::deque<question> asked{};
  std::deque<pending_delivery::outcome> answers{};
};

class scripted_source final : public delivery_source {
 public:
  explicit scripted_source(script& with) : script_(with) {}

  delivery_answer ask() override {
    return undelivered{delivery_fault::not_understood, "only changes are asked for here"};
  }
  begun ask_for_change(std::int64_t revision, seconds at_most) override {
    script_.asked.push_back({revision, at_most});
    auto one = std::make_unique<answered>(std::move(script_.answers.front()));
    script_.answers.pop_front();
    return one;
  }
  std::string origin() const override { return "script"; }

 private:
  class answered final : public pending_delivery {
   public:
    explicit answered(outcome came) : came_(std::move(came)) {}
    int descriptor() const noexcept override { return -1; }
    std::optional<outcome> advance() override { return std::move(came_); }

   private:
    outcome came_;
  };

  script& script_;
};

struct following {
  following() { core::init_crypto(); }

  script with{};
  follower::clock::time_point now = follower::clock::now();
  follower follows{std::make_unique<scripted_source>(with), 7};

  // Waits until it asks, has it take the answer, and gives how long it waits from then on.
  milliseconds ask(pending_delivery::outcome answer) {
    with.answers.push_back(std::move(answer));
    now = std::max(now, follows.wake_at());
    BOOST_TEST(!follows.go_on(now).has_value());
    BOOST_REQUIRE(with.answers.empty());
    last = follows.go_on(now);
    return std::chrono::ceil<milliseconds>(follows.wake_at() - now);
  }
  std::optional<delivered> last{};
};

undelivered fault(delivery_fault what, unsigned retry_after_seconds = 0) {
  return {what, "as the test says", retry_after_seconds};
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(followers, following)

BOOST_AUTO_TEST_CASE(it_asks_from_the_set_that_it_has) {
  BOOST_TEST(ask(set_of(9)).count() == 100);
  BOOST_REQUIRE(last.has_value());
  BOOST_TEST(last->revision == 9);
  ask(pending_delivery::unchanged{});
  BOOST_TEST(!last.has_value());
  ask(set_of(12));
  ask(pending_delivery::unchanged{});
  std::vector<std::int64_t> revisions;
  for (question const& one : with.asked) {
    revisions.push_back(one.revision);
    BOOST_TEST(one.at_most.count() == core::limits::wait_seconds_max);
  }
  BOOST_TEST((revisions == std::vector<std::int64_t>{7, 9, 9, 12}));
}

BOOST_AUTO_TEST_CASE(a_source_that_does_not_hold_a_question_is_asked_now_and_then) {
  for (int i = 0; i < 3; ++i) BOOST_TEST(ask(pending_delivery::unchanged{}).count() == 5000);
}

BOOST_AUTO_TEST_CASE(one_that_fails_is_asked_less_and_less_often) {
  for (auto const& [what, most] : {std::pair(delivery_fault::unavailable, 10'000),
                                   std::pair(delivery_fault::refused, 30'000)}) {
    for (int longest = 250, i = 0; i < 12; longest = std::min(longest * 2, most), ++i) {
      auto const waits = ask(fault(what)).count();
      BOOST_TEST(waits >= longest / 2);
      BOOST_TEST(waits <= longest);
    }
    // Whether all is well again is to be known at once.
    BOOST_TEST(with.asked.back().at_most.count() == 0);
    BOOST_TEST(ask(pending_delivery::unchanged{}).count() == 0);
    BOOST_TEST(ask(fault(what)).count() <= 250);
    ask(pending_delivery::unchanged{});
  }
}

BOOST_AUTO_TEST_CASE(not_sooner_than_it_says_itself_but_not_ever_later) {
  BOOST_TEST(ask(fault(delivery_fault::unavailable, 3)).count() >= 3000);
  BOOST_TEST(ask(fault(delivery_fault::unavailable, 3600)).count() <= 10'000 + 5'000);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace tacit::app
