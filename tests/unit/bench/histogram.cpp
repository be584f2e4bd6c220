#include "bench/histogram.hpp"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>

#include "bench/choice.hpp"

using tacit::bench::histogram;

BOOST_AUTO_TEST_SUITE(bench_histogram)

BOOST_AUTO_TEST_CASE(an_empty_one_is_all_zero) {
  histogram const empty;
  BOOST_TEST(empty.count() == 0u);
  BOOST_TEST(empty.mean() == 0u);
  BOOST_TEST(empty.max() == 0u);
  BOOST_TEST(empty.value_at(0.99) == 0u);
}

BOOST_AUTO_TEST_CASE(every_single_value_is_kept_to_a_thousandth) {
  tacit::bench::random_source random(1);
  for (int i = 0; i < 3000; ++i) {
    std::uint64_t const value = random.next() >> (24 + random.below(40));
    histogram one;
    one.record(value);
    one.record(histogram::value_max);  // so that value_at() is not cut at the largest
    std::uint64_t const kept = one.value_at(0.5);
    BOOST_REQUIRE_GE(kept, value);
    BOOST_REQUIRE_LE(kept - value, value / 1000);
  }
}

BOOST_AUTO_TEST_CASE(percentiles_are_those_of_the_sorted_values) {
  tacit::bench::random_source random(2);
  std::vector<std::uint64_t> values;
  histogram from;
  for (int i = 0; i < 10'001; ++i) {
    values.push_back(std::uint64_t{1} << random.below(36) | random.below(1000));
    from.record(values.back());
  }
  std::sort(values.begin(), values.end());
  for (double const share : {0.0, 0.001, 0.25, 0.5, 0.9, 0.99, 0.999, 0.9999, 1.0}) {
    auto const rank = static_cast<std::size_t>(
        std::max(1.0, std::ceil(share * static_cast<double>(values.size()))));
    std::uint64_t const exact = values[rank - 1];
    BOOST_REQUIRE_GE(from.value_at(share), exact);
    BOOST_REQUIRE_LE(from.value_at(share) - exact, exact / 1000);
  }
  BOOST_TEST(from.max() == values.back());
  BOOST_TEST(from.value_at(1) == values.back());
}

BOOST_AUTO_TEST_CASE(too_large_values_count_as_the_largest) {
  histogram one;
  one.record(~std::uint64_t{0});
  BOOST_TEST(one.max() == histogram::value_max);
  BOOST_TEST(one.value_at(0.5) == histogram::value_max);
}

BOOST_AUTO_TEST_CASE(two_added_are_as_one_that_recorded_all) {
  histogram a;
  histogram b;
  histogram all;
  for (std::uint64_t i = 1; i < 5000; ++i) {
    (i % 3 == 0 ? a : b).record(i * i);
    all.record(i * i);
  }
  a.add(b);
  BOOST_TEST(a.count() == all.count());
  BOOST_TEST(a.mean() == all.mean());
  BOOST_TEST(a.max() == all.max());
  for (double const share : {0.1, 0.5, 0.99}) BOOST_TEST(a.value_at(share) == all.value_at(share));
}

BOOST_AUTO_TEST_SUITE_END()
