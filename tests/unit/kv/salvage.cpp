// What a damaged store has lost, by name, and what is left of it: that, and nothing else, is right.
#include "kv/salvage.hpp"

#include <boost/test/unit_test.hpp>
#include <fstream>
#include <system_error>

#include "tests/unit/kv/running_store.hpp"

namespace tacit::kv {
namespace {

namespace fs = std::filesystem;
using core::family;
using test::running_store;

constexpr std::array ids{"bot", "shop"};
constexpr std::array names{"A", "B", "C", "D"};

std::string value_of(std::string_view id, std::string_view name) {
  return std::string(id) + "/" + std::string(name) + std::string(300, '.');
}

std::string read_file(fs::path const& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}
void write_file(fs::path const& path, std::string const& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

// Two projects with four secrets each, at first in the log alone, as a kill leaves them.
struct killed_store : test::surroundings {
  killed_store() {
    running_store store(*this);
    for (char const* const id : ids) {
      static_cast<void>(store.must<core::project_entry>(test::create(id)));
      for (char const* const name : names) {
        static_cast<void>(
            store.must<core::secret_entry>(test::upsert(id, name, 1, value_of(id, name))));
      }
    }
    keep();
    CHECK(store.finish());
  }
  // While the store runs a file that RocksDB needs no more may go in the middle of it.
  void keep() {
    std::error_code failed;
    do {
      fs::remove_all(good);
      fs::copy(folder.store(), good, fs::copy_options::recursive, failed);
    } while (failed == std::errc::no_such_file_or_directory);
    CHECK(!failed);
  }
  void begin_with(std::string const& from) {
    fs::remove_all(folder.store());
    fs::copy(from, folder.store(), fs::copy_options::recursive);
  }
  // Everything in tables.
  void flush_good() {
    begin_with(good);
    CHECK(running_store(*this).finish());
    keep();
  }
  fs::path only(std::string_view extension) const {
    std::vector<fs::path> const all = files(extension);
    for (fs::path const& one : all) {
      if (fs::file_size(one) > 0) return one;
    }
    return {};
  }
  std::vector<fs::path> files(std::string_view extension) const {
    std::vector<fs::path> found;
    for (auto const& entry : fs::directory_iterator(folder.store())) {
      if (entry.path().extension() == extension) found.push_back(entry.path());
    }
    std::sort(found.begin(), found.end());
    return found;
  }

  salvaged look(bool makes_new = false) {
    auto const opens = [](core::value_place const& place, std::string_view sealed) {
      return sealed == value_of(place.project.text(), place.name.text());
    };
    std::optional<std::string> into;
    if (makes_new) {
      into = folder.path() + "/new";
      fs::remove_all(*into);
      fs::create_directory(*into);
    }
    return salvage({folder.store(), share.check, &log, nullptr}, {share.rows, opens}, into);
  }

  // How many secrets a server finds in the new store: each with its value, all others were named.
  std::size_t left_of(salvaged const& found) {
    fs::remove_all(folder.store());
    fs::rename(folder.path() + "/new", folder.store());
    running_store store(*this);
    std::size_t left = 0;
    for (char const* const id : ids) {
      bool const is_there = store->find_project(test::project(id)) == core::project_state::present;
      bool const is_cut = !found.damaged_logs.empty();  // what cannot be read may be of anything
      bool const is_said = is_cut || found.lost_changes.contains("project " + std::string(id));
      if (!is_there) BOOST_TEST(is_said);
      auto const sealed = store->sealed_values(test::project(id));
      auto const list = store.list(id);
      BOOST_REQUIRE(sealed.has_value() == is_there);
      BOOST_REQUIRE(list.has_value() == is_there);
      std::set<std::string> there;
      for (auto const& one : is_there ? sealed->records : std::vector<sealed_record>()) {
        BOOST_TEST(one.sealed == value_of(id, one.name.text()));
        there.insert(std::string(one.name.text()));
      }
      if (is_there) BOOST_TEST(list->secrets.size() == there.size());
      if (is_there) BOOST_TEST(store.show(id)->secret_count == there.size());
      left += there.size();
      for (char const* const name : names) {
        std::string const key = std::string(id) + "/" + name;
        bool const is_named =
            is_cut || found.lost_secrets.contains(key) || found.lost_changes.contains(key);
        BOOST_TEST((there.contains(name) || is_named), key << " is lost and not named");
      }
      if (is_there) BOOST_TEST(store.ask(test::upsert(id, "NEW", 2)).has_value());
    }
    BOOST_TEST(found.secrets == left);
    return left;
  }

  std::string const good = folder.path() + "/good";
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(salvaging, killed_store)

BOOST_AUTO_TEST_CASE(a_whole_store_has_lost_nothing) {
  for (bool const flushed : {false, true}) {
    if (flushed) flush_good();
    begin_with(good);
    auto const found = look(true);
    BOOST_TEST(!found.is_damaged());
    BOOST_TEST(found.projects == 2u);
    BOOST_TEST(left_of(found) == 8u);
  }
}

// Each record of a log in turn: one byte of it is another.
BOOST_AUTO_TEST_CASE(a_log_that_is_damaged_is_refused_and_cut_where_it_is_whole) {
  begin_with(good);
  std::string const name = only(".log").filename();
  std::string const whole = read_file(only(".log"));
  BOOST_REQUIRE(whole.size() > 3'000u);
  unsigned refused = 0;
  for (std::size_t at = 0; at < whole.size(); at += at < 200 ? 1 : 97) {
    begin_with(good);
    std::string changed = whole;
    changed[at] = static_cast<char>(changed[at] ^ 0x21);
    write_file(folder.store() + "/" + name, changed);
    std::size_t served = 0;
    try {
      running_store store(*this);
      for (char const* const id : ids) served += store.list(id)->secrets.size();
    } catch (open_failure const& failure) {
      BOOST_TEST(std::string(failure.what()).find("tacit recover") != std::string::npos);
      ++refused;
      auto const found = look(true);
      BOOST_TEST(found.is_damaged());
      BOOST_REQUIRE(found.damaged_logs.size() == 1u);
      BOOST_TEST(found.damaged_logs[0].sound_bytes <= at);
      BOOST_TEST(left_of(found) < 8u);
      continue;
    }
    BOOST_TEST(served >= 7u);  // the last record's length: as if it was being written
  }
  BOOST_TEST(refused > 200u);
}

// As a machine leaves it that stopped while it wrote.
BOOST_AUTO_TEST_CASE(a_log_that_ends_anywhere_is_not_refused) {
  begin_with(good);
  std::string const whole = read_file(only(".log"));
  for (std::size_t bytes = 0; bytes <= whole.size(); ++bytes) {
    std::vector<scanned_log> const logs{
        scan_log(whole.substr(0, bytes), [](std::string_view) { BOOST_TEST(false); })};
    BOOST_TEST(find_damaged_log(logs) == nullptr);
    BOOST_TEST(logs[0].sound_bytes <= bytes);
    std::vector<scanned_log> const zeros{
        scan_log(whole.substr(0, bytes) + std::string(9'000, '\0'), [](std::string_view) {})};
    BOOST_TEST(find_damaged_log(zeros) == nullptr);
  }
}

BOOST_AUTO_TEST_CASE(a_log_of_many_blocks_is_whole_to_its_end) {
  {
    running_store store(*this);
    for (unsigned i = 0; i < 60; ++i) {
      static_cast<void>(store.must<core::secret_entry>(
          test::upsert("bot", "A", 1, std::string(16'000 + i * 37, 'x'))));
    }
    std::set<std::string> in_store;
    for (fs::path const& one : files(".log")) in_store.insert(one.filename());
    auto const logs = scan_logs(folder.store(), in_store, [](std::string_view) {});
    BOOST_REQUIRE(logs.has_value());
    std::uint64_t bytes = 0;
    for (scanned_log const& one : *logs) {
      BOOST_TEST(one.is_whole());
      bytes += one.bytes;
    }
    BOOST_TEST(bytes > 900'000u);
  }
}

BOOST_AUTO_TEST_CASE(of_a_damaged_table_what_cannot_be_read_is_named_and_the_rest_is_right) {
  flush_good();
  unsigned damaged = 0;
  std::size_t least = 8;
  begin_with(good);
  for (fs::path const& table : files(".sst")) {
    begin_with(good);
    std::string const whole = read_file(table);
    for (unsigned part = 0; part < 5; ++part) {
      begin_with(good);
      std::string changed = whole;
      char& byte = changed[changed.size() * part / 5 + 7];
      byte = static_cast<char>(byte ^ 0x21);
      write_file(table, changed);
      auto const found = look(true);
      damaged += found.is_damaged();
      least = std::min(least, left_of(found));
    }
  }
  BOOST_TEST(damaged > 5u);
  BOOST_TEST(least < 8u);
}

BOOST_AUTO_TEST_CASE(one_damaged_block_of_values_costs_the_secrets_in_it_alone) {
  {
    running_store store(*this);
    for (char const* const name : names) {
      static_cast<void>(store.must<core::secret_entry>(
          test::upsert("bot", name, 1, std::string(5'000, name[0]))));
    }
    CHECK(store.finish());
  }
  for (fs::path const& table : files(".sst")) {
    std::string bytes = read_file(table);
    auto const at = bytes.find(std::string(5'000, 'B'));
    if (at == std::string::npos) continue;
    bytes[at + 9] = 'x';
    write_file(table, bytes);
  }
  auto const opens = [](core::value_place const&, std::string_view) { return true; };
  auto const found =
      salvage({folder.store(), share.check, &log, nullptr}, {share.rows, opens}, std::nullopt);
  BOOST_TEST(found.lost_secrets.size() == 1u);
  BOOST_TEST(found.lost_secrets.contains("bot/B"));
  BOOST_TEST(found.faults.size() >= 1u);
  BOOST_TEST(found.secrets == 7u);
}

BOOST_AUTO_TEST_CASE(what_is_whole_and_does_not_open_or_belongs_elsewhere_is_lost_too) {
  begin_with(good);
  {
    auto const raw = open_database();
    auto const copy = [&](family in, char const* from, char const* to) {
      std::string row;
      CHECK(raw->engine().Get({}, raw->in(in), from, &row).ok());
      CHECK(raw->engine().Put({}, raw->in(in), to, row).ok());
    };
    copy(family::values, "bot/B", "bot/A");
    copy(family::secrets, "shop/B", "shop/A");
    copy(family::counters, "bot", "shop");
    copy(family::projects, "bot", "shop");
  }
  auto const found = look(true);
  BOOST_TEST((found.lost_secrets == std::set<std::string>{"bot/A", "shop/A"}));
  BOOST_TEST((found.unnamed_projects == std::set<std::string>{"shop"}));
  BOOST_TEST(left_of(found) == 6u);
}

// A machine that stopped while it started: the log of the time before is there again, as short as
// it was, and nothing in it is needed.
BOOST_AUTO_TEST_CASE(a_log_that_is_in_tables_by_now_is_not_looked_at) {
  begin_with(good);
  fs::path const old_log = only(".log");
  std::string const bytes = read_file(old_log);
  {
    running_store store(*this);
    static_cast<void>(store.must<core::secret_entry>(test::upsert("bot", "NEW", 1)));
    BOOST_TEST(!fs::exists(old_log));
    keep();
  }
  std::string damaged = bytes;
  damaged[bytes.size() / 2] = static_cast<char>(damaged[bytes.size() / 2] ^ 1);
  for (std::string const& old : {bytes.substr(0, bytes.size() - 5), damaged}) {
    begin_with(good);
    write_file(old_log, old);
    auto const opens = [](core::value_place const&, std::string_view) { return true; };
    auto const found =
        salvage({folder.store(), share.check, &log, nullptr}, {share.rows, opens}, std::nullopt);
    BOOST_TEST(!found.is_damaged());
    BOOST_TEST(found.secrets == 9u);
    running_store store(*this);
    BOOST_TEST(test::names(*store.list("bot")) == "A,B,C,D,NEW,");
  }
}

BOOST_AUTO_TEST_CASE(no_number_of_the_lost_part_is_given_out_again) {
  begin_with(good);
  fs::path const log_file = only(".log");
  std::string bytes = read_file(log_file);
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
  write_file(log_file, bytes);
  BOOST_TEST(look(true).is_damaged());
  fs::remove_all(folder.store());
  fs::rename(folder.path() + "/new", folder.store());
  running_store store(*this);
  BOOST_TEST(store.must<core::secret_entry>(test::upsert("bot", "A", 1)).version > 1'000'000u);
}

BOOST_AUTO_TEST_CASE(another_root_key_and_a_damaged_list_of_files_are_refused) {
  begin_with(good);
  share.check[0] ^= 1;
  BOOST_CHECK_THROW(look(), open_failure);
  share.check[0] ^= 1;
  for (auto const& entry : fs::directory_iterator(folder.store())) {
    bool const is_list = entry.path().filename().string().starts_with("MANIFEST");
    if (is_list) fs::resize_file(entry.path(), entry.file_size() - 1);
  }
  BOOST_CHECK_THROW(look(), open_failure);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace tacit::kv
