// The power is cut, again and again, at any operation of any first start, start, write and end.
// After each cut the store opens by itself with every acknowledged write and nothing half there. Or
// it is refused, and what `tacit recover` leaves of it has every acknowledged write.
//
// TACIT_POWER_CUTS and TACIT_SEED make it longer and repeat it (tests/torture/power.py).
#include <boost/test/unit_test.hpp>
#include <deque>
#include <iostream>
#include <set>

#include "kv/salvage.hpp"
#include "tests/unit/kv/fragile_disk.hpp"
#include "tests/unit/kv/running_store.hpp"

namespace tacit::kv {
namespace {

using core::errc;
using test::fragile_disk;
using test::running_store;

constexpr char const* gone = "";
constexpr unsigned secret_limit = 4;
constexpr std::array projects{"bot", "shop"};
constexpr std::array names{"A", "B", "C", "D", "E", "F"};

std::uint64_t number_from(char const* variable, std::uint64_t otherwise) {
  char const* const text = std::getenv(variable);
  return text == nullptr ? otherwise : std::stoull(text);
}

bool leaves_open(core::result<core::outcome> const& came_of) {
  return !came_of &&
         (came_of.error() == errc::unavailable || came_of.error() == errc::storage_full);
}

// One store through many cuts. Of each project and each secret is known what it may be: one thing
// once it was acknowledged or seen, more while it is open.
class many_lives {
 public:
  many_lives(std::uint64_t seed, bool syncs_logs) : rng_(seed), syncs_logs_(syncs_logs) {
    begin_anew();
  }

  void live() {
    if (rng_() % 25 == 0) begin_anew();
    auto const disk = std::make_shared<fragile_disk>(
        around_.folder.path() + "/limbo",
        fragile_disk::settings{rng_() % (rng_() % 4 == 0 ? 120 : 500) + 1, syncs_logs_});
    around_.disk = disk;
    bool damaged = false;
    try {
      running_store store(around_);
      look(store);
      for (std::uint64_t left = rng_() % 60; left > 0 && !disk->is_off(); --left)
        change_some(store);
      store.finish();
    } catch (open_failure const& failure) {
      if (disk->is_off()) {
        ++cut_while_opening;
      } else {
        ++refused;
        damaged = true;
        say(failure.what());
      }
    }
    disk->cut();
    disk->lose(rng_);
    around_.disk.reset();
    ++cuts;
    if (damaged) recover();
  }

  unsigned cuts = 0;
  unsigned opened = 0;
  unsigned cut_while_opening = 0;
  unsigned refused = 0;
  unsigned recovered = 0;  // of those refused
  unsigned wrong = 0;
  std::uint64_t acknowledged = 0;
  std::uint64_t unknown = 0;

 private:
  using place = std::pair<std::string, std::string>;

  void say(std::string const& what) { std::cerr << "cut " << cuts << ": " << what << "\n"; }
  void must(bool holds, std::string const& what) {
    if (holds) return;
    ++wrong;
    if (syncs_logs_) say(what);
  }

  // As `tacit recover --drop` does it. The values here are not sealed.
  void recover() {
    std::string const made = around_.folder.path() + "/new";
    std::filesystem::create_directory(made);
    auto const opens = [](core::value_place const&, std::string_view) { return true; };
    try {
      static_cast<void>(
          salvage({around_.folder.store(), around_.share.check, &around_.log, nullptr},
                  {around_.share.rows, opens}, made));
      std::filesystem::remove_all(around_.folder.store());
      std::filesystem::rename(made, around_.folder.store());
      ++recovered;
    } catch (open_failure const& failure) {
      say(std::string("not recovered: ") + failure.what());
      std::filesystem::remove_all(made);
      begin_anew();
    }
  }

  // Nothing is there: the next life is a first start.
  void begin_anew() {
    std::filesystem::remove_all(around_.folder.store());
    std::filesystem::create_directory(around_.folder.store());
    for (char const* const id : projects) forget(id);
  }
  void forget(std::string const& id) {
    is_there_[id] = {false};
    for (char const* const name : names) may_be_[{id, name}] = {gone};
  }

  void look(running_store& store) {
    ++opened;
    for (char const* const id : projects) {
      auto const there = store->find_project(test::project(id));
      must(there.has_value(), std::string(id) + " cannot be looked for");
      if (!there) continue;
      bool const is_there = *there == core::project_state::present;
      must(is_there_[id].contains(is_there), std::string(id) + ": there or not");
      is_there_[id] = {is_there};
      if (is_there) {
        look_at(store, id);
      } else {
        forget(id);
      }
    }
  }

