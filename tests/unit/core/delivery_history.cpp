// What an api process that goes back is caught at, and what honest ones may do.
#include "core/delivery_history.hpp"

#include <boost/test/unit_test.hpp>

#include "tests/unit/core/samples.hpp"

namespace tacit::core {
namespace {

project_id const bot = test::project("bot");
project_id const shop = test::project("shop");

}  // namespace

BOOST_AUTO_TEST_SUITE(histories_of_delivery)

BOOST_AUTO_TEST_CASE(a_set_may_be_delivered_again_and_followed_by_a_newer_one) {
  delivery_history history;
  BOOST_TEST(history.accepts(bot, 5, {1, 2}));
  BOOST_TEST(history.accepts(bot, 5, {2, 1}));
  BOOST_TEST(history.accepts(bot, 9, {1, 3}));
  BOOST_TEST(history.accepts(bot, 10, {}));
  BOOST_TEST(history.accepts(bot, 11, {4}));
}

BOOST_AUTO_TEST_CASE(a_lower_revision_is_refused) {
  delivery_history history;
  BOOST_TEST(history.accepts(bot, 5, {1}));
  BOOST_TEST(!history.accepts(bot, 4, {1}));
  BOOST_TEST(!history.accepts(bot, 0, {}));
  BOOST_TEST(history.accepts(bot, 5, {1}));
}

BOOST_AUTO_TEST_CASE(other_records_under_the_same_revision_are_refused) {
  delivery_history history;
  BOOST_TEST(history.accepts(bot, 5, {1, 2}));
  BOOST_TEST(!history.accepts(bot, 5, {1}));
  BOOST_TEST(!history.accepts(bot, 5, {}));
  BOOST_TEST(!history.accepts(bot, 5, {1, 3}));
  BOOST_TEST(!history.accepts(bot, 5, {1, 2, 3}));
}

BOOST_AUTO_TEST_CASE(a_replaced_or_removed_record_never_comes_back_under_a_new_revision) {
  delivery_history history;
  BOOST_TEST(history.accepts(bot, 5, {1, 2}));
  BOOST_TEST(history.accepts(bot, 6, {3, 2}));  // 1 was replaced
  BOOST_TEST(history.accepts(bot, 7, {3}));     // 2 was removed
  BOOST_TEST(!history.accepts(bot, 8, {1}));
  BOOST_TEST(!history.accepts(bot, 8, {3, 2}));
  BOOST_TEST(!history.accepts(shop, 8, {2}));
  BOOST_TEST(history.accepts(bot, 8, {3, 4}));
}

BOOST_AUTO_TEST_CASE(a_refused_set_changes_nothing_that_is_remembered) {
  delivery_history history;
  BOOST_TEST(history.accepts(bot, 5, {1}));
  BOOST_TEST(history.accepts(bot, 6, {2}));
  BOOST_TEST(!history.accepts(bot, 9, {1, 7}));
  BOOST_TEST(history.accepts(bot, 6, {2}));
  BOOST_TEST(history.accepts(bot, 7, {2, 7}));
}

BOOST_AUTO_TEST_CASE(projects_are_remembered_apart) {
  delivery_history history;
  BOOST_TEST(history.accepts(bot, 9, {1}));
  BOOST_TEST(history.accepts(shop, 5, {2}));
  BOOST_TEST(!history.accepts(shop, 4, {2}));
}

BOOST_AUTO_TEST_CASE(what_is_remembered_is_bounded_and_the_oldest_is_forgotten_first) {
  delivery_history history({4, 2});
  BOOST_TEST(history.accepts(bot, 1, {1, 2, 3}));  // with the project: 4
  BOOST_TEST(history.accepts(shop, 9, {8}));       // no room: not remembered
  BOOST_TEST(history.accepts(shop, 1, {8}));
  BOOST_TEST(history.accepts(bot, 2, {}));  // of 1, 2, 3 two stay known as replaced
  BOOST_TEST(history.accepts(bot, 3, {1}));
  BOOST_TEST(!history.accepts(bot, 4, {2}));
  BOOST_TEST(!history.accepts(bot, 4, {3}));
  BOOST_TEST(history.accepts(bot, 5, {11, 12, 13, 14}));  // too many: the project is forgotten
  BOOST_TEST(history.accepts(bot, 4, {15}));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace tacit::core
