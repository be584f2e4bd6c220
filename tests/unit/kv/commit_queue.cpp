// The queue to the commit thread, and how a store ends.
#include "kv/commit_queue.hpp"

#include <boost/test/unit_test.hpp>
#include <deque>
#include <semaphore>
#include <thread>

#include "tests/unit/kv/running_store.hpp"

namespace tacit::kv {
namespace {

using core::errc;
using namespace std::chrono_literals;

struct one_change {
  test::waiting_port port;
  core::change asked{test::create("bot"), port};
};

}  // namespace

BOOST_AUTO_TEST_SUITE(commit_queues)

BOOST_AUTO_TEST_CASE(what_was_pushed_is_taken_in_order_and_once) {
  commit_queue queue;
  std::deque<one_change> changes(5);
  for (one_change& one : changes) BOOST_TEST(queue.push(one.asked).has_value());
  auto const taken = queue.take_all(0ms);
  BOOST_REQUIRE(taken.size() == 5u);
  for (std::size_t i = 0; i < 5; ++i) BOOST_TEST((taken[i] == &changes[i].asked));
  BOOST_TEST(queue.take_all(0ms).empty());
}

BOOST_AUTO_TEST_CASE(a_full_queue_refuses_and_takes_again_once_it_was_emptied) {
  commit_queue queue;
  one_change one;
  for (std::size_t i = 0; i < core::limits::commit_queue_changes_max; ++i) {
    BOOST_REQUIRE(queue.push(one.asked).has_value());
  }
  BOOST_TEST(test::is(queue.push(one.asked), errc::unavailable));
  BOOST_TEST(queue.take_all(0ms).size() == core::limits::commit_queue_changes_max);
  BOOST_TEST(queue.push(one.asked).has_value());
}

BOOST_AUTO_TEST_CASE(a_closed_queue_takes_nothing_and_gives_what_it_has) {
  commit_queue queue;
  one_change one;
  BOOST_TEST(queue.push(one.asked).has_value());
  BOOST_TEST(!queue.closed_and_empty());
  queue.close();
  BOOST_TEST(test::is(queue.push(one.asked), errc::unavailable));
  BOOST_TEST(!queue.closed_and_empty());
  BOOST_TEST(queue.take_all(1h).size() == 1u);
  BOOST_TEST(queue.closed_and_empty());
  BOOST_TEST(queue.take_all(1h).empty());  // does not wait
}

BOOST_AUTO_TEST_CASE(a_wake_before_or_while_it_waits_ends_one_wait_of_the_taker) {
  commit_queue queue;
  queue.wake();
  BOOST_TEST(queue.take_all(1h).empty());
  auto const began = std::chrono::steady_clock::now();
  BOOST_TEST(queue.take_all(20ms).empty());  // the wake was used up
  BOOST_TEST((std::chrono::steady_clock::now() - began >= 20ms));
  std::jthread const waker([&] { queue.wake(); });
  BOOST_TEST(queue.take_all(1h).empty());
}

BOOST_AUTO_TEST_CASE(a_waiting_taker_is_woken_by_a_push_and_by_closing) {
  commit_queue queue;
  one_change one;
  std::size_t first = 0;
  bool ended = false;
  std::jthread taker([&] {
    first = queue.take_all(1h).size();
    while (!queue.closed_and_empty()) static_cast<void>(queue.take_all(1h));
    ended = true;
  });
  BOOST_TEST(queue.push(one.asked).has_value());
  queue.close();
  taker.join();
  BOOST_TEST(first == 1u);
  BOOST_TEST(ended);
}

// The taker looks for the next one before it sleeps, and gives that up after a pause.
BOOST_AUTO_TEST_CASE(changes_that_come_one_by_one_are_each_taken_alone_also_after_a_pause) {
  commit_queue queue;
  std::deque<one_change> changes(200);
  std::counting_semaphore<> answered(0);
  std::vector<core::change*> taken;
  std::jthread taker([&] {
    while (!queue.closed_and_empty()) {
      for (core::change* const one : queue.take_all(1h)) {
        taken.push_back(one);
        answered.release();
      }
    }
  });
  for (std::size_t i = 0; i < changes.size(); ++i) {
    if (i % 50 == 49) std::this_thread::sleep_for(2ms);  // longer than it looks
    CHECK(queue.push(changes[i].asked).has_value());
    answered.acquire();
  }
  queue.close();
  taker.join();
  BOOST_REQUIRE(taken.size() == changes.size());
  for (std::size_t i = 0; i < taken.size(); ++i) BOOST_TEST((taken[i] == &changes[i].asked));
}

BOOST_AUTO_TEST_CASE(no_push_of_many_threads_is_lost) {
  commit_queue queue;
  std::deque<one_change> changes(400);
  std::size_t taken = 0;
  std::jthread taker([&] {
    while (!queue.closed_and_empty()) taken += queue.take_all(1h).size();
  });
  {
    std::vector<std::jthread> pushers;
    for (std::size_t thread = 0; thread < 4; ++thread) {
      pushers.emplace_back([&, thread] {
        for (std::size_t i = thread; i < changes.size(); i += 4) {
          CHECK(queue.push(changes[i].asked).has_value());
        }
      });
    }
  }
  queue.close();
  taker.join();
  BOOST_TEST(taken == changes.size());
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_FIXTURE_TEST_SUITE(endings, test::surroundings)

BOOST_AUTO_TEST_CASE(what_was_submitted_before_the_close_is_written_and_nothing_after_is_taken) {
  test::running_store store(*this, 25, nullptr);
  test::waiting_port port;
  std::deque<core::change> changes;
  changes.emplace_back(test::create("bot"), port);
  for (unsigned i = 0; i < 10; ++i) {
    changes.emplace_back(test::upsert("bot", "K" + std::to_string(i), i), port);
  }
  for (core::change& one : changes) BOOST_TEST(store->submit(one).has_value());
  store->close();
  core::change late(test::upsert("bot", "LATE", 99), port);
  BOOST_TEST(test::is(store->submit(late), errc::unavailable));
  store.start();
  BOOST_TEST(store.finish());
  BOOST_TEST(port.wait_for(changes.size()).size() == changes.size());
  for (core::change const& one : changes) BOOST_TEST(one.came_of.has_value());
  BOOST_TEST(store.list("bot")->secrets.size() == 10u);
}

BOOST_AUTO_TEST_CASE(a_store_without_changes_ends_well_and_is_writable_before) {
  test::running_store store(*this);
  BOOST_TEST(store->writable());
  BOOST_TEST(store.finish());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace tacit::kv