  void look_at(running_store& store, std::string const& id) {
    auto const list = store.list(id);
    auto const sealed = store->sealed_values(test::project(id));
    auto const shown = store.show(id);
    must(list && sealed && shown, id + " cannot be read");
    if (!list || !sealed || !shown) return;
    must(list->secrets.size() == shown->secret_count && shown->secret_count <= secret_limit,
         id + ": counter and rows, or the cap");
    must(list->secrets.size() == sealed->records.size(), id + ": a value is missing");
    std::map<std::string, std::string> found;
    for (auto const& one : sealed->records) found[std::string(one.name.text())] = one.sealed;
    for (char const* const name : names) {
      auto& possible = may_be_[{id, name}];
      std::string const now = found[name];
      must(possible.contains(now), id + "/" + name + " is not as acknowledged");
      possible = {now};  // what was shown stays
    }
  }

  void change_some(running_store& store) {
    for (char const* const id : projects) {
      if (is_there_[id].contains(false)) make(store, id);
    }
    if (rng_() % 50 == 0) return erase(store, projects[rng_() % projects.size()]);
    test::waiting_port port;
    std::deque<core::change> asked;
    std::vector<std::pair<place, std::string>> wanted;
    std::set<place> taken;
    for (std::uint64_t left = rng_() % 6 + 1; left > 0; --left) {
      place const at{projects[rng_() % projects.size()], names[rng_() % names.size()]};
      if (!taken.insert(at).second) continue;
      std::string value;
      if (rng_() % 4 != 0) value = std::to_string(++turn_) + std::string(rng_() % 3000, 'x');
      if (value.empty()) {
        asked.emplace_back(test::remove(at.first, at.second), port);
      } else {
        asked.emplace_back(test::upsert(at.first, at.second, turn_, value), port);
      }
      if (!store->submit(asked.back())) {
        asked.pop_back();
        continue;
      }
      wanted.emplace_back(at, value);
    }
    port.wait_for(asked.size());
    for (std::size_t i = 0; i < asked.size(); ++i) settle(wanted[i], asked[i].came_of);
  }

  void make(running_store& store, std::string const& id) {
    auto const came_of = store.ask(test::create(id, secret_limit));
    if (came_of || test::is(came_of, errc::conflict)) is_there_[id] = {true};
    if (leaves_open(came_of)) is_there_[id].insert(true);
    count(came_of);
  }

  void erase(running_store& store, std::string const& id) {
    auto const came_of = store.ask(test::erase(id));
    if (came_of) forget(id);
    if (leaves_open(came_of)) {
      is_there_[id].insert(false);
      for (char const* const name : names) may_be_[{id, name}].insert(gone);
    }
    count(came_of);
  }

  void settle(std::pair<place, std::string> const& wanted,
              core::result<core::outcome> const& came_of) {
    auto& possible = may_be_[wanted.first];
    if (came_of) possible = {wanted.second};
    if (leaves_open(came_of)) possible.insert(wanted.second);
    count(came_of);
  }

  void count(core::result<core::outcome> const& came_of) {
    acknowledged += came_of.has_value();
    unknown += leaves_open(came_of);
  }

  test::surroundings around_;
  std::mt19937_64 rng_;
  bool syncs_logs_;
  std::map<std::string, std::set<bool>> is_there_;
  std::map<place, std::set<std::string>> may_be_;
  std::uint64_t turn_ = 0;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(power)

BOOST_AUTO_TEST_CASE(nothing_acknowledged_is_lost_when_the_power_is_cut) {
  std::uint64_t const seed = number_from("TACIT_SEED", static_cast<std::uint64_t>(getpid()) * 7919);
  many_lives store(seed, true);
  for (std::uint64_t left = number_from("TACIT_POWER_CUTS", 30); left > 0; --left) store.live();
  std::cout << "TACIT_SEED=" << seed << ": " << store.cuts << " cuts, opened " << store.opened
            << ", cut while opening " << store.cut_while_opening << ", refused " << store.refused
            << ", of them recovered " << store.recovered << ", wrong " << store.wrong
            << "; acknowledged " << store.acknowledged << ", of unknown outcome " << store.unknown
            << std::endl;
  BOOST_TEST(store.wrong == 0u);
  BOOST_TEST(store.refused * 20 <= store.cuts);  // pages that came in another order, seldom
  BOOST_TEST(store.acknowledged > store.cuts);
}

BOOST_AUTO_TEST_CASE(a_store_that_was_just_made_is_there_after_a_cut) {
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    test::surroundings around;
    std::mt19937_64 rng(seed);
    auto const disk = std::make_shared<fragile_disk>(around.folder.path() + "/limbo",
                                                     fragile_disk::settings{1'000'000, true});
    around.disk = disk;
    auto opened = around.open_database();
    disk->cut();
    opened.reset();
    disk->lose(rng);
    around.disk.reset();
    BOOST_CHECK_NO_THROW(around.open_database());
  }
}

BOOST_AUTO_TEST_CASE(a_log_that_is_not_synced_loses_what_was_acknowledged) {
  many_lives store(number_from("TACIT_SEED", static_cast<std::uint64_t>(getpid()) * 7919), false);
  while (store.wrong == 0 && store.cuts < 200) store.live();
  std::cout << "control: not as acknowledged after " << store.cuts << " cuts" << std::endl;
  BOOST_TEST(store.wrong > 0u);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace tacit::kv
