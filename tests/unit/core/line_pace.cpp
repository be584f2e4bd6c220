// How many lines a flood makes, and that none of what it did is lost.
#include "core/line_pace.hpp"

#include <boost/test/unit_test.hpp>

namespace tacit::core {

BOOST_AUTO_TEST_SUITE(line_paces)

BOOST_AUTO_TEST_CASE(the_first_is_said_at_once_and_the_rest_once_a_second_as_a_count) {
  line_pace pace;
  BOOST_TEST(!pace.busy());
  BOOST_TEST(pace.note(1000, 5000));
  BOOST_TEST(!pace.note(1000, 5000));
  BOOST_TEST(!pace.note(1000, 5999));
  BOOST_TEST(pace.due(5999).empty());
  auto const first = pace.due(6000);
  BOOST_REQUIRE(first.size() == 1u);
  BOOST_TEST(first[0].subject == 1000);
  BOOST_TEST(first[0].count == 2u);
  BOOST_TEST(!pace.note(1000, 6001));
  BOOST_TEST(pace.due(6999).empty());
  auto const second = pace.due(7000);
  BOOST_REQUIRE(second.size() == 1u);
  BOOST_TEST(second[0].count == 1u);
  BOOST_TEST(pace.busy());
  BOOST_TEST(pace.due(8000).empty());
  BOOST_TEST(!pace.busy());
  BOOST_TEST(pace.note(1000, 8001));
}

BOOST_AUTO_TEST_CASE(one_subject_does_not_silence_another) {
  line_pace pace;
  BOOST_TEST(pace.note(1, 0));
  BOOST_TEST(!pace.note(1, 0));
  BOOST_TEST(pace.note(2, 0));
  auto const due = pace.due(1000);
  BOOST_REQUIRE(due.size() == 1u);
  BOOST_TEST(due[0].subject == 1);
}

BOOST_AUTO_TEST_CASE(however_many_subjects_there_are_the_lines_and_the_memory_are_few) {
  line_pace pace;
  std::uint64_t said = 0;
  constexpr std::int64_t many = 10'000;
  for (std::int64_t uid = 0; uid < many; ++uid) said += pace.note(uid, 0) ? 1u : 0u;
  BOOST_TEST(said == line_pace::subjects_max + 1);
  auto const due = pace.due(1000);
  BOOST_REQUIRE(due.size() == 1u);
  BOOST_TEST(due[0].subject == line_pace::others);
  BOOST_TEST(due[0].count == many - said);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace tacit::core
