#include "app/descriptor_limit.hpp"

#include <sys/resource.h>

#include <boost/test/unit_test.hpp>

#include "core/limits.hpp"

namespace tacit::app {

BOOST_AUTO_TEST_SUITE(descriptor_limits)

BOOST_AUTO_TEST_CASE(where_there_are_enough_there_are_as_many_places_as_are_wanted) {
  BOOST_TEST(places_within(65'536, 10'000, 4) == 10'000u);
  BOOST_TEST(places_within(RLIM_INFINITY, 1'000'000, 1024) == 1'000'000u);
  BOOST_TEST(places_within(10'000 + 128 + 128 + 4, 10'000, 1) == 10'000u);
}

BOOST_AUTO_TEST_CASE(else_the_store_its_threads_and_the_owner_keep_theirs) {
  BOOST_TEST(places_within(10'000 + 128 + 128 + 3, 10'000, 1) == 9'999u);
  BOOST_TEST(places_within(4096, 10'000, 2) == 4096u - 128 - 128 - 8);
  BOOST_TEST(places_within(65'536, 1'000'000, 1024) == 65'536u - 128 - 128 - 4096);
}

BOOST_AUTO_TEST_CASE(however_few_there_are_the_store_keeps_most_and_somebody_is_served) {
  for (std::uint64_t descriptors = 0; descriptors < 400; ++descriptors) {
    auto const places = places_within(descriptors, 10'000, 2);
    BOOST_TEST(places >= 1u);
    BOOST_TEST((places <= 1 || places <= descriptors / 8 || places + 128 + 128 + 8 <= descriptors));
  }
  BOOST_TEST(places_within(200, 10'000, 2) == 25u);
  BOOST_TEST(places_within(200, 7, 2) == 7u);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace tacit::app
