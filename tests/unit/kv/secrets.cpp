// What adding, overwriting and removing secrets does to a store.
#include <boost/test/unit_test.hpp>

#include "tests/unit/kv/running_store.hpp"

namespace tacit::kv {
namespace {

using core::errc;
using test::running_store;

struct one_project : test::surroundings {
  running_store store{*this};

  one_project() { static_cast<void>(store.must<core::project_entry>(test::create("bot", 3))); }

  core::secret_entry put(std::string_view name, std::uint64_t record_id = 1) {
    return store.must<core::secret_entry>(test::upsert("bot", name, record_id));
  }
  bool take(std::string_view name) {
    return store.must<core::removed>(test::remove("bot", name)).existed;
  }
  std::uint64_t revision() { return store.list("bot")->revision; }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(secrets, one_project)

BOOST_AUTO_TEST_CASE(an_update_keeps_created_and_moves_updated_and_version) {
  clock.milliseconds = 2'000'000;
  auto const first = put("A");
  clock.milliseconds = 3'000'000;
  auto const second = put("A", 2);
  BOOST_TEST(first.created.unix_milliseconds == 2'000'000);
  BOOST_TEST(first.updated.unix_milliseconds == 2'000'000);
  BOOST_TEST(second.created.unix_milliseconds == 2'000'000);
  BOOST_TEST(second.updated.unix_milliseconds == 3'000'000);
  BOOST_TEST(second.version > first.version);
  BOOST_TEST(store.list("bot")->secrets.size() == 1u);
  BOOST_TEST(revision() == second.version);
}

BOOST_AUTO_TEST_CASE(the_answer_to_a_write_is_what_the_list_says) {
  auto const put_entry = put("A");
  auto const list = store.list("bot");
  BOOST_REQUIRE(list->secrets.size() == 1u);
  auto const& listed = list->secrets[0];
  BOOST_CHECK(listed.name == put_entry.name);
  BOOST_TEST(listed.version == put_entry.version);
  BOOST_CHECK(listed.created == put_entry.created);
  BOOST_CHECK(listed.updated == put_entry.updated);
  BOOST_CHECK(listed.last_four.reveal() == put_entry.last_four.reveal());
  BOOST_CHECK(listed.last_four.reveal() == "aB3x");
}

BOOST_AUTO_TEST_CASE(updates_never_count_against_the_cap) {
  for (char const* name : {"A", "B", "C"}) static_cast<void>(put(name));
  for (int i = 0; i < 5; ++i) static_cast<void>(put("B"));
  BOOST_TEST(test::is(store.ask(test::upsert("bot", "D", 1)), errc::secret_limit_exceeded));
  BOOST_TEST(test::names(*store.list("bot")) == "A,B,C,");
  BOOST_TEST(take("A"));
  static_cast<void>(put("D"));
  BOOST_TEST(test::is(store.ask(test::upsert("bot", "A", 1)), errc::secret_limit_exceeded));
  BOOST_TEST(store.show("bot")->secret_count == 3u);
}

BOOST_AUTO_TEST_CASE(a_refused_write_changes_nothing) {
  for (char const* name : {"A", "B", "C"}) static_cast<void>(put(name));
  auto const before = revision();
  auto const updated = store.show("bot")->updated;
  clock.milliseconds = 9'000'000;
  BOOST_TEST(!store.ask(test::upsert("bot", "D", 1)).has_value());
  BOOST_TEST(test::is(store.ask(test::upsert("none", "A", 1)), errc::not_found));
  BOOST_TEST(test::is(store.ask(test::remove("none", "A")), errc::not_found));
  BOOST_TEST(!take("D"));
  BOOST_TEST(revision() == before);
  BOOST_CHECK(store.show("bot")->updated == updated);
  BOOST_TEST(test::is(store.list("none"), errc::not_found));
}

BOOST_AUTO_TEST_CASE(the_limit_of_the_settings_holds_where_the_project_has_none) {
  static_cast<void>(store.must<core::project_entry>(test::create("other")));
  BOOST_TEST(store.show("other")->secret_limit == 25u);
  for (int i = 0; i < 25; ++i) {
    static_cast<void>(store.must<core::secret_entry>(
        test::upsert("other", "K" + std::to_string(i), static_cast<std::uint64_t>(i))));
  }
  BOOST_TEST(test::is(store.ask(test::upsert("other", "K25", 25)), errc::secret_limit_exceeded));
}

BOOST_AUTO_TEST_CASE(a_clock_that_goes_back_moves_no_time_back) {
  clock.milliseconds = 5'000'000;
  static_cast<void>(put("A"));
  clock.milliseconds = 4'000'000;
  BOOST_TEST(put("A", 2).updated.unix_milliseconds == 5'000'000);
  BOOST_TEST(store.show("bot")->updated.unix_milliseconds == 5'000'000);
  static_cast<void>(put("B"));
  BOOST_TEST(store.show("bot")->updated.unix_milliseconds == 5'000'000);
  BOOST_TEST(take("B"));
  BOOST_TEST(store.show("bot")->updated.unix_milliseconds == 5'000'000);
  clock.milliseconds = 5'000'001;
  BOOST_TEST(put("A", 3).updated.unix_milliseconds == 5'000'001);
}

BOOST_AUTO_TEST_CASE(a_secret_that_was_removed_and_made_again_has_a_newer_version) {
  auto const first = put("A");
  BOOST_TEST(take("A"));
  auto const between = revision();
  BOOST_TEST(between > first.version);
  clock.milliseconds = 7'000'000;
  auto const second = put("A");
  BOOST_TEST(second.version > between);
  BOOST_TEST(second.created.unix_milliseconds == 7'000'000);
}

BOOST_AUTO_TEST_CASE(removing_what_is_not_there_says_so_and_removing_twice_too) {
  BOOST_TEST(!take("A"));
  static_cast<void>(put("A"));
  BOOST_TEST(take("A"));
  BOOST_TEST(!take("A"));
  BOOST_TEST(store.show("bot")->secret_count == 0u);
}

BOOST_AUTO_TEST_CASE(a_list_is_sorted_by_name_and_has_no_neighbours_secrets) {
  for (char const* id : {"bo", "bot2", "bot-a", "bot_", "Bot"}) {
    static_cast<void>(store.must<core::project_entry>(test::create(id)));
    static_cast<void>(store.must<core::secret_entry>(test::upsert(id, "X", 1)));
  }
  for (char const* name : {"B_1", "A", "B1"}) static_cast<void>(put(name));
  BOOST_TEST(test::names(*store.list("bot")) == "A,B1,B_1,");
  BOOST_TEST(store->sealed_values(test::project("bot"))->records.size() == 3u);
}

BOOST_AUTO_TEST_CASE(an_overwritten_or_removed_value_is_in_no_row) {
  static_cast<void>(store.ask(test::upsert("bot", "A", 1, "sealed first")));
  static_cast<void>(store.ask(test::upsert("bot", "A", 2, "sealed second")));
  static_cast<void>(put("B", 3));
  BOOST_TEST(take("B"));
  BOOST_TEST(store.finish());
  // The store still holds the database: look through a second one on a copy.
  std::filesystem::copy(folder.store(), folder.path() + "/copy",
                        std::filesystem::copy_options::recursive);
  auto const raw = database::open(folder.path() + "/copy", share.check, log);
  auto const values = test::keys_in(*raw, core::family::values);
  BOOST_REQUIRE(values.size() == 1u);
  BOOST_TEST(values[0] == "bot/A");
  std::string value;
  BOOST_REQUIRE(raw->engine().Get({}, raw->in(core::family::values), values[0], &value).ok());
  BOOST_TEST(value == "sealed second");
  BOOST_TEST(test::keys_in(*raw, core::family::secrets).size() == 1u);
}

BOOST_AUTO_TEST_CASE(sealed_values_are_what_was_written_last) {
  static_cast<void>(store.must<core::secret_entry>(test::upsert("bot", "B", 7, "old")));
  auto const b =
      store.must<core::secret_entry>(test::upsert("bot", "B", 8, std::string("\0\xFF new", 6)));
  static_cast<void>(store.must<core::secret_entry>(test::upsert("bot", "A", 9, "")));
  auto const sealed = store->sealed_values(test::project("bot"));
  BOOST_REQUIRE(sealed.has_value());
  BOOST_TEST(sealed->revision == revision());
  BOOST_REQUIRE(sealed->records.size() == 2u);
  BOOST_TEST(sealed->records[0].name.text() == "A");
  BOOST_TEST(sealed->records[0].record_id == 9u);
  BOOST_TEST(sealed->records[0].sealed.empty());
  BOOST_TEST(sealed->records[1].name.text() == "B");
  BOOST_TEST(sealed->records[1].record_id == 8u);
  BOOST_TEST(sealed->records[1].version == b.version);
  BOOST_CHECK(sealed->records[1].sealed == std::string("\0\xFF new", 6));
  BOOST_TEST(test::is(store->sealed_values(test::project("none")), errc::not_found));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace tacit::kv
