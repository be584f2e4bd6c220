// Opening a store: what is there again, and what is refused before anything is changed.
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <boost/test/unit_test.hpp>
#include <fstream>
#include <map>

#include "core/wire.hpp"
#include "kv/store_mark.hpp"
#include "tests/unit/kv/running_store.hpp"

namespace tacit::kv {
namespace {

using test::running_store;
using test::surroundings;

struct crypto_ready {
  crypto_ready() { core::init_crypto(); }
};

// Why it is refused; "" when it opens.
std::string refusal(std::string const& folder, core::key_check const& check) {
  test::quiet_log log;
  try {
    database::open(folder, check, log);
    return "";
  } catch (open_failure const& failure) {
    return failure.what();
  }
}

bool says(std::string const& line, std::string_view part) {
  return line.find(part) != std::string::npos;
}

void put_meta(surroundings& around, std::string_view key, std::string_view row) {
  auto const raw = around.open_database();
  BOOST_REQUIRE(
      raw->engine().Put({}, raw->in(core::family::meta), as_slice(key), as_slice(row)).ok());
}

void erase_meta(surroundings& around, std::string_view key) {
  auto const raw = around.open_database();
  BOOST_REQUIRE(raw->engine().Delete({}, raw->in(core::family::meta), as_slice(key)).ok());
}

// Every file and what is in it.
std::map<std::string, std::string> picture(std::string const& folder) {
  std::map<std::string, std::string> files;
  for (auto const& entry : std::filesystem::directory_iterator(folder)) {
    std::ifstream file(entry.path(), std::ios::binary);
    files[entry.path().filename()] = {std::istreambuf_iterator<char>(file), {}};
  }
  return files;
}

std::string format_row(std::uint32_t number) {
  std::string row;
  core::wire_writer(row).number(number);
  return row;
}

}  // namespace

BOOST_TEST_GLOBAL_FIXTURE(crypto_ready);

BOOST_FIXTURE_TEST_SUITE(opening, surroundings)

BOOST_AUTO_TEST_CASE(a_store_that_was_closed_opens_with_all_that_was_written) {
  {
    running_store store(*this);
    static_cast<void>(store.must<core::project_entry>(test::create("bot", 3)));
    static_cast<void>(store.must<core::secret_entry>(test::upsert("bot", "B", 2, "second")));
    static_cast<void>(store.must<core::secret_entry>(test::upsert("bot", "A", 1, "first")));
    BOOST_TEST(store.finish());
  }
  clock.milliseconds = 5'000'000;
  running_store store(*this);
  auto const list = store.list("bot");
  BOOST_REQUIRE(list.has_value());
  BOOST_TEST(test::names(*list) == "A,B,");
  BOOST_CHECK(list->secrets[0].last_four.reveal() == "aB3x");
  auto const shown = store.show("bot");
  BOOST_REQUIRE(shown.has_value());
  BOOST_TEST(shown->name == "name of bot");
  BOOST_TEST(shown->secret_limit == 3u);
  BOOST_TEST(shown->secret_count == 2u);
  BOOST_TEST(shown->created.unix_milliseconds == 1'000'000);
  auto const sealed = store->sealed_values(test::project("bot"));
  BOOST_REQUIRE(sealed.has_value());
  BOOST_TEST(sealed->records.size() == 2u);
  BOOST_CHECK(sealed->records[0].sealed == "first");
  BOOST_CHECK(sealed->records[1].sealed == "second");
}

BOOST_AUTO_TEST_CASE(numbers_go_on_where_they_ended_after_a_reopen) {
  std::uint64_t version = 0;
  {
    running_store store(*this);
    static_cast<void>(store.must<core::project_entry>(test::create("bot")));
    version = store.must<core::secret_entry>(test::upsert("bot", "A", 1)).version;
  }
  running_store store(*this);
  BOOST_TEST(store.must<core::secret_entry>(test::upsert("bot", "A", 2)).version == version + 1);
}

BOOST_AUTO_TEST_CASE(a_store_exists_once_it_was_opened) {
  BOOST_TEST(!store_exists(folder.store()));
  BOOST_TEST(!store_exists(folder.path()));
  static_cast<void>(open_database());
  BOOST_TEST(store_exists(folder.store()));
  std::filesystem::remove(folder.store() + "/CURRENT");  // damaged, and not a new one
  BOOST_TEST(store_exists(folder.store()));
  std::filesystem::remove(folder.store() + "/STORE");
  BOOST_TEST(!store_exists(folder.store()));
}

BOOST_AUTO_TEST_CASE(another_root_key_is_refused_and_the_right_one_still_opens_it) {
  static_cast<void>(open_database());
  core::key_check wrong = share.check;
  wrong[15] ^= 1u;
  BOOST_TEST(says(refusal(folder.store(), wrong), "root key"));
  BOOST_TEST(refusal(folder.store(), share.check) == "");
  BOOST_TEST(says(refusal(folder.store(), wrong), "root key"));
}

BOOST_AUTO_TEST_CASE(a_newer_format_is_refused_by_its_number) {
  static_cast<void>(open_database());
  put_meta(*this, "format", format_row(store_format + 1));
  BOOST_TEST(says(refusal(folder.store(), share.check), "format 3"));
}

BOOST_AUTO_TEST_CASE(an_older_format_is_refused_by_its_number) {
  static_cast<void>(open_database());
  put_meta(*this, "format", format_row(store_format - 1));
  BOOST_TEST(says(refusal(folder.store(), share.check), "format 1"));
}

BOOST_AUTO_TEST_CASE(an_older_format_in_the_mark_is_refused_by_its_number) {
  static_cast<void>(open_database());
  BOOST_REQUIRE(write_store_mark(folder.store(), {1, share.check, true, {}}).has_value());
  BOOST_TEST(says(refusal(folder.store(), share.check), "format 1"));
}

BOOST_AUTO_TEST_CASE(a_newer_format_in_the_mark_is_told_before_a_wrong_key) {
  static_cast<void>(open_database());
  BOOST_REQUIRE(write_store_mark(folder.store(), {7, share.check, true, {}}).has_value());
  BOOST_TEST(says(refusal(folder.store(), {}), "format 7"));
  BOOST_TEST(says(refusal(folder.store(), share.check), "format 7"));
}

BOOST_AUTO_TEST_CASE(a_start_that_is_refused_changes_no_file) {
  static_cast<void>(open_database());
  auto const check_unchanged = [&](core::key_check const& check) {
    auto const before = picture(folder.store());
    BOOST_TEST(refusal(folder.store(), check) != "");
    BOOST_CHECK(picture(folder.store()) == before);
  };
  check_unchanged({});
  BOOST_REQUIRE(
      write_store_mark(folder.store(), {store_format + 1, share.check, true, {}}).has_value());
  check_unchanged(share.check);
  std::filesystem::resize_file(folder.store() + "/STORE", 5);
  check_unchanged(share.check);
}

BOOST_AUTO_TEST_CASE(a_store_that_was_made_is_never_made_again_from_nothing) {
  static_cast<void>(open_database());
  for (auto const& entry : std::filesystem::directory_iterator(folder.store())) {
    if (entry.path().filename() != "STORE") std::filesystem::remove(entry.path());
  }
  BOOST_TEST(refusal(folder.store(), share.check) != "");
}

BOOST_AUTO_TEST_CASE(a_first_start_that_was_cut_off_is_taken_up_again) {
  BOOST_REQUIRE(
      write_store_mark(folder.store(), {store_format, share.check, false, {}}).has_value());
  BOOST_TEST(says(refusal(folder.store(), {}), "root key"));
  BOOST_TEST(refusal(folder.store(), share.check) == "");
  BOOST_TEST((*read_store_mark(folder.store()))->made);
  BOOST_TEST(refusal(folder.store(), share.check) == "");
}

BOOST_AUTO_TEST_CASE(a_mark_is_read_as_it_was_written_and_no_cut_or_other_one_is) {
  std::string const path = folder.store() + "/STORE";
  BOOST_TEST(!read_store_mark(folder.store())->has_value());
  for (bool const made : {false, true}) {
    list_of_files const floor{made ? 1'000'000'007u : 0u, 70'000};
    BOOST_REQUIRE(write_store_mark(folder.store(), {1, share.check, made, floor}).has_value());
    auto const mark = read_store_mark(folder.store());
    BOOST_REQUIRE((mark && *mark));
    BOOST_TEST((*mark)->format == 1u);
    BOOST_CHECK((*mark)->check == share.check);
    BOOST_TEST((*mark)->made == made);
    BOOST_CHECK((*mark)->floor == floor);
  }
  std::ifstream file(path, std::ios::binary);
  std::string const whole{std::istreambuf_iterator<char>(file), {}};
  auto const is_corrupt = [&](std::string const& bytes) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
    return test::is(read_store_mark(folder.store()), core::errc::corrupt);
  };
  BOOST_TEST(!is_corrupt(whole));
  for (std::size_t bytes = 0; bytes < whole.size(); ++bytes) {
    // Without a floor it is one of before there was any.
    BOOST_TEST(is_corrupt(whole.substr(0, bytes)) == (bytes != whole.size() - 16));
  }
  BOOST_TEST(is_corrupt(whole + 'x'));
  BOOST_TEST(is_corrupt(whole + std::string(100, 'x')));
  std::string other = whole;
  other[0] = 'T';
  BOOST_TEST(is_corrupt(other));
  other = whole;
  other[other.size() - 17] = 2;
  BOOST_TEST(is_corrupt(other));
  other = whole;
  other[8] = 0;  // its format, which is 1
  BOOST_TEST(is_corrupt(other));
  other = whole.substr(0, 8) + std::string("\3\0\0\0", 4) + "as a later tacit will have it";
  BOOST_TEST(!is_corrupt(other));
  BOOST_TEST((*read_store_mark(folder.store()))->format == 3u);
}

