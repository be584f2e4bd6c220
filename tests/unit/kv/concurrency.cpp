// Many askers, one commit thread: the cap, the counters, the order, the groups.
#include <boost/test/unit_test.hpp>
#include <deque>
#include <map>

#include "tests/unit/kv/running_store.hpp"

namespace tacit::kv {
namespace {

using core::errc;
using test::running_store;
using test::surroundings;

// Submits, or fails the test.
void submit(store& to, core::change& asked) { CHECK(to.submit(asked).has_value()); }

std::string numbered(std::string_view name, std::uint64_t number) {
  return std::string(name) + std::to_string(number);
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(concurrency, surroundings)

BOOST_AUTO_TEST_CASE(of_89_new_secrets_asked_for_at_once_exactly_25_are_taken) {
  running_store store(*this);
  static_cast<void>(store.must<core::project_entry>(test::create("bot")));
  std::atomic<unsigned> taken = 0;
  std::atomic<unsigned> refused = 0;
  {
    std::vector<std::jthread> threads;
    for (unsigned i = 0; i < 89; ++i) {
      threads.emplace_back([&, i] {
        auto const came_of = store.ask(test::upsert("bot", numbered("K", i), i));
        if (came_of) ++taken;
        if (test::is(came_of, errc::secret_limit_exceeded)) ++refused;
      });
    }
  }
  BOOST_TEST(taken == 25u);
  BOOST_TEST(refused == 64u);
  BOOST_TEST(store.list("bot")->secrets.size() == 25u);
  BOOST_TEST(store.show("bot")->secret_count == 25u);
}

BOOST_AUTO_TEST_CASE(of_89_new_secrets_in_one_group_the_first_25_are_taken) {
  running_store store(*this, 25, nullptr);
  test::waiting_port port;
  std::deque<core::change> changes;
  changes.emplace_back(test::create("bot"), port);
  for (unsigned i = 0; i < 89; ++i) {
    changes.emplace_back(test::upsert("bot", numbered("K", i), i), port);
  }
  for (core::change& one : changes) submit(*store, one);
  store.start();
  port.wait_for(changes.size());
  BOOST_TEST(port.groups() == 1u);
  for (unsigned i = 0; i < 89; ++i) {
    auto const& came_of = changes[i + 1].came_of;
    BOOST_TEST(came_of.has_value() == (i < 25));
    if (i >= 25) BOOST_TEST(test::is(came_of, errc::secret_limit_exceeded));
  }
  BOOST_TEST(store.list("bot")->secrets.size() == 25u);
}

BOOST_AUTO_TEST_CASE(within_a_group_each_change_sees_what_those_before_it_did) {
  running_store store(*this, 2, nullptr);
  test::waiting_port port;
  std::deque<core::change> changes;
  changes.emplace_back(test::create("bot"), port);
  changes.emplace_back(test::upsert("bot", "A", 1, "first"), port);
  changes.emplace_back(test::upsert("bot", "B", 2), port);
  changes.emplace_back(test::upsert("bot", "C", 3), port);  // full
  changes.emplace_back(test::remove("bot", "A"), port);
  changes.emplace_back(test::remove("bot", "A"), port);              // gone already
  changes.emplace_back(test::upsert("bot", "C", 4, "third"), port);  // room again
  changes.emplace_back(test::upsert("bot", "B", 5, "second"), port);
  changes.emplace_back(test::upsert("bot", "A", 6), port);  // full again
  for (core::change& one : changes) submit(*store, one);
  store.start();
  port.wait_for(changes.size());
  BOOST_TEST(test::is(changes[3].came_of, errc::secret_limit_exceeded));
  BOOST_TEST(std::get<core::removed>(*changes[4].came_of).existed);
  BOOST_TEST(!std::get<core::removed>(*changes[5].came_of).existed);
  BOOST_TEST(changes[6].came_of.has_value());
  BOOST_TEST(test::is(changes[8].came_of, errc::secret_limit_exceeded));
  BOOST_CHECK(std::get<core::secret_entry>(*changes[7].came_of).created ==
              std::get<core::secret_entry>(*changes[2].came_of).created);
  auto const sealed = store->sealed_values(test::project("bot"));
  BOOST_REQUIRE(sealed.has_value());
  BOOST_REQUIRE(sealed->records.size() == 2u);
  BOOST_CHECK(sealed->records[0].sealed == "second");
  BOOST_CHECK(sealed->records[1].sealed == "third");
}

BOOST_AUTO_TEST_CASE(
    a_project_deleted_between_two_writes_takes_the_first_along_and_not_the_second) {
  running_store store(*this, 25, nullptr);
  test::waiting_port port;
  std::deque<core::change> changes;
  changes.emplace_back(test::create("bot"), port);
  changes.emplace_back(test::upsert("bot", "A", 1, "first"), port);
  changes.emplace_back(test::erase("bot"), port);
  changes.emplace_back(test::upsert("bot", "LOST", 2), port);
  changes.emplace_back(test::create("bot"), port);
  changes.emplace_back(test::upsert("bot", "B", 3, "second"), port);
  for (core::change& one : changes) submit(*store, one);
  store.start();
  port.wait_for(changes.size());
  BOOST_TEST(port.groups() == 1u);
  BOOST_TEST(std::get<core::removed>(*changes[2].came_of).existed);
  BOOST_TEST(test::is(changes[3].came_of, errc::not_found));
  BOOST_TEST(test::names(*store.list("bot")) == "B,");
  BOOST_TEST(store.show("bot")->secret_count == 1u);
  BOOST_TEST(!store.must<core::removed>(test::remove("bot", "A")).existed);
}

BOOST_AUTO_TEST_CASE(changes_come_back_in_their_order_and_once_a_group) {
  running_store store(*this, 100'000, nullptr);
  constexpr std::size_t count = core::limits::commit_group_changes_max * 2 + 300;
  test::waiting_port port;
  test::waiting_port other;
  std::deque<core::change> changes;
  changes.emplace_back(test::create("bot"), port);
  for (std::size_t i = 0; i < count; ++i) {
    changes.emplace_back(test::upsert("bot", numbered("K", i), i), i % 50 == 0 ? other : port);
  }
  for (core::change& one : changes) submit(*store, one);
  store.start();
  auto const mine = port.wait_for(changes.size() - (count + 49) / 50);
  auto const others = other.wait_for((count + 49) / 50);
  BOOST_TEST(port.groups() == 3u);  // two full groups, the rest
  BOOST_TEST(other.groups() == 3u);
  for (auto const* const list : {&mine, &others}) {
    std::uint64_t version = 0;
    for (core::change const* one : *list) {
      BOOST_REQUIRE(one->came_of.has_value());
      auto const* const entry = std::get_if<core::secret_entry>(&*one->came_of);
      if (entry == nullptr) continue;
      BOOST_REQUIRE(entry->version > version);
      version = entry->version;
    }
  }
  BOOST_TEST(store.list("bot")->secrets.size() == count);
  BOOST_TEST(store.show("bot")->secret_count == count);
}

BOOST_AUTO_TEST_CASE(a_group_ends_before_its_batch_grows_past_its_bytes) {
  running_store store(*this, 100'000, nullptr);
  constexpr std::size_t value_bytes = 16 * 1024;
  constexpr std::size_t count = core::limits::commit_group_bytes_max / value_bytes * 2;
  test::waiting_port port;
  std::deque<core::change> changes;
  changes.emplace_back(test::create("bot"), port);
  for (std::size_t i = 0; i < count; ++i) {
    changes.emplace_back(test::upsert("bot", numbered("K", i), i, std::string(value_bytes, 'v')),
                         port);
  }
  for (core::change& one : changes) submit(*store, one);
  store.start();
  for (core::change const* one : port.wait_for(changes.size())) {
    BOOST_REQUIRE(one->came_of.has_value());
  }
  BOOST_TEST(port.groups() == 2u);
  BOOST_TEST(store.show("bot")->secret_count == count);
}

BOOST_AUTO_TEST_CASE(counters_equal_rows_whatever_several_threads_add_and_remove) {
  running_store store(*this, 5);
  char const* const ids[] = {"a", "a-b", "ab"};
  for (char const* id : ids) static_cast<void>(store.must<core::project_entry>(test::create(id)));
  std::atomic<bool> over = false;
  std::atomic<unsigned> unexpected = 0;
  std::jthread reader([&] {
    std::map<std::string, std::uint64_t> seen;
    while (!over) {
      for (char const* id : ids) {
        auto const list = store.list(id);
        if (!list || list->secrets.size() > 5 || list->revision < seen[id]) {
          ++unexpected;
          continue;
        }
        seen[id] = list->revision;
        for (auto const& one : list->secrets) unexpected += one.version > list->revision;
      }
    }
  });
  {
    std::vector<std::jthread> writers;
    for (unsigned seed = 0; seed < 4; ++seed) {
      writers.emplace_back([&, seed] {
        std::mt19937_64 random(seed);
        for (int i = 0; i < 150; ++i) {
          char const* const id = ids[random() % 3];
          std::string const name = numbered("K", random() % 12);
          auto const came_of = random() % 3 == 0 ? store.ask(test::remove(id, name))
                                                 : store.ask(test::upsert(id, name, random()));
          if (!came_of && came_of.error() != errc::secret_limit_exceeded) ++unexpected;
        }
      });
    }
  }
  over = true;
  reader.join();
  BOOST_TEST(unexpected == 0u);
  for (char const* id : ids) {
    std::size_t const rows = store.list(id)->secrets.size();
    BOOST_TEST(store.show(id)->secret_count == rows);
    BOOST_TEST(store->sealed_values(test::project(id))->records.size() == rows);
  }
}

BOOST_AUTO_TEST_CASE(sealed_values_and_their_revision_come_from_one_moment) {
  running_store store(*this);
  static_cast<void>(store.must<core::project_entry>(test::create("bot")));
  static_cast<void>(store.must<core::secret_entry>(test::upsert("bot", "K0", 0, "0")));
  std::atomic<bool> over = false;
  std::jthread writer([&] {
    for (std::uint64_t i = 1; i <= 300; ++i) {
      static_cast<void>(store.must<core::secret_entry>(
          test::upsert("bot", numbered("K", i % 4), i, std::to_string(i))));
    }
    over = true;
  });
  unsigned wrong = 0;
  while (!over) {
    auto const sealed = store->sealed_values(test::project("bot"));
    if (!sealed) {
      ++wrong;
      continue;
    }
    std::uint64_t newest = 0;
    for (auto const& one : sealed->records) {
      newest = std::max(newest, one.version);
      wrong += one.sealed != std::to_string(one.record_id);
    }
    wrong += newest != sealed->revision;  // only additions: the last of them is the revision
  }
  BOOST_TEST(wrong == 0u);
}

BOOST_AUTO_TEST_CASE(a_generation_is_odd_or_new_once_a_project_was_changed) {
  running_store store(*this);
  auto const bot = test::project("bot");
  auto const set = store->project_set_generation();
  static_cast<void>(store.must<core::project_entry>(test::create("bot")));
  BOOST_TEST(store->project_set_generation() > set);
  auto const made_set = store->project_set_generation();
  auto before = store->project_generation(bot);
  auto const changed = [&](core::command what) {
    auto const came_of = store.ask(std::move(what));
    auto const after = store->project_generation(bot);
    bool const moved = after != before;
    BOOST_TEST(after % 2 == 0u);
    before = after;
    return moved;
  };
  BOOST_TEST(changed(test::upsert("bot", "A", 1)));
  BOOST_TEST(changed(test::upsert("bot", "A", 2)));
  BOOST_TEST(!changed(test::remove("bot", "B")));
  BOOST_TEST(changed(test::remove("bot", "A")));
  BOOST_TEST(store->project_set_generation() == made_set);
  BOOST_TEST(changed(test::erase("bot")));
  BOOST_TEST(store->project_set_generation() > made_set);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace tacit::kv
