// What a core keeps of lists and projects, above a store whose generations are in the test's hand:
// nothing is shown once it may be old.
#include "net/project_cache.hpp"

#include <boost/test/unit_test.hpp>
#include <functional>
#include <map>
#include <string>

#include "tests/unit/core/samples.hpp"
#include "tests/unit/net/false_store.hpp"

namespace tacit::net {
namespace {

using core::errc;
using core::project_id;
using core::project_state;

struct watched_store final : test::false_store {
  struct project {
    std::uint64_t generation = 0;
    std::uint64_t revision = 0;
    std::size_t secrets = 0;
  };
  std::map<std::string, project, std::less<>> projects;
  std::uint64_t set_generation = 0;
  bool fails = false;
  std::function<void()> during_a_read = [] {};
  mutable unsigned searched = 0;
  mutable unsigned read = 0;

  core::result<project_state> find_project(project_id const& id) const override {
    ++searched;
    if (fails) return errc::unavailable;
    bool const there = projects.contains(id.text());
    during_a_read();
    return there ? project_state::present : project_state::absent;
  }
  core::result<core::secret_list> list_secrets(core::read_permit const& permit) const override {
    ++read;
    if (fails) return errc::unavailable;
    auto const& [id, found] = *projects.find(permit.project().text());
    core::secret_list list{found.revision, {}};
    for (std::size_t i = 0; i < found.secrets; ++i) {
      list.secrets.push_back({core::test::secret(id + "_" + std::to_string(i)), 1, {}, {}, {}});
    }
    during_a_read();
    return list;
  }
  std::uint64_t project_set_generation() const noexcept override { return set_generation; }
  std::uint64_t project_generation(project_id const& id) const noexcept override {
    return projects.at(std::string(id.text())).generation;
  }
};

struct one_cache {
  watched_store store;
  project_cache cache{store, 20'000};

  one_cache() {
    store.projects["A"] = {2, 10, 1};
    store.projects["B"] = {4, 20, 2};
  }
  static project_id id(std::string_view text) { return core::test::project(text); }

  bool is_kept(std::string_view of) { return cache.list(id(of)) != nullptr; }
  // The revision that is shown, and how many of the project's own secrets; kept or read anew.
  std::string show(std::string_view of) {
    rendered_list const* list = cache.list(id(of));
    if (list == nullptr) {
      auto const rendered = cache.render(core::test::may_read(id(of)));
      if (!rendered) return "unavailable";
      list = *rendered;
    }
    std::string const own = "\"" + std::string(of) + "_";
    std::size_t count = 0;
    for (auto at = list->body.find(own); at != std::string::npos; at = list->body.find(own, at + 1))
      ++count;
    BOOST_TEST(list->body.starts_with(R"({"data":{"secrets":[)"));
    BOOST_TEST(list->body.ends_with("]}}"));
    BOOST_TEST(count ==
               static_cast<std::size_t>(std::count(list->body.begin(), list->body.end(), '{') - 2));
    return std::to_string(list->revision) + ": " + std::to_string(count);
  }
  void change(std::string const& of, std::uint64_t generations = 2) {
    auto& one = store.projects[of];
    one.generation += generations;
    ++one.revision;
    ++one.secrets;
  }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(project_caches, one_cache)

BOOST_AUTO_TEST_CASE(a_list_is_read_anew_only_when_its_own_project_has_changed) {
  for (int round = 0; round < 3; ++round) {
    BOOST_TEST(show("A") == "10: 1");
    BOOST_TEST(show("B") == "20: 2");
  }
  BOOST_TEST(store.read == 2u);
  change("A");
  BOOST_TEST(!is_kept("A"));
  BOOST_TEST(show("B") == "20: 2");
  BOOST_TEST(store.read == 2u);
  for (int round = 0; round < 3; ++round) BOOST_TEST(show("A") == "11: 2");
  BOOST_TEST(store.read == 3u);
}

BOOST_AUTO_TEST_CASE(what_is_read_while_a_change_is_written_is_shown_once) {
  change("A", 1);
  BOOST_TEST(show("A") == "11: 2");
  BOOST_TEST(!is_kept("A"));
  BOOST_TEST(show("A") == "11: 2");
  BOOST_TEST(store.read == 2u);
  ++store.projects["A"].generation;  // written
  BOOST_TEST(!is_kept("A"));
  BOOST_TEST(show("A") == "11: 2");
  BOOST_TEST(is_kept("A"));
}

BOOST_AUTO_TEST_CASE(a_kept_list_is_not_shown_while_a_change_is_written) {
  BOOST_TEST(show("A") == "10: 1");
  ++store.projects["A"].generation;
  BOOST_TEST(!is_kept("A"));
}

BOOST_AUTO_TEST_CASE(a_change_that_comes_while_a_list_is_read_makes_it_old) {
  store.during_a_read = [this] { change("A"); };
  BOOST_TEST(show("A") == "10: 1");
  store.during_a_read = [] {};
  BOOST_TEST(!is_kept("A"));
  BOOST_TEST(show("A") == "11: 2");
}

BOOST_AUTO_TEST_CASE(a_list_that_cannot_be_read_is_not_kept) {
  BOOST_TEST(show("A") == "10: 1");
  change("A");
  store.fails = true;
  BOOST_TEST(show("A") == "unavailable");
  store.fails = false;
  BOOST_TEST(!is_kept("A"));
  BOOST_TEST(show("A") == "11: 2");
}

BOOST_AUTO_TEST_CASE(those_asked_for_least_recently_are_dropped_first_and_the_last_one_never) {
  for (auto const* const id : {"C", "D", "E"}) store.projects[id] = {2, 30, 50};  // 5 to 6 KB each
  for (auto const* const id : {"C", "D", "E"}) BOOST_TEST(show(id) == "30: 50");
  BOOST_TEST((is_kept("D") && is_kept("E") && is_kept("C")));  // and D is the oldest now
  store.projects["F"] = {2, 40, 50};
  BOOST_TEST(show("F") == "40: 50");
  BOOST_TEST(!is_kept("D"));
  BOOST_TEST((is_kept("C") && is_kept("E") && is_kept("F")));
  for (int times = 0; times < 100; ++times) {  // what was replaced takes no room
    change("C");
    static_cast<void>(show("C"));
    store.projects["C"].secrets = 49;
  }
  BOOST_TEST((is_kept("C") && is_kept("E") && is_kept("F")));
  store.projects["G"] = {2, 50, 1000};
  BOOST_TEST(show("G") == "50: 1000");
  BOOST_TEST(is_kept("G"));
  BOOST_TEST((!is_kept("C") && !is_kept("E") && !is_kept("F")));
}

BOOST_AUTO_TEST_CASE(a_project_is_looked_up_again_only_when_one_was_made_or_deleted) {
  for (int round = 0; round < 3; ++round) {
    BOOST_TEST((cache.find(id("A")) == project_state::present));
    BOOST_TEST((cache.find(id("B")) == project_state::present));
  }
  BOOST_TEST(store.searched == 2u);
  store.projects.erase("A");
  store.set_generation += 2;
  BOOST_TEST((cache.find(id("A")) == project_state::absent));
  BOOST_TEST((cache.find(id("B")) == project_state::present));
  BOOST_TEST(store.searched == 4u);
}

BOOST_AUTO_TEST_CASE(what_is_not_there_or_cannot_be_read_is_looked_up_each_time) {
  for (int round = 0; round < 2; ++round) {
    BOOST_TEST((cache.find(id("C")) == project_state::absent));
  }
  store.fails = true;
  for (int round = 0; round < 2; ++round) {
    BOOST_TEST(core::test::is(cache.find(id("A")), errc::unavailable));
  }
  store.fails = false;
  BOOST_TEST((cache.find(id("A")) == project_state::present));
  BOOST_TEST(store.searched == 5u);
}

BOOST_AUTO_TEST_CASE(nothing_is_known_of_projects_while_the_set_changes) {
  BOOST_TEST((cache.find(id("A")) == project_state::present));
  store.set_generation = 1;
  for (int round = 0; round < 2; ++round) {
    BOOST_TEST((cache.find(id("A")) == project_state::present));
  }
  store.projects.erase("A");
  BOOST_TEST((cache.find(id("A")) == project_state::absent));
  BOOST_TEST(store.searched == 4u);
}

BOOST_AUTO_TEST_CASE(a_project_that_is_deleted_while_it_is_looked_up_is_not_remembered) {
  store.during_a_read = [this] {
    store.projects.erase("A");
    store.set_generation += 2;
  };
  BOOST_TEST((cache.find(id("A")) == project_state::present));
  store.during_a_read = [] {};
  BOOST_TEST((cache.find(id("A")) == project_state::absent));
}

BOOST_AUTO_TEST_CASE(so_many_projects_are_remembered_and_no_more) {
  constexpr unsigned remembered_max = 8192;
  for (unsigned i = 0; i <= remembered_max; ++i) {
    std::string const text = "P" + std::to_string(i);
    store.projects[text] = {};
    BOOST_REQUIRE((cache.find(id(text)) == project_state::present));
  }
  store.searched = 0;
  BOOST_TEST((cache.find(id("P0")) == project_state::present));
  BOOST_TEST(store.searched == 1u);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace tacit::net