BOOST_AUTO_TEST_CASE(a_damaged_format_is_refused) {
  for (std::string const& row : {format_row(0), std::string(), std::string("\1"),
                                 format_row(1) + '\0', std::string(3, '\1')}) {
    surroundings around;
    static_cast<void>(around.open_database());
    put_meta(around, "format", row);
    BOOST_TEST(says(refusal(around.folder.store(), around.share.check), "damaged"));
  }
}

BOOST_AUTO_TEST_CASE(a_store_of_before_deliveries_opens_and_gets_the_family) {
  auto const families = [&] {
    std::vector<std::string> names;
    BOOST_TEST(rocksdb::DB::ListColumnFamilies({}, folder.store(), &names).ok());
    return names.size();
  };
  {
    running_store store(*this);
    static_cast<void>(store.must<core::project_entry>(test::create("bot", 3)));
  }
  BOOST_TEST(families() == 8u);
  {
    auto const raw = open_database();
    BOOST_TEST(raw->engine().DropColumnFamily(raw->in(core::family::deliveries)).ok());
  }
  BOOST_TEST(families() == 7u);
  running_store store(*this);
  BOOST_TEST(families() == 8u);
  BOOST_TEST(store.show("bot")->secret_limit == 3u);
  BOOST_TEST(store->list_deliveries(core::test::may_read(test::project("bot"))).has_value());
}

