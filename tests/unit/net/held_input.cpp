// What a connection holds of its input, against a text that goes the same way.
#include "net/held_input.hpp"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <random>
#include <string>
namespace tacit::net {
namespace {

BOOST_AUTO_TEST_SUITE(held_inputs)

std::string some_bytes(std::mt19937_64& random) {
  std::string bytes(random() % 40, '\0');
  std::generate(bytes.begin(), bytes.end(),
                [&random] { return static_cast<char>('a' + random() % 26); });
  return bytes;
}

// What came before the held bytes, and was dropped without a move, as far as `dropped` says.
bool is_wiped(held_input const& held, std::size_t dropped) {
  char const* const at = held.view().data();
  return std::all_of(at - dropped, at, [](char c) { return c == '\0'; });
}

BOOST_AUTO_TEST_CASE(holds_what_a_text_would_and_wipes_what_was_dropped) {
  std::mt19937_64 random(1);
  held_input held;
  std::string model;
  for (int step = 0; step < 20'000; ++step) {
    switch (random() % 4) {
      case 0: {
        std::string const more = some_bytes(random);
        held.append(more);
        model += more;
        break;
      }
      case 1: {
        held.reserve(held.view().size() + 1 + random() % 60);
        BOOST_REQUIRE(!held.free_space().empty());
        std::string const more = some_bytes(random).substr(0, held.free_space().size());
        std::copy(more.begin(), more.end(), held.free_space().begin());
        held.grow_by(more.size());
        model += more;
        break;
      }
      default: {
        std::size_t const drop = random() % (model.size() + 1);
        held.consume(drop);
        model.erase(0, drop);
        if (!held.empty()) BOOST_REQUIRE(is_wiped(held, drop));
      }
    }
    BOOST_REQUIRE(held.view() == model);
    BOOST_REQUIRE(held.empty() == model.empty());
  }
}

BOOST_AUTO_TEST_CASE(dropping_from_the_front_moves_nothing) {
  held_input held;
  held.append("first second");
  char const* const second = held.view().data() + 6;
  held.consume(6);
  BOOST_TEST(held.view() == "second");
  BOOST_TEST((held.view().data() == second));  // the place, not what is there
}

BOOST_AUTO_TEST_CASE(room_is_taken_where_bytes_were_dropped_before_more_is_asked_for) {
  held_input held;
  held.append(std::string(100, 'x'));
  char const* const start = held.view().data();
  held.consume(60);
  held.reserve(100);
  BOOST_TEST(held.view() == std::string(40, 'x'));
  BOOST_TEST((held.view().data() == start));
  BOOST_TEST(held.free_space().size() == 60u);
  BOOST_TEST(std::count(held.free_space().begin(), held.free_space().end(), '\0') == 60);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace tacit::net
