// What a store holds beside its secrets, through `recover`; and numbers, which never go back.
#include <boost/test/unit_test.hpp>

#include "kv/store_mark.hpp"
#include "tests/unit/kv/killed_store.hpp"

namespace tacit::kv {
namespace {

namespace fs = std::filesystem;
using core::family;
using test::killed_store;
using test::read_file;
using test::running_store;
using test::write_file;

constexpr char const* key_id = "key";

core::create_api_key make_key() {
  core::api_key_entry entry(*core::api_key_id::parse(key_id));
  entry.permissions = core::permission_set::from_bits(3);
  return {core::test::is_admin(), std::move(entry)};
}
core::upsert_secret again() { return test::upsert("bot", "A", 1, test::value_of("bot", "A")); }
core::receipt receipt_of_bot() {
  return {test::project("bot"),
          core::consumer::process(1, "web.service", "box"),
          core::timestamp{5},
          core::delivery_extent::whole,
          {}};
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(salvaging_more, killed_store)

// Of a log of many kinds of change the first cannot be read.
BOOST_AUTO_TEST_CASE(changes_of_every_kind_behind_a_damage_are_named) {
  begin_with(good);
  {
    running_store store(*this);
    static_cast<void>(store.must<core::secret_entry>(again()));
    static_cast<void>(store.must<core::project_entry>(test::create("extra")));
    static_cast<void>(store.must<core::api_key_entry>(make_key()));
    static_cast<void>(store.must<core::removed>(test::remove("bot", "B")));
    static_cast<void>(store.must<core::removed>(test::erase("shop")));
    keep();
  }
  begin_with(good);
  fs::path const log_file = only(".log");
  std::string bytes = read_file(log_file);
  bytes[20] = static_cast<char>(bytes[20] ^ 1);
  write_file(log_file, bytes);
  std::set<std::string> const expected{"API key key", "bot/B",  "project extra", "project shop",
                                       "shop/A",      "shop/B", "shop/C",        "shop/D"};
  BOOST_TEST((look().lost_changes == expected));
}

BOOST_AUTO_TEST_CASE(what_lies_beside_secrets_is_kept_when_it_is_whole_and_said_when_it_is_not) {
  begin_with(good);
  {
    running_store store(*this);
    static_cast<void>(store.must<core::api_key_entry>(make_key()));
    store->note_deliveries({receipt_of_bot()});
    store->note_epoch_mark("the keeper's mark");
    CHECK(store.finish());
  }
  keep();
  auto const whole = look(true);
  BOOST_TEST(!whole.is_damaged());
  BOOST_TEST(whole.api_keys == 1u);
  use_new();
  // All of it is in tables: a cut of power may take the logs.
  for (fs::path const& log_file : files(".log")) fs::resize_file(log_file, 0);
  {
    running_store store(*this);
    BOOST_TEST(store->api_keys()->keys.size() == 1u);
    auto const records = store->list_deliveries(core::test::may_read(test::project("bot")));
    BOOST_REQUIRE(records.has_value());
    BOOST_TEST(records->receipts.size() == 1u);
    BOOST_TEST(*store->epoch_mark() == "the keeper's mark");
  }

  std::string const receipt =
      core::receipt_key_of(share.rows, test::project("bot"), receipt_of_bot().to);
  for (auto const& [in, key] : {std::pair<family, std::string>{family::api_keys, key_id},
                                {family::deliveries, receipt},
                                {family::meta, "sequence"},
                                {family::counters, "bot"}}) {
    begin_with(good);
    put(in, key, "no such row");
    auto const found = look(true);
    BOOST_TEST(found.is_damaged());
    BOOST_TEST(found.lost_api_keys.contains(key_id) == (in == family::api_keys));
    BOOST_TEST(found.lost_receipts == (in == family::deliveries ? 1u : 0u));
    BOOST_TEST(found.lost_sequence == (in == family::meta));
    BOOST_TEST(found.recounted.size() == (in == family::counters ? 1u : 0u));
    BOOST_TEST(left_of(found) == 8u);
    running_store store(*this);
    BOOST_TEST(store->api_keys()->keys.size() == found.api_keys);
    BOOST_TEST(store->list_deliveries(core::test::may_read(test::project("bot"))).has_value());
  }

  // What cannot be read is no absence.
  begin_with(good);
  for (fs::path const& table : files(".sst")) {
    std::string bytes = read_file(table);
    auto const at = bytes.find("the keeper's mark");
    if (at != std::string::npos) bytes[at] = 'T';
    write_file(table, bytes);
  }
  auto const found = look();
  BOOST_TEST(found.lost_epoch_mark);
  BOOST_TEST(found.lost_sequence);
}

// A store that was made by `recover` has numbers far ahead of what is in its rows.
BOOST_AUTO_TEST_CASE(numbers_go_on_behind_every_one_that_can_still_be_read) {
  auto const recover_without = [&](std::initializer_list<std::pair<family, char const*>> rows) {
    for (auto const& [in, key] : rows) put(in, key, "no such row");
    auto const found = look(true);
    BOOST_TEST(found.is_damaged());
    if (found.recounted.size() > 1) {
      BOOST_TEST(found.recounted[0].counters.revision != found.recounted[1].counters.revision);
    }
    use_new();
  };
  begin_with(good);
  recover_without({{family::counters, "bot"}, {family::counters, "shop"}});
  std::uint64_t before = 0;
  {
    running_store store(*this);
    static_cast<void>(store.must<core::removed>(test::remove("bot", "A")));
    before = store.list("bot")->revision;
    BOOST_TEST(store.finish());
  }
  recover_without({{family::meta, "sequence"}});  // the counters tell
  {
    running_store store(*this);
    std::uint64_t const next = store.must<core::secret_entry>(again()).version;
    BOOST_TEST(next > before);
    before = next;
    BOOST_TEST(store.finish());
  }
  // The secret tells.
  recover_without({{family::meta, "sequence"}, {family::counters, "bot"}});
  running_store store(*this);
  BOOST_TEST(store.list("bot")->revision > before);
}

BOOST_AUTO_TEST_CASE(numbers_go_on_behind_the_last_one_when_its_row_is_gone) {
  begin_with(good);
  put(family::counters, "bot", "no such row");
  BOOST_TEST(look(true).is_damaged());
  use_new();
  std::uint64_t before = 0;
  {
    running_store store(*this);
    before = store.must<core::secret_entry>(again()).version;
    for (char const* const id : ids) static_cast<void>(store.must<core::removed>(test::erase(id)));
    BOOST_TEST(store.finish());
  }
  put(family::api_keys, key_id, "no such row");
  BOOST_TEST(look(true).is_damaged());
  use_new();
  running_store store(*this);
  static_cast<void>(store.must<core::project_entry>(test::create("bot")));
  BOOST_TEST(store.must<core::secret_entry>(again()).version > before);
}

BOOST_AUTO_TEST_CASE(secrets_without_their_project_are_lost_and_named) {
  begin_with(good);
  {
    auto const raw = open_database();
    for (family const in : {family::projects, family::counters}) {
      CHECK(raw->engine().Delete({}, raw->in(in), "shop").ok());
    }
  }
  auto const found = look(true);
  BOOST_TEST((found.lost_secrets == std::set<std::string>{"shop/A", "shop/B", "shop/C", "shop/D"}));
  BOOST_TEST(found.projects == 1u);
  BOOST_TEST(found.secrets == 4u);
  use_new();
  auto const raw = open_database();
  for (family const in : {family::secrets, family::values}) {
    std::string row;
    BOOST_TEST(raw->engine().Get({}, raw->in(in), "shop/A", &row).IsNotFound());
    BOOST_TEST(raw->engine().Get({}, raw->in(in), "bot/A", &row).ok());
  }
}

BOOST_AUTO_TEST_CASE(a_counter_that_does_not_fit_what_is_there_is_counted_again) {
  begin_with(good);
  {
    auto const raw = open_database();
    for (family const in : {family::secrets, family::values}) {
      CHECK(raw->engine().Delete({}, raw->in(in), "bot/B").ok());
    }
  }
  auto const found = look(true);
  BOOST_TEST(found.is_damaged());
  BOOST_REQUIRE(found.recounted.size() == 1u);
  BOOST_TEST(found.recounted[0].counters.secrets == 3u);
  use_new();
  running_store store(*this);
  BOOST_TEST(store.show("bot")->secret_count == 3u);
}

BOOST_AUTO_TEST_CASE(a_project_that_is_counted_again_was_changed_when_the_rows_say) {
  begin_with(good);
  {
    running_store store(*this);
    clock.milliseconds = 2'000'000;
    static_cast<void>(store.must<core::secret_entry>(again()));
    clock.milliseconds = 3'000'000;
    static_cast<void>(store.must<core::removed>(test::remove("bot", "B")));
    CHECK(store.finish());
  }
  keep();
  auto const change_seen_without = [&](family in, char const* key) {
    begin_with(good);
    put(in, key, "no such row");
    auto const found = look();
    BOOST_REQUIRE(found.recounted.size() == 1u);
    return found.recounted[0].counters.updated.unix_milliseconds;
  };
  BOOST_TEST(change_seen_without(family::counters, "bot") == 2'000'000);
  BOOST_TEST(change_seen_without(family::values, "bot/C") == 3'000'000);
}

BOOST_AUTO_TEST_CASE(what_a_start_refuses_by_the_mark_is_not_read_either) {
  auto const refuses = [&](store_mark const& mark) {
    begin_with(good);
    BOOST_REQUIRE(write_store_mark(folder.store(), mark).has_value());
    try {
      static_cast<void>(look());
      return false;
    } catch (open_failure const&) {
      return true;
    }
  };
  begin_with(good);
  store_mark const right = **read_store_mark(folder.store());
  BOOST_TEST(!refuses(right));
  store_mark other = right;
  ++other.format;
  BOOST_TEST(refuses(other));
  other = right;
  other.check[3] ^= 1;
  BOOST_TEST(refuses(other));
  other = right;
  ++other.floor.number;
  BOOST_TEST(refuses(other));
  // Without a mark the rows say which key it is.
  begin_with(good);
  fs::remove(folder.store() + "/STORE");
  BOOST_CHECK_NO_THROW(look());
  share.check[3] ^= 1;
  BOOST_CHECK_THROW(look(), open_failure);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace tacit::kv