BOOST_AUTO_TEST_CASE(a_store_that_lacks_any_other_family_is_refused) {
  for (auto const which : {core::family::projects, core::family::secrets, core::family::values,
                           core::family::counters, core::family::api_keys, core::family::meta}) {
    std::string const lacking =
        folder.path() + "/without" + std::to_string(static_cast<int>(which));
    {
      auto const raw = database::open(lacking, share.check, log);
      BOOST_TEST(raw->engine().DropColumnFamily(raw->in(which)).ok());
    }
    BOOST_TEST(refusal(lacking, share.check) != "");
  }
}

BOOST_AUTO_TEST_CASE(a_list_of_files_behind_the_floor_of_the_mark_is_refused) {
  static_cast<void>(open_database());
  auto const with_floor = [&](list_of_files const& floor) {
    BOOST_REQUIRE(
        write_store_mark(folder.store(), {store_format, share.check, true, floor}).has_value());
    return refusal(folder.store(), share.check);
  };
  auto now = *find_list_of_files(folder.store());
  BOOST_TEST(says(with_floor({now.number + 1, 0}), "an older one than it had"));
  BOOST_TEST(says(with_floor({now.number, now.bytes + 1}), "an older one than it had"));
  BOOST_TEST(with_floor(now) == "");
  now = *find_list_of_files(folder.store());
  BOOST_TEST(with_floor({now.number - 1, now.bytes + 1000}) == "");
}

// One of before there were marks, or one that has lost it.
BOOST_AUTO_TEST_CASE(a_store_without_its_mark_is_looked_at_before_anything_is_changed) {
  static_cast<void>(open_database());
  std::filesystem::remove(folder.store() + "/STORE");
  auto const before = picture(folder.store());
  BOOST_TEST(says(refusal(folder.store(), {}), "root key"));
  BOOST_CHECK(picture(folder.store()) == before);
  BOOST_TEST(refusal(folder.store(), share.check) == "");
  BOOST_TEST((*read_store_mark(folder.store()))->made);
}

BOOST_AUTO_TEST_CASE(a_mark_that_is_no_file_of_its_own_is_not_read) {
  static_cast<void>(open_database());
  std::string const mark = folder.store() + "/STORE";
  std::filesystem::rename(mark, folder.path() + "/mark");
  std::filesystem::create_symlink(folder.path() + "/mark", mark);
  BOOST_TEST(test::is(read_store_mark(folder.store()), core::errc::unavailable));
  BOOST_TEST(refusal(folder.store(), share.check) != "");
  std::filesystem::remove(mark);
  std::filesystem::create_directory(mark);
  BOOST_TEST(test::is(read_store_mark(folder.store()), core::errc::unavailable));
  BOOST_TEST(refusal(folder.store(), share.check) != "");
}

