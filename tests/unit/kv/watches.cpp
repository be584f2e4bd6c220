// Who waits for a project hears of each change once, and of no other project's.
#include <poll.h>

#include <boost/test/unit_test.hpp>

#include "tests/unit/kv/running_store.hpp"

namespace tacit::kv {
namespace {

using test::running_store;
using test::surroundings;

bool is_readable(store const& of) {
  pollfd one{of.changed_descriptor(), POLLIN, 0};
  return ::poll(&one, 1, 0) == 1;
}

std::vector<core::project_id> waited(store& of) {
  pollfd one{of.changed_descriptor(), POLLIN, 0};
  return ::poll(&one, 1, 10'000) == 1 ? of.take_changed() : std::vector<core::project_id>{};
}

struct watched : surroundings {
  running_store running{*this};
  watched() {
    for (std::string_view const id : {"bot", "shop"}) {
      static_cast<void>(running.must<core::project_entry>(test::create(id)));
    }
  }
  std::uint64_t revision_of(std::string_view id) {
    return running->sealed_values(test::project(id))->revision;
  }
  void write(std::string_view id) {
    static_cast<void>(running.must<core::secret_entry>(test::upsert(id, "K", 7)));
  }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(watches_of_projects, watched)

BOOST_AUTO_TEST_CASE(a_change_is_told_once) {
  running->watch(test::project("bot"), revision_of("bot"));
  BOOST_TEST(!is_readable(*running));
  write("bot");
  auto const changed = waited(*running);
  BOOST_REQUIRE(changed.size() == 1u);
  BOOST_TEST(changed.front().text() == "bot");
  write("bot");
  BOOST_TEST(!is_readable(*running));
  BOOST_TEST(running->take_changed().empty());
}

BOOST_AUTO_TEST_CASE(what_nobody_watches_is_not_told) {
  running->watch(test::project("bot"), revision_of("bot"));
  write("shop");
  BOOST_TEST(!is_readable(*running));
}

BOOST_AUTO_TEST_CASE(a_change_before_the_watch_is_told_at_once) {
  std::uint64_t const before = revision_of("bot");
  write("bot");
  running->watch(test::project("bot"), before);
  BOOST_TEST(is_readable(*running));
  BOOST_TEST(running->take_changed().size() == 1u);
}

BOOST_AUTO_TEST_CASE(a_removal_and_the_end_of_a_project_are_changes) {
  write("bot");
  running->watch(test::project("bot"), revision_of("bot"));
  static_cast<void>(running.must<core::removed>(test::remove("bot", "K")));
  BOOST_TEST(waited(*running).size() == 1u);
  running->watch(test::project("bot"), revision_of("bot"));
  static_cast<void>(running.must<core::removed>(test::erase("bot")));
  BOOST_TEST(waited(*running).size() == 1u);
  running->watch(test::project("bot"), 1);  // gone
  BOOST_TEST(waited(*running).size() == 1u);
}

BOOST_AUTO_TEST_CASE(what_changes_nothing_is_not_told) {
  running->watch(test::project("bot"), revision_of("bot"));
  static_cast<void>(running.must<core::removed>(test::remove("bot", "NONE")));
  BOOST_TEST(!is_readable(*running));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace tacit::kv
