// Projects: their rows, and what deleting one takes along and leaves.
#include <boost/test/unit_test.hpp>

#include "tests/unit/kv/running_store.hpp"

namespace tacit::kv {
namespace {

using core::errc;
using test::running_store;

constexpr char const* neighbours[] = {"A", "a-b", "a0", "a_", "aa", "ab"};

core::create_api_key make_key(std::string_view id, core::project_scope scope) {
  core::api_key_entry entry(*core::api_key_id::parse(id));
  for (unsigned char& byte : entry.hash) byte = static_cast<unsigned char>(id.back());
  entry.permissions = core::permission_set::from_bits(3);
  entry.scope = std::move(scope);
  return {core::test::is_admin(), std::move(entry)};
}

struct running : test::surroundings {
  running_store store{*this};

  core::project_entry make(std::string_view id, std::uint32_t limit = 0) {
    return store.must<core::project_entry>(test::create(id, limit));
  }
  void fill(std::string_view id) {
    for (char const* name : {"X", "Y", "Z"}) {
      static_cast<void>(store.must<core::secret_entry>(test::upsert(id, name, 1)));
    }
  }
  bool erase(std::string_view id) { return store.must<core::removed>(test::erase(id)).existed; }

  std::string scope_of(std::string_view id) {
    for (auto const& key : store->list_api_keys(core::test::is_admin())) {
      if (key.id.text() != id) continue;
      std::string text = key.scope.all ? "*" : "";
      for (auto const& one : key.scope.projects) text.append(one.text()).append(",");
      return text;
    }
    return "no such key";
  }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(projects, running)

BOOST_AUTO_TEST_CASE(a_project_is_shown_as_it_was_made) {
  clock.milliseconds = 2'000'000;
  auto const made = make("bot", 7);
  auto const shown = store.show("bot");
  BOOST_REQUIRE(shown.has_value());
  for (auto const& one : {made, *shown}) {
    BOOST_TEST(one.id.text() == "bot");
    BOOST_TEST(one.name == "name of bot");
    BOOST_TEST(one.secret_limit == 7u);
    BOOST_TEST(one.secret_count == 0u);
    BOOST_TEST(one.created.unix_milliseconds == 2'000'000);
    BOOST_TEST(one.updated.unix_milliseconds == 2'000'000);
  }
  BOOST_TEST((*store->find_project(test::project("bot")) == core::project_state::present));
  BOOST_TEST((*store->find_project(test::project("bo")) == core::project_state::absent));
}

BOOST_AUTO_TEST_CASE(a_taken_id_is_a_conflict_and_changes_nothing) {
  static_cast<void>(make("bot", 7));
  auto const before = store.list("bot")->revision;
  BOOST_TEST(test::is(store.ask(test::create("bot", 9)), errc::conflict));
  BOOST_TEST(store.show("bot")->secret_limit == 7u);
  BOOST_TEST(store.list("bot")->revision == before);
}

BOOST_AUTO_TEST_CASE(deleting_takes_every_row_of_the_project_and_none_of_its_neighbours) {
  static_cast<void>(make("a"));
  fill("a");
  for (char const* id : neighbours) {
    static_cast<void>(make(id));
    fill(id);
  }
  BOOST_TEST(erase("a"));
  BOOST_TEST(test::is(store.list("a"), errc::not_found));
  BOOST_TEST(test::is(store.show("a"), errc::not_found));
  BOOST_TEST(test::is(store->sealed_values(test::project("a")), errc::not_found));
  for (char const* id : neighbours) {
    BOOST_TEST(test::names(*store.list(id)) == "X,Y,Z,");
    BOOST_TEST(store->sealed_values(test::project(id))->records.size() == 3u);
  }
  BOOST_TEST(store.finish());
  std::filesystem::copy(folder.store(), folder.path() + "/copy",
                        std::filesystem::copy_options::recursive);
  auto const raw = database::open(folder.path() + "/copy", share.check, log);
  std::size_t const left = std::size(neighbours);
  BOOST_TEST(test::keys_in(*raw, core::family::projects).size() == left);
  BOOST_TEST(test::keys_in(*raw, core::family::counters).size() == left);
  for (auto const which : {core::family::secrets, core::family::values}) {
    auto const keys = test::keys_in(*raw, which);
    BOOST_TEST(keys.size() == left * 3);
    for (std::string const& key : keys) BOOST_TEST(!key.starts_with("a/"));
  }
}

BOOST_AUTO_TEST_CASE(deleting_what_is_not_there_says_so) {
  BOOST_TEST(!erase("none"));
  static_cast<void>(make("bot"));
  BOOST_TEST(erase("bot"));
  BOOST_TEST(!erase("bot"));
}

BOOST_AUTO_TEST_CASE(a_project_that_was_made_again_is_empty_and_has_a_higher_revision) {
  static_cast<void>(make("bot"));
  fill("bot");
  auto const before = store.list("bot")->revision;
  BOOST_TEST(erase("bot"));
  static_cast<void>(make("bot"));
  auto const again = store.list("bot");
  BOOST_TEST(again->secrets.empty());
  BOOST_TEST(again->revision > before);
  BOOST_TEST(store.show("bot")->secret_count == 0u);
  BOOST_TEST(store.must<core::secret_entry>(test::upsert("bot", "X", 1)).version > again->revision);
}

BOOST_AUTO_TEST_CASE(a_project_that_was_made_again_remembers_no_secret_and_no_limit) {
  static_cast<void>(make("bot", 3));
  fill("bot");
  BOOST_TEST(erase("bot"));
  static_cast<void>(make("bot", 1));
  BOOST_TEST(!store.must<core::removed>(test::remove("bot", "X")).existed);
  clock.milliseconds = 9'000'000;
  auto const again = store.must<core::secret_entry>(test::upsert("bot", "X", 1));
  BOOST_TEST(again.created.unix_milliseconds == 9'000'000);
  BOOST_TEST(test::is(store.ask(test::upsert("bot", "Y", 1)), errc::secret_limit_exceeded));
  BOOST_TEST(erase("bot"));
  BOOST_TEST(test::is(store.ask(test::upsert("bot", "X", 1)), errc::not_found));
  BOOST_TEST(test::is(store.ask(test::remove("bot", "X")), errc::not_found));
}

BOOST_AUTO_TEST_CASE(a_higher_revision_after_a_delete_also_comes_after_a_reopen) {
  static_cast<void>(make("bot"));
  fill("bot");
  auto const before = store.list("bot")->revision;
  BOOST_TEST(erase("bot"));
  BOOST_TEST(store.finish());
  std::filesystem::copy(folder.store(), folder.path() + "/copy",
                        std::filesystem::copy_options::recursive);
  kv::store again(database::open(folder.path() + "/copy", share.check, log),
                  {share.rows, clock, limiter, log}, 25);
  std::jthread const commits([&] { static_cast<void>(again.run_commits()); });
  test::waiting_port port;
  core::change asked(test::create("bot"), port);
  BOOST_TEST(again.submit(asked).has_value());
  port.wait_for(1);
  BOOST_TEST(again.list_secrets(core::test::may_read(test::project("bot")))->revision > before);
  again.close();
}

BOOST_AUTO_TEST_CASE(deleting_takes_the_id_out_of_api_keys_scopes_for_good) {
  for (char const* id : {"a", "a-b", "ab"}) static_cast<void>(make(id));
  auto const scope = [](std::initializer_list<char const*> ids) {
    core::project_scope made;
    for (char const* id : ids) made.projects.push_back(test::project(id));
    return made;
  };
  static_cast<void>(store.must<core::api_key_entry>(make_key("k1", scope({"a", "a-b", "ab"}))));
  static_cast<void>(store.must<core::api_key_entry>(make_key("k2", scope({"a-b"}))));
  static_cast<void>(store.must<core::api_key_entry>(make_key("k3", scope({"a"}))));
  static_cast<void>(store.must<core::api_key_entry>(make_key("k4", {true, {}})));
  auto const before = store->api_key_generation();
  BOOST_TEST(erase("a"));
  BOOST_TEST(store->api_key_generation() != before);
  auto const check = [&] {
    BOOST_TEST(scope_of("k1") == "a-b,ab,");
    BOOST_TEST(scope_of("k2") == "a-b,");
    BOOST_TEST(scope_of("k3") == "");
    BOOST_TEST(scope_of("k4") == "*");
  };
  check();
  static_cast<void>(make("a"));
  check();  // the new project of that id is another
  BOOST_TEST(store.finish());
  std::filesystem::copy(folder.store(), folder.path() + "/copy",
                        std::filesystem::copy_options::recursive);
  kv::store const again(database::open(folder.path() + "/copy", share.check, log),
                        {share.rows, clock, limiter, log}, 25);
  for (auto const& key : again.list_api_keys(core::test::is_admin())) {
    BOOST_TEST(!key.scope.contains(test::project("a")) == !key.scope.all);
  }
}

BOOST_AUTO_TEST_CASE(a_list_of_projects_has_those_of_the_scope_and_no_others) {
  for (char const* id : {"b", "a", "a-b", "c"}) static_cast<void>(make(id));
  fill("b");
  core::test::open_gate door;
  auto const listed = [&](core::project_scope scope) {
    auto const who =
        door.admit(*core::caller::from_api_key(core::test::api_key(1, std::move(scope)), {}));
    auto const permit = core::permit_list(who);
    auto const projects = store->list_projects(*permit);
    std::string text;
    for (auto const& one : *projects) {
      text.append(one.id.text()).append(std::to_string(one.secret_count)).append(",");
    }
    return text;
  };
  BOOST_TEST(listed({true, {}}) == "a0,a-b0,b3,c0,");
  BOOST_TEST(listed({false, {test::project("b"), test::project("gone")}}) == "b3,");
  BOOST_TEST(listed({false, {}}) == "");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace tacit::kv
