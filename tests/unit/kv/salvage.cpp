// What a damaged store has lost, by name, and what is left of it: that, and nothing else, is right.
#include "kv/salvage.hpp"

#include <boost/test/unit_test.hpp>

#include "tests/unit/kv/killed_store.hpp"

namespace tacit::kv {
namespace {

namespace fs = std::filesystem;
using core::family;
using test::killed_store;
using test::read_file;
using test::running_store;
using test::write_file;

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
  for (std::size_t at = 0; at < whole.size(); at += at < 60 ? 1 : 97) {
    begin_with(good);
    std::string changed = whole;
    changed[at] = static_cast<char>(changed[at] ^ 0x21);
    write_file(folder.store() + "/" + name, changed);
    std::size_t served = 0;
    try {
      running_store store(*this);
      for (char const* const id : ids) {
        auto const list = store.list(id);
        served += list ? list->secrets.size() : 0;
      }
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
  BOOST_TEST(refused > 80u);
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
    for (fs::path const& one : files(".log")) {
      if (fs::file_size(one) > 0) in_store.insert(one.filename());  // one of the last start is not
    }
    auto const logs = scan_logs(folder.store(), {in_store}, [](std::string_view) {});
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
  use_new();
  running_store store(*this);
  BOOST_TEST(store.must<core::secret_entry>(test::upsert("bot", "A", 1)).version > 1'000'000u);
}

BOOST_AUTO_TEST_CASE(a_damaged_mark_is_lost_and_the_new_store_has_one) {
  for (std::size_t const bytes : {0u, 20u, 45u}) {
    begin_with(good);
    write_file(folder.store() + "/STORE", std::string(bytes, 'x'));
    BOOST_CHECK_THROW(open_database(), open_failure);
    auto const found = look(true);
    BOOST_TEST(found.is_damaged());
    BOOST_TEST(found.lost_mark);
    BOOST_TEST(left_of(found) == 8u);
  }
}

BOOST_AUTO_TEST_CASE(another_root_key_and_a_damaged_list_of_files_are_refused) {
  auto const refused_as_final = [](open_failure const& why) {
    return std::string_view(why.what()).find("tacit recover") == std::string_view::npos;
  };
  begin_with(good);
  share.check[0] ^= 1;
  BOOST_CHECK_THROW(look(), open_failure);
  share.check[0] ^= 1;
  for (auto const& entry : fs::directory_iterator(folder.store())) {
    bool const is_list = entry.path().filename().string().starts_with("MANIFEST");
    if (is_list) fs::resize_file(entry.path(), entry.file_size() - 1);
  }
  BOOST_CHECK_EXCEPTION(look(), open_failure, refused_as_final);
  fs::remove(folder.store() + "/STORE");  // which knows how long the list was
  for (auto const& entry : fs::directory_iterator(folder.store())) {
    bool const is_list = entry.path().filename().string().starts_with("MANIFEST");
    if (is_list) write_file(entry.path(), "no list of files");
  }
  BOOST_CHECK_EXCEPTION(look(), open_failure, refused_as_final);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace tacit::kv
