// A store that was tampered with or that the disk fails: errors, never wrong data.
#include <sys/resource.h>

#include <boost/test/unit_test.hpp>
#include <csignal>
#include <deque>
#include <fstream>

#include "core/wire.hpp"
#include "kv/store_mark.hpp"
#include "tests/unit/kv/killed_store.hpp"

namespace tacit::kv {
namespace {

using core::errc;
using core::family;
using test::running_store;
using test::surroundings;

namespace fs = std::filesystem;

// A closed store with the project `bot` and the secrets A, B, C.
struct closed_store : surroundings {
  closed_store() {
    running_store store(*this);
    static_cast<void>(store.must<core::project_entry>(test::create("bot")));
    for (char const* name : {"A", "B", "C"}) {
      static_cast<void>(
          store.must<core::secret_entry>(test::upsert("bot", name, 1, std::string(200, name[0]))));
    }
    CHECK(store.finish());
  }

  // The rows as they lie, to be changed behind the store's back.
  std::string get(family in, std::string_view key) {
    auto const raw = open_database();
    std::string row;
    CHECK(raw->engine().Get({}, raw->in(in), as_slice(key), &row).ok());
    return row;
  }
  void put(family in, std::string_view key, std::string_view row) {
    auto const raw = open_database();
    CHECK(raw->engine().Put({}, raw->in(in), as_slice(key), as_slice(row)).ok());
  }
  void erase(family in, std::string_view key) {
    auto const raw = open_database();
    CHECK(raw->engine().Delete({}, raw->in(in), as_slice(key)).ok());
  }

