#include "bench/choice.hpp"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <functional>

using tacit::bench::project_choice;
using tacit::bench::random_source;

namespace {

constexpr std::uint32_t projects = 50;
constexpr int draws = 400'000;

std::vector<int> draw(project_choice const& choice) {
  random_source random(7);
  std::vector<int> counts(projects);
  for (int i = 0; i < draws; ++i) ++counts[choice.choose(random)];
  return counts;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(bench_choice)

BOOST_AUTO_TEST_CASE(uniform_gives_each_project_its_share) {
  for (int const count : draw(project_choice::uniform(projects))) {
    BOOST_TEST(std::abs(count - draws / int{projects}) < draws / int{projects} / 10);
  }
}

BOOST_AUTO_TEST_CASE(zipf_gives_the_kth_project_one_kth) {
  std::vector<int> counts = draw(project_choice::zipf(projects, 1));
  std::sort(counts.begin(), counts.end(), std::greater<>());
  double sum = 0;
  for (std::uint32_t i = 1; i <= projects; ++i) sum += 1.0 / i;
  for (std::uint32_t i = 0; i < projects; ++i) {
    double const wanted = draws / sum / (i + 1);
    BOOST_TEST(std::abs(counts[i] - wanted) < wanted * 0.1);
  }
}

BOOST_AUTO_TEST_CASE(zipf_with_exponent_zero_is_uniform_and_one_project_is_always_chosen) {
  for (int const count : draw(project_choice::zipf(projects, 0))) {
    BOOST_TEST(std::abs(count - draws / int{projects}) < draws / int{projects} / 10);
  }
  random_source random(1);
  BOOST_TEST(project_choice::zipf(1, 1).choose(random) == 0u);
}

BOOST_AUTO_TEST_CASE(the_same_seed_gives_the_same_numbers) {
  random_source a(5);
  random_source b(5);
  random_source c(6);
  BOOST_TEST(a.next() == b.next());
  BOOST_TEST(a.next() != c.next());
  for (int i = 0; i < 1000; ++i) {
    double const unit = a.unit();
    BOOST_TEST((unit >= 0 && unit < 1));
    BOOST_TEST(a.below(3) < 3u);
  }
}

BOOST_AUTO_TEST_SUITE_END()
