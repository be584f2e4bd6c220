#include "app/descriptor_limit.hpp"

#include <sys/resource.h>

#include <algorithm>
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

BOOST_AUTO_TEST_CASE(no_uid_and_no_strangers_take_the_keepers_last) {
  net::delivery_places::limits const all;
  for (std::uint64_t descriptors = 0; descriptors < 40'000; ++descriptors) {
    auto const most = peers_within(descriptors);
    BOOST_REQUIRE(std::min({most.waiting_per_uid, most.sessions_per_uid, most.strangers}) >= 1u);
    std::size_t const taken = most.waiting_per_uid + most.sessions_per_uid + most.strangers;
    BOOST_REQUIRE((descriptors < 12 || taken <= descriptors / 4 * 3 + 3));
  }
  for (std::uint64_t const enough : {std::uint64_t{16'384}, std::uint64_t{RLIM_INFINITY}}) {
    BOOST_TEST(peers_within(enough).waiting_per_uid == all.waiting_per_uid);
    BOOST_TEST(peers_within(enough).sessions_per_uid == all.sessions_per_uid);
    BOOST_TEST(peers_within(enough).strangers == all.strangers);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace tacit::app
