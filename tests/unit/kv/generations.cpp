// Numbers that change with the projects, those that share one among them.
#include "kv/generations.hpp"

#include <boost/test/unit_test.hpp>

#include "tests/unit/core/samples.hpp"

namespace tacit::kv {

BOOST_AUTO_TEST_SUITE(generation_numbers)

// Two projects of one group, whose number is the same one.
BOOST_AUTO_TEST_CASE(a_number_that_two_projects_share_is_odd_while_both_are_written) {
  generations numbers;
  auto const first = core::test::project("first");
  generations::pending one;
  one.note(first);
  numbers.begin(one);
  std::string id;
  for (unsigned i = 0; id.empty() || numbers.of(core::test::project(id)) == 0; ++i) {
    id = "p" + std::to_string(i);
  }
  numbers.end(one);
  BOOST_TEST(numbers.of(first) == 2u);

  generations::pending both;
  both.note(first);
  both.note(core::test::project(id));
  numbers.begin(both);
  BOOST_TEST(numbers.of(first) == 3u);
  BOOST_TEST(numbers.of_set() == 0u);
  numbers.end(both);
  BOOST_TEST(numbers.of(first) == 4u);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace tacit::kv
