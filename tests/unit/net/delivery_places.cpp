// Who waits keeps nobody out, and no user takes all the places.
#include "net/delivery_places.hpp"

#include <boost/test/unit_test.hpp>
#include <optional>
#include <vector>

namespace tacit::net {

BOOST_AUTO_TEST_SUITE(places_of_delivery)

BOOST_AUTO_TEST_CASE(a_user_has_so_many_places_and_leaves_those_of_others) {
  delivery_places places({2, 1, 1});
  auto first = places.take_session(7);
  {
    auto second = places.take_session(7);
    BOOST_TEST(static_cast<bool>(second));
    BOOST_TEST(!places.take_session(7));
    BOOST_TEST(static_cast<bool>(places.take_session(8)));
    auto stranger = places.take_stranger();
    BOOST_TEST(static_cast<bool>(stranger));
    BOOST_TEST(!places.take_stranger());
  }
  BOOST_TEST(static_cast<bool>(places.take_session(7)));
  BOOST_TEST(static_cast<bool>(places.take_stranger()));
}

BOOST_AUTO_TEST_CASE(one_who_waits_gives_its_session_place_back_for_good) {
  delivery_places places({1, 2, 1});
  auto first = places.take_session(7);
  BOOST_TEST(first.wait());
  BOOST_TEST(first.wait());  // it has the place already
  auto second = places.take_session(7);
  BOOST_TEST(static_cast<bool>(second));
  BOOST_TEST(second.wait());
  std::optional third(places.take_session(7));
  BOOST_TEST(static_cast<bool>(*third));
  BOOST_TEST(!third->wait());  // none left to wait in: it keeps the one that it has
  BOOST_TEST(!places.take_session(7));
  third.reset();
  BOOST_TEST(static_cast<bool>(places.take_session(7)));
  auto other = places.take_session(8);
  BOOST_TEST(other.wait());
}

BOOST_AUTO_TEST_CASE(a_place_may_outlive_the_places) {
  std::optional<delivery_places> places(std::in_place);
  auto held = places->take_session(7);
  places.reset();
  BOOST_TEST(held.wait());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace tacit::net
