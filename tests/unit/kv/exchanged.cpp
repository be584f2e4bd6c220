// Whole parts of a store in the place of others, each with its right checksum: blocks of tables,
// records of logs, files. Refused, an error, or as it was.
#include <boost/test/unit_test.hpp>
#include <random>

#include "tests/unit/kv/killed_store.hpp"
#include "tests/unit/kv/table_blocks.hpp"

namespace tacit::kv {
namespace {

using core::errc;
using test::read_file;
using test::running_store;
using test::write_file;

namespace fs = std::filesystem;

constexpr unsigned many = 40;
constexpr std::array names{"A", "B", "C"};

std::string id_of(unsigned number) { return "p" + std::to_string(10 + number); }

std::string value_of(std::string const& id, std::string_view name, std::uint64_t turn) {
  return id + "/" + std::string(name) + " " + std::to_string(turn) + std::string(700, '.');
}

// Many projects, each secret of which was set twice; tables of both turns.
struct full_store : test::surroundings {
  full_store() {
    for (unsigned turn = 1; turn <= 2; ++turn) {
      running_store store(*this);
      for (unsigned i = 0; i < many; ++i) {
        std::string const id = id_of(i);
        if (turn == 1) static_cast<void>(store.must<core::project_entry>(test::create(id)));
        for (char const* const name : names) {
          static_cast<void>(store.must<core::secret_entry>(
              test::upsert(id, name, turn, value_of(id, name, turn), turn == 1 ? "old1" : "new2")));
        }
      }
      CHECK(store.finish());
    }
    fs::copy(folder.store(), good, fs::copy_options::recursive);
  }

  std::vector<fs::path> tables() const {
    std::vector<fs::path> found;
    for (auto const& entry : fs::directory_iterator(folder.store())) {
      if (entry.path().extension() == ".sst") found.push_back(entry.path());
    }
    std::sort(found.begin(), found.end());
    return found;
  }

  bool is_right(running_store& store, std::string const& id) {
    core::project_id const project = test::project(id);
    auto const there = store->find_project(project);
    if (there && *there != core::project_state::present) return false;
    auto const list = store.list(id);
    if (!list && list.error() == errc::not_found) return false;
    if (list && test::names(*list) != "A,B,C,") return false;
    for (std::size_t i = 0; list && i < names.size(); ++i) {
      if (list->secrets[i].last_four.reveal() != "new2") return false;
    }
    auto const sealed = store->sealed_values(project);
    if (!sealed) return sealed.error() != errc::not_found;
    if (sealed->records.size() != names.size()) return false;
    return std::ranges::all_of(sealed->records, [&](auto const& one) {
      // The keeper opens a value with the number that the row has.
      bool const opens = one.sealed == value_of(id, one.name.text(), one.record_id);
      return !opens || one.record_id == 2;
    });
  }

  // What came of the store as it lies there.
  void look() {
    try {
      running_store store(*this);
      unsigned wrong_here = 0;
      for (unsigned i = 0; i < many; ++i) wrong_here += !is_right(store, id_of(i));
      wrong += wrong_here > 0;
      ++opened;
    } catch (open_failure const&) {
      ++refused;
    }
    fs::remove_all(folder.store());
    fs::copy(good, folder.store(), fs::copy_options::recursive);
  }