BOOST_AUTO_TEST_CASE(a_mark_that_cannot_be_written_stops_the_first_start_and_any_other) {
  std::string const in_the_way = folder.store() + "/STORE.new";
  for (bool const is_first : {true, false}) {
    std::filesystem::create_directory(in_the_way);
    BOOST_TEST(says(refusal(folder.store(), share.check), "cannot write the file STORE"));
    if (is_first) BOOST_TEST(!store_exists(folder.store()));
    std::filesystem::remove(in_the_way);
    BOOST_TEST(refusal(folder.store(), share.check) == "");
  }
}

// Needs root: /dev/full by another name lies in the new mark's place.
BOOST_AUTO_TEST_CASE(a_mark_without_room_stops_the_end_of_a_first_start_and_no_other) {
  BOOST_REQUIRE(
      write_store_mark(folder.store(), {store_format, share.check, false, {}}).has_value());
  std::string const full = folder.store() + "/STORE.new";
  auto const fill = [&] {
    bool const made = ::mknod(full.c_str(), S_IFCHR | 0600, makedev(1, 7)) == 0;
    return made && std::ofstream(full).is_open();  // and devices are devices here
  };
  if (!fill()) return;
  BOOST_TEST(says(refusal(folder.store(), share.check), "make room"));
  BOOST_TEST(!(*read_store_mark(folder.store()))->made);
  std::filesystem::remove(full);
  BOOST_TEST(refusal(folder.store(), share.check) == "");

  auto const floor = [&] { return (*read_store_mark(folder.store()))->floor; };
  auto const before = floor();
  fill();
  auto const opened = open_database();
  BOOST_CHECK(floor() == before);
  std::filesystem::remove(full);
  opened->raise_floor();
  BOOST_CHECK(floor() > before);
}

BOOST_AUTO_TEST_CASE(a_store_without_one_of_its_first_rows_is_refused) {
  for (std::string_view const row : {"check", "format"}) {
    surroundings around;
    static_cast<void>(around.open_database());
    erase_meta(around, row);
    BOOST_TEST(refusal(around.folder.store(), around.share.check) != "");
  }
}

BOOST_AUTO_TEST_CASE(a_store_in_use_is_refused_and_says_so) {
  auto const first = open_database();
  BOOST_TEST(says(refusal(folder.store(), share.check), "in use"));
}

BOOST_AUTO_TEST_CASE(a_fault_of_the_disk_is_not_blamed_on_another_process) {
  std::string const blocks = folder.path() + "/blocks";  // "lock" is part of the name
  std::filesystem::create_directories(blocks + "/CURRENT");
  BOOST_TEST(refusal(blocks, share.check) != "");
  BOOST_TEST(!says(refusal(blocks, share.check), "in use"));
}

BOOST_AUTO_TEST_CASE(rows_of_another_root_key_are_refused_whatever_the_mark_says) {
  static_cast<void>(open_database());
  put_meta(*this, "check", std::string(share.check.size(), 'c'));
  BOOST_TEST(says(refusal(folder.store(), share.check), "root key"));
  // Not as if it was made now, either: that would write the rows.
  BOOST_REQUIRE(
      write_store_mark(folder.store(), {store_format, share.check, false, {}}).has_value());
  for (int again = 0; again < 2; ++again) {
    BOOST_TEST(says(refusal(folder.store(), share.check), "root key"));
  }
}

BOOST_AUTO_TEST_CASE(a_damaged_sequence_or_api_key_stops_the_start) {
  static_cast<void>(open_database());
  auto const starts = [&] {
    try {
      running_store store(*this);
      return true;
    } catch (open_failure const& refused) {
      BOOST_TEST(says(refused.what(), "tacit recover"));
      return false;
    }
  };
  BOOST_TEST(starts());
  std::string const row = core::encode_sequence(share.rows, {core::family::meta, "sequence"}, 9);
  put_meta(*this, "sequence", row);
  BOOST_TEST(starts());
  for (std::string const& damaged : {row.substr(1), row + 'x', std::string(row.size(), '\1')}) {
    put_meta(*this, "sequence", damaged);
    BOOST_TEST(!starts());
  }
  put_meta(*this, "sequence", row);
  {
    auto const raw = open_database();
    BOOST_REQUIRE(
        raw->engine().Put({}, raw->in(core::family::api_keys), "key-1", "no such row").ok());
  }
  BOOST_TEST(!starts());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace tacit::kv