  std::vector<fs::path> tables() const {
    std::vector<fs::path> found;
    for (auto const& entry : fs::directory_iterator(folder.store())) {
      if (entry.path().extension() == ".sst") found.push_back(entry.path());
    }
    std::sort(found.begin(), found.end());
    return found;
  }
};

std::string value_key(std::string_view name) {
  return core::secret_key_of(test::project("bot"), test::secret(name));
}

void flip_byte(fs::path const& file, std::uintmax_t at, int bits = 0x20) {
  std::fstream bytes(file, std::ios::in | std::ios::out | std::ios::binary);
  bytes.seekg(static_cast<std::streamoff>(at));
  char const changed = static_cast<char>(bytes.get() ^ bits);
  bytes.seekp(static_cast<std::streamoff>(at));
  bytes.put(changed);
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(damage, closed_store)

BOOST_AUTO_TEST_CASE(a_row_under_another_name_is_corrupt) {
  put(family::secrets, "bot/A", get(family::secrets, "bot/B"));
  running_store store(*this);
  BOOST_TEST(test::is(store.list("bot"), errc::corrupt));
  BOOST_TEST(test::is(store->sealed_values(test::project("bot")), errc::corrupt));
  BOOST_TEST(test::is(store.ask(test::upsert("bot", "A", 9)), errc::corrupt));
  BOOST_TEST(test::is(store.ask(test::remove("bot", "A")), errc::corrupt));
  BOOST_TEST(store.ask(test::upsert("bot", "C", 9)).has_value());
}

BOOST_AUTO_TEST_CASE(a_row_of_another_project_is_corrupt) {
  {
    running_store store(*this);
    static_cast<void>(store.must<core::project_entry>(test::create("other", 3)));
  }
  std::string const own = get(family::projects, "other");
  put(family::projects, "other", get(family::projects, "bot"));
  {
    running_store store(*this);
    BOOST_TEST(test::is(store.show("other"), errc::corrupt));
    BOOST_TEST(test::is(store.ask(test::upsert("other", "A", 1)), errc::corrupt));
  }
  put(family::projects, "other", own);
  put(family::counters, "other", get(family::counters, "bot"));
  running_store store(*this);
  BOOST_TEST(test::is(store.list("other"), errc::corrupt));
  BOOST_TEST(test::is(store.ask(test::upsert("other", "A", 1)), errc::corrupt));
  BOOST_TEST(test::is(store.ask(test::create("other")), errc::corrupt));
}

BOOST_AUTO_TEST_CASE(a_row_that_is_missing_or_too_many_is_noticed) {
  std::string const row = get(family::secrets, "bot/B");
  erase(family::secrets, "bot/B");
  {
    running_store store(*this);
    BOOST_TEST(test::is(store.list("bot"), errc::corrupt));
  }
  put(family::secrets, "bot/B", row);
  {
    running_store store(*this);
    BOOST_TEST(store.list("bot").has_value());
  }
  put(family::secrets, "bot/b", row);
  running_store store(*this);
  BOOST_TEST(test::is(store.list("bot"), errc::corrupt));
}

BOOST_AUTO_TEST_CASE(a_value_that_is_missing_is_corrupt_and_not_an_absent_project) {
  erase(family::values, value_key("B"));
  running_store store(*this);
  BOOST_TEST(test::is(store->sealed_values(test::project("bot")), errc::corrupt));
  BOOST_TEST(store.list("bot").has_value());
}

BOOST_AUTO_TEST_CASE(a_project_that_is_deleted_takes_halves_of_secrets_along) {
  erase(family::values, value_key("B"));
  erase(family::secrets, "bot/C");
  {
    running_store store(*this);
    static_cast<void>(store.must<core::removed>(test::erase("bot")));
    static_cast<void>(store.must<core::project_entry>(test::create("bot")));
    auto const list = store.list("bot");
    BOOST_TEST((list && list->secrets.empty()));
  }
  BOOST_TEST(test::keys_in(*open_database(), family::values).empty());
}

BOOST_AUTO_TEST_CASE(a_delivery_never_lacks_a_secret_that_was_taken_out_behind_the_stores_back) {
  erase(family::secrets, "bot/B");
  running_store store(*this);
  BOOST_TEST(test::is(store->sealed_values(test::project("bot")), errc::corrupt));
}

BOOST_AUTO_TEST_CASE(a_flipped_byte_in_a_table_is_refused_wherever_it_is) {
  for (fs::path const& file : tables()) {
    for (std::uintmax_t at = 0; at < fs::file_size(file); at += 31) {
      flip_byte(file, at);
      BOOST_CHECK_THROW(open_database(), open_failure);
      flip_byte(file, at);
    }
  }
  running_store store(*this);
  BOOST_TEST(test::names(*store.list("bot")) == "A,B,C,");
}

// When it happens to a store that is open.
BOOST_AUTO_TEST_CASE(a_flipped_byte_in_an_open_table_gives_an_error_or_the_right_data) {
  auto const files = tables();
  BOOST_REQUIRE(files.size() >= 4u);
  fs::path const good = folder.path() + "/good";
  fs::copy(folder.store(), good, fs::copy_options::recursive);
  unsigned refused = 0;
  unsigned served = 0;
  unsigned wrong = 0;
  for (fs::path const& file : files) {
    for (unsigned part = 0; part < 6; ++part) {
      fs::remove_all(folder.store());
      fs::copy(good, folder.store(), fs::copy_options::recursive);
      running_store store(*this);
      // The store may have merged it into another already.
      flip_byte(file, fs::file_size(good / file.filename()) * part / 6 + 3);
      auto const sealed = store->sealed_values(test::project("bot"));
      auto const list = store.list("bot");
      refused += !sealed || !list;
      served += sealed && list;
      if (list) wrong += test::names(*list) != "A,B,C,";
      if (!sealed) {
        wrong += sealed.error() == errc::not_found;  // an outage is not an absence
        continue;
      }
      for (auto const& one : sealed->records) {
        wrong += one.sealed != std::string(200, one.name.text()[0]);
      }
    }
  }
  BOOST_TEST(wrong == 0u);
  BOOST_TEST(refused > 0u);
  BOOST_TEST(served > 0u);
}

BOOST_AUTO_TEST_CASE(a_delete_that_cannot_read_all_rows_deletes_none) {
  running_store store(*this);
  // The values' table is the one with 200 bytes of 'A' in it.
  for (fs::path const& file : tables()) {
    std::ifstream bytes(file, std::ios::binary);
    std::string const text{std::istreambuf_iterator<char>(bytes), {}};
    auto const at = text.find(std::string(200, 'A'));
    if (at != std::string::npos) flip_byte(file, at + 100);
  }
  BOOST_TEST(!store->sealed_values(test::project("bot")).has_value());
  BOOST_TEST(test::is(store.ask(test::erase("bot")), errc::corrupt));
  auto const list = store.list("bot");
  BOOST_REQUIRE(list.has_value());
  BOOST_TEST(test::names(*list) == "A,B,C,");
  BOOST_TEST(store.show("bot")->secret_count == 3u);
}

BOOST_AUTO_TEST_CASE(after_a_write_that_fails_nothing_more_is_taken_and_all_is_answered) {
  running_store store(*this, 25, nullptr);
  test::waiting_port port;
  std::deque<core::change> changes;
  for (unsigned i = 0; i < 3; ++i) {
    changes.emplace_back(test::upsert("bot", "N" + std::to_string(i), i), port);
    changes.emplace_back(test::create("new" + std::to_string(i)), port);
  }
  // More than one group, and nothing of the second would be written.
  for (std::size_t i = 0; i < core::limits::commit_group_changes_max; ++i) {
    changes.emplace_back(test::remove("none", "NONE"), port);
  }
  for (core::change& one : changes) BOOST_TEST(store->submit(one).has_value());

  // No file of this process may grow: the disk is read-only for it.
  rlimit before{};
  BOOST_REQUIRE(getrlimit(RLIMIT_FSIZE, &before) == 0);
  auto* const handled = std::signal(SIGXFSZ, SIG_IGN);
  rlimit const none{0, before.rlim_max};
  BOOST_REQUIRE(setrlimit(RLIMIT_FSIZE, &none) == 0);
  store.start();
  port.wait_for(changes.size());
  bool const ended_well = store.finish();
  setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handled);

  BOOST_TEST(!ended_well);
  for (core::change const& one : changes) BOOST_TEST(test::is(one.came_of, errc::unavailable));
  BOOST_TEST(!store->writable());
  core::change late(test::upsert("bot", "LATE", 9), port);
  BOOST_TEST(test::is(store->submit(late), errc::unavailable));
  BOOST_TEST(test::names(*store.list("bot")).starts_with("A,B,C,"));  // reads go on
}

BOOST_AUTO_TEST_CASE(a_list_of_files_that_is_shorter_than_it_was_is_refused_wherever_it_ends) {
  fs::path manifest;
  for (auto const& entry : fs::directory_iterator(folder.store())) {
    if (entry.path().filename().string().starts_with("MANIFEST")) manifest = entry.path();
  }
  std::string const good = folder.path() + "/good";
  fs::copy(folder.store(), good, fs::copy_options::recursive);
  auto const size = fs::file_size(manifest);
  BOOST_REQUIRE(size > 300u);
  for (std::uintmax_t bytes = 0; bytes < size; ++bytes) {
    fs::resize_file(manifest, bytes);
    BOOST_CHECK_THROW(open_database(), open_failure);
  }
  fs::remove_all(folder.store());
  fs::copy(good, folder.store(), fs::copy_options::recursive);
  running_store store(*this);
  BOOST_TEST(test::names(*store.list("bot")) == "A,B,C,");
}

BOOST_AUTO_TEST_CASE(the_mark_follows_the_list_while_the_store_is_open) {
  running_store store(*this);
  auto const at_start = (*read_store_mark(folder.store()))->floor;
  auto const floor = [&] { return (*read_store_mark(folder.store()))->floor; };
  while (floor() == at_start) {  // until enough was written for a table
    static_cast<void>(
        store.must<core::secret_entry>(test::upsert("bot", "A", 1, std::string(16'000, 'A'))));
  }
  BOOST_CHECK(floor() > at_start);
  BOOST_CHECK(*find_list_of_files(folder.store()) >= floor());
}

BOOST_AUTO_TEST_CASE(
    the_mark_follows_the_list_behind_tables_that_were_made_one_and_is_tried_again) {
  auto const floor = [&] { return (*read_store_mark(folder.store()))->floor; };
  auto const raw = open_database();
  auto const fill = [&] {
    BOOST_REQUIRE(raw->engine().Put({}, raw->in(family::values), "bot/X", "x").ok());
    auto const before = floor();
    BOOST_TEST(raw->flush());
    BOOST_CHECK(floor() > before);
  };
  fill();
  fill();
  auto before = floor();
  BOOST_REQUIRE(raw->engine().CompactRange({}, raw->in(family::values), nullptr, nullptr).ok());
  fs::create_directory(folder.store() + "/STORE.new");  // the mark cannot be written
  raw->raise_floor();
  BOOST_CHECK(floor() == before);
  fs::remove(folder.store() + "/STORE.new");
  raw->raise_floor();
  BOOST_CHECK(floor() > before);
}

BOOST_AUTO_TEST_CASE(a_list_of_files_of_an_earlier_start_is_refused) {
  auto const before = *find_list_of_files(folder.store());
  std::string const earlier = folder.store() + "/MANIFEST-" +
                              std::string(6 - std::to_string(before.number).size(), '0') +
                              std::to_string(before.number);
  std::string const kept = folder.path() + "/kept";
  fs::copy(earlier, kept);
  {
    running_store store(*this);
    static_cast<void>(store.must<core::secret_entry>(test::upsert("bot", "D", 1)));
  }
  fs::copy(kept, earlier);
  std::ofstream(folder.store() + "/CURRENT") << fs::path(earlier).filename().string() << "\n";
  BOOST_CHECK_THROW(open_database(), open_failure);
}

BOOST_AUTO_TEST_CASE(first_rows_that_cannot_be_read_stop_the_start) {
  std::string_view const check(reinterpret_cast<char const*>(share.check.data()),
                               share.check.size());
  for (fs::path const& file : tables()) {
    std::ifstream bytes(file, std::ios::binary);
    std::string const text{std::istreambuf_iterator<char>(bytes), {}};
    if (auto const at = text.find(check); at != std::string::npos) flip_byte(file, at);
  }
  BOOST_CHECK_THROW(open_database(), open_failure);
}

// Of a project the one row or the other is gone: never an absent project, never an empty list.
BOOST_AUTO_TEST_CASE(half_a_project_is_corrupt_wherever_it_is_asked_for) {
  for (family const gone : {family::counters, family::projects}) {
    std::string const row = get(gone, "bot");
    erase(gone, "bot");
    {
      running_store store(*this);
      bool const counted = gone == family::projects;
      BOOST_TEST(store->find_project(test::project("bot")).has_value() == counted);
      BOOST_TEST(store.list("bot").has_value() == counted);
      if (!counted) {
        BOOST_TEST(test::is(store->find_project(test::project("bot")), errc::corrupt));
        BOOST_TEST(test::is(store.list("bot"), errc::corrupt));
        BOOST_TEST(test::is(store->sealed_values(test::project("bot")), errc::corrupt));
      }
      BOOST_TEST(test::is(store.show("bot"), errc::corrupt));
      BOOST_TEST(test::is(store.ask(test::create("bot")), errc::corrupt));
      BOOST_TEST(test::is(store.ask(test::upsert("bot", "A", 1)), errc::corrupt));
      BOOST_TEST(test::is(store.ask(test::erase("bot")), errc::corrupt));
      BOOST_TEST(test::is(store->list_projects(*core::permit_list(core::test::open_gate().owner())),
                          errc::corrupt));
    }
    put(gone, "bot", row);
  }
  erase(family::counters, "bot");
  erase(family::projects, "bot");
  running_store store(*this);
  BOOST_TEST(test::is(store.list("bot"), errc::corrupt));  // its secrets are left
}

// RocksDB takes a length that reaches beyond the list for its end, and removes the tables that are
// named behind it.
BOOST_AUTO_TEST_CASE(a_list_of_files_of_which_any_byte_is_changed_is_refused) {
  fs::path manifest;
  for (auto const& entry : fs::directory_iterator(folder.store())) {
    if (entry.path().filename().string().starts_with("MANIFEST")) manifest = entry.path();
  }
  auto const files = tables();
  auto const size = fs::file_size(manifest);
  for (std::uintmax_t at = 0; at < size; ++at) {
    for (int const bits : {0x01, 0x80, 0xff}) {
      flip_byte(manifest, at, bits);
      BOOST_CHECK_THROW(open_database(), open_failure);
      BOOST_CHECK(tables() == files);
      flip_byte(manifest, at, bits);
    }
  }
  // The mark may be of before the list was begun: then only what lies behind the damage tells.
  auto const now = *find_list_of_files(folder.store());
  CHECK(write_store_mark(folder.store(),
                         {store_format, share.check, true, {now.number - 1, now.bytes}}));
  constexpr std::uintmax_t high_byte_of_length = 5;
  flip_byte(manifest, high_byte_of_length, 0x80);
  BOOST_CHECK_THROW(open_database(), open_failure);
  BOOST_CHECK(tables() == files);
  flip_byte(manifest, high_byte_of_length, 0x80);
  running_store store(*this);
  BOOST_TEST(test::names(*store.list("bot")) == "A,B,C,");
}

// Two records that follow one another change places, each with its right checksum.
BOOST_AUTO_TEST_CASE(a_list_of_files_in_another_order_is_refused) {
  fs::path manifest;
  for (auto const& entry : fs::directory_iterator(folder.store())) {
    if (entry.path().filename().string().starts_with("MANIFEST")) manifest = entry.path();
  }
  std::string const whole = test::read_file(manifest);
  std::vector<std::size_t> ends{0};
  while (ends.back() < whole.size()) {
    core::wire_reader length(std::string_view(whole).substr(ends.back() + 4, 2));
    ends.push_back(ends.back() + 7 + length.number<std::uint16_t>());
  }
  BOOST_REQUIRE(ends.size() > 6u);
  for (std::size_t i = 2; i < ends.size(); ++i) {
    auto const part = [&](std::size_t from, std::size_t to) {
      return whole.substr(ends[from], ends[to] - ends[from]);
    };
    test::write_file(
        manifest, part(0, i - 2) + part(i - 1, i) + part(i - 2, i - 1) + part(i, ends.size() - 1));
    BOOST_CHECK_THROW(open_database(), open_failure);
  }
  test::write_file(manifest, whole);
  running_store store(*this);
  BOOST_TEST(test::names(*store.list("bot")) == "A,B,C,");
}

BOOST_AUTO_TEST_CASE(a_mark_of_which_anything_is_changed_is_refused_as_damaged_or_as_it_was) {
  std::string const path = folder.store() + "/STORE";
  std::string const whole = test::read_file(path);
  BOOST_REQUIRE(whole.size() == 85u);
  unsigned opened = 0;
  auto const look = [&](std::string const& changed, bool can_be_known) {
    test::write_file(path, changed);
    try {
      static_cast<void>(open_database());
      ++opened;
    } catch (open_failure const& failure) {
      BOOST_TEST(std::string_view(failure.what()).find("its mark") != std::string::npos);
      return;
    }
    BOOST_TEST(!can_be_known);
  };
  for (std::size_t at = 0; at < whole.size(); ++at) {
    std::string changed = whole;
    changed[at] = static_cast<char>(changed[at] ^ 0x01);
    look(changed, at < 61);  // of two numbers of changes one may be damaged
  }
  // Marks of an earlier tacit end at 29 and 45 bytes.
  for (std::size_t bytes = 0; bytes < whole.size(); ++bytes) {
    look(whole.substr(0, bytes), bytes != 29 && bytes != 45);
  }
  look(whole + "x", true);
  BOOST_TEST(opened > 2u);
}

BOOST_AUTO_TEST_CASE(a_store_that_cannot_be_read_does_not_open) {
  fs::resize_file(folder.store() + "/CURRENT", 0);
  BOOST_CHECK_THROW(running_store{*this}, open_failure);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace tacit::kv