  std::string const good = folder.path() + "/good";
  unsigned opened = 0;
  unsigned refused = 0;
  unsigned wrong = 0;
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(exchanged, full_store)

BOOST_AUTO_TEST_CASE(a_whole_block_in_the_place_of_another_is_refused) {
  struct place {
    fs::path file;
    test::table_block block;
  };
  std::vector<place> all;
  for (fs::path const& file : tables()) {
    for (auto const& block : test::blocks_of(read_file(file))) all.push_back({file, block});
  }
  std::vector<std::pair<place const*, place const*>> pairs;
  for (place const& from : all) {
    for (place const& to : all) {
      if (&from != &to && from.block.bytes == to.block.bytes) pairs.emplace_back(&from, &to);
    }
  }
  std::mt19937_64 rng(26);
  std::ranges::shuffle(pairs, rng);
  pairs.resize(std::min<std::size_t>(pairs.size(), 60));
  for (auto const& [from, to] : pairs) {
    std::string bytes = read_file(to->file);
    std::string const moved = read_file(from->file).substr(from->block.begin, from->block.bytes);
    if (bytes.compare(to->block.begin, to->block.bytes, moved) == 0) continue;
    write_file(to->file, bytes.replace(to->block.begin, to->block.bytes, moved));
    look();
  }
  BOOST_TEST_MESSAGE("opened " << opened << ", refused " << refused << ", wrong " << wrong);
  BOOST_TEST(wrong == 0u);
  BOOST_TEST(refused > 20u);
}

BOOST_AUTO_TEST_SUITE_END()

namespace {

// Where each record of a log begins, and the last one ends.
std::vector<std::size_t> borders_of(std::string const& log) {
  std::vector<std::size_t> borders;
  for (std::size_t bytes = 0; bytes <= log.size(); ++bytes) {
    auto const scanned = scan_log(std::string_view(log).substr(0, bytes), [](std::string_view) {});
    if (scanned.is_whole()) borders.push_back(bytes);
  }
  return borders;
}

struct killed : test::killed_store {
  // The log that has the changes is this instead.
  void try_log(std::optional<std::string> const& bytes) {
    begin_with(good);
    fs::path const log_file = only(".log");
    fs::remove(log_file);
    if (bytes) test::write_file(log_file, *bytes);
    BOOST_CHECK_THROW(open_database(), open_failure);
    auto const found = look(true);
    BOOST_TEST(found.is_damaged());
    BOOST_TEST(found.lost_last_changes > 0u);
    BOOST_TEST(left_of(found) < 8u);
  }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(exchanged_in_logs, killed)

BOOST_AUTO_TEST_CASE(a_log_that_ends_early_of_a_killed_server_is_refused_and_said) {
  begin_with(good);
  std::string const whole = read_file(only(".log"));
  auto const borders = borders_of(whole);
  BOOST_REQUIRE(borders.size() > 9u);
  try_log(std::nullopt);
  for (std::size_t i = 0; i + 1 < borders.size(); ++i) try_log(whole.substr(0, borders[i]));
  try_log(whole.substr(0, whole.size() - 1));
  try_log(std::string(whole.size(), '\0'));
  begin_with(good);
  running_store store(*this);
  BOOST_TEST(store.list("bot")->secrets.size() == 4u);
}

BOOST_AUTO_TEST_CASE(records_of_a_log_in_another_order_or_twice_are_refused) {
  begin_with(good);
  std::string const whole = read_file(only(".log"));
  auto const at = borders_of(whole);
  auto const part = [&](std::size_t from, std::size_t to) {
    return whole.substr(at[from], at[to] - at[from]);
  };
  std::size_t const last = at.size() - 1;
  for (std::size_t i = 1; i < last; i += 2) {
    std::string const front = part(0, i - 1);
    std::string const back = part(i + 1, last);
    try_log(front + part(i, i + 1) + part(i - 1, i) + back);           // exchanged
    try_log(front + part(i - 1, i) + part(i - 1, i) + part(i, last));  // twice
    try_log(front + part(i, last));                                    // left out
  }
}

// The values are in a table, and what else was changed with them in the first of two logs.
BOOST_AUTO_TEST_CASE(the_first_of_two_logs_that_is_gone_or_empty_is_refused_and_said) {
  begin_with(good);
  {
    auto const raw = open_database();
    rocksdb::WriteOptions synced;
    synced.sync = true;
    auto const put = [&](core::family in) {
      CHECK(raw->engine().Put(synced, raw->in(in), "bot/X", "x").ok());
      raw->note_changes();
    };
    put(core::family::secrets);
    put(core::family::values);
    CHECK(raw->engine().Flush({}, raw->in(core::family::values)).ok());
    raw->raise_floor();
    put(core::family::values);
    keep();
  }
  begin_with(good);
  static_cast<void>(open_database());
  for (bool const is_gone : {true, false}) {
    begin_with(good);
    auto const logs = files(".log");
    BOOST_REQUIRE(logs.size() == 2u);
    if (is_gone) fs::remove(logs[0]);
    if (!is_gone) fs::resize_file(logs[0], 0);
    BOOST_CHECK_THROW(open_database(), open_failure);
    auto const found = look();
    BOOST_TEST(found.missing_log.has_value() == is_gone);
    BOOST_TEST(found.is_damaged());
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace tacit::kv
