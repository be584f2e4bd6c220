// A cached set opens for its key, project and server only, whole, and at an age that is allowed.
#include "core/cached_delivery.hpp"

#include <boost/test/unit_test.hpp>
#include <limits>

#include "core/back_off.hpp"
#include "core/limits.hpp"

namespace tacit::core {
namespace {

cache_key key_of(unsigned char first, std::string_view machine_id) {
  cache_secret secret;
  secret.reveal_mutable()[0] = first;
  return derive_cache_key(secret, machine_id);
}

constexpr cache_place here{"shop", "keeper.sock\n/run/tacit/keeper.sock"};

BOOST_AUTO_TEST_SUITE(cached_deliveries, *boost::unit_test::fixture(&init_crypto))

BOOST_AUTO_TEST_CASE(what_was_sealed_opens_with_its_time) {
  for (std::string const& body :
       {std::string(), std::string("{\"data\":{}}"), std::string(100'000, 'x')}) {
    std::string const sealed = seal_cached(key_of(1, "m"), here, 1'700'000'000'123, body);
    BOOST_TEST(sealed.size() == body.size() + cached_overhead_bytes);
    auto const opened = open_cached(key_of(1, "m"), here, sealed);
    BOOST_TEST_REQUIRE(opened.has_value());
    BOOST_TEST(opened->delivered_unix_milliseconds == 1'700'000'000'123);
    BOOST_TEST(opened->body.reveal() == body);
  }
}

BOOST_AUTO_TEST_CASE(every_flipped_bit_and_every_cut_is_seen) {
  std::string const sealed = seal_cached(key_of(1, "m"), here, 7, "a body");
  for (std::size_t i = 0; i < sealed.size() * 8; ++i) {
    std::string changed = sealed;
    changed[i / 8] = static_cast<char>(changed[i / 8] ^ 1 << i % 8);
    BOOST_TEST(!open_cached(key_of(1, "m"), here, changed).has_value(), "bit " << i);
  }
  for (std::size_t size = 0; size < sealed.size(); ++size) {
    BOOST_TEST(!open_cached(key_of(1, "m"), here, sealed.substr(0, size)).has_value(), size);
  }
  BOOST_TEST(!open_cached(key_of(1, "m"), here, sealed + '\0').has_value());
}

BOOST_AUTO_TEST_CASE(it_opens_at_its_own_place_only) {
  std::string const sealed = seal_cached(key_of(1, "m"), here, 7, "a body");
  BOOST_TEST(open_cached(key_of(1, "m"), here, sealed).has_value());
  BOOST_TEST(!open_cached(key_of(2, "m"), here, sealed).has_value());
  BOOST_TEST(!open_cached(key_of(1, "n"), here, sealed).has_value());
  BOOST_TEST(!open_cached(key_of(1, ""), here, sealed).has_value());
  BOOST_TEST(!open_cached(key_of(1, "m"), {"shop2", here.origin}, sealed).has_value());
  BOOST_TEST(!open_cached(key_of(1, "m"), {"shop", "keeper.sock\n/run/x"}, sealed).has_value());
}

BOOST_AUTO_TEST_CASE(two_of_the_same_set_are_not_alike) {
  BOOST_TEST(seal_cached(key_of(1, ""), here, 7, "b") != seal_cached(key_of(1, ""), here, 7, "b"));
}

BOOST_AUTO_TEST_CASE(an_age_is_judged_at_both_ends) {
  constexpr std::int64_t now = 1'700'000'000'000, hour = 3'600'000;
  constexpr auto skew = static_cast<std::int64_t>(limits::cache_skew_milliseconds_max);
  auto const judged = [](std::int64_t delivered) { return judge_cached({delivered, now, hour}); };
  BOOST_TEST((judged(now) == cache_verdict::usable));
  BOOST_TEST((judged(now - hour) == cache_verdict::usable));
  BOOST_TEST((judged(now - hour - 1) == cache_verdict::too_old));
  BOOST_TEST((judged(now + skew) == cache_verdict::usable));
  BOOST_TEST((judged(now + skew + 1) == cache_verdict::from_the_future));
  BOOST_TEST((judged(std::numeric_limits<std::int64_t>::max()) == cache_verdict::from_the_future));
  BOOST_TEST((judged(std::numeric_limits<std::int64_t>::min()) == cache_verdict::too_old));
  BOOST_TEST((judge_cached({now, now, 0}) == cache_verdict::usable));
}

BOOST_AUTO_TEST_CASE(the_delay_doubles_to_its_most_and_is_spread) {
  struct row {
    unsigned failures;
    std::int64_t least, most;
  };
  for (row const& one : {row{1, 50, 100}, row{2, 100, 200}, row{5, 800, 1600}, row{6, 1000, 2000},
                         row{7, 1000, 2000}, row{4'000'000'000u, 1000, 2000}}) {
    BOOST_TEST(back_off_delay(one.failures, 0).count() == one.least);
    auto const spread = static_cast<std::uint32_t>(one.most - one.least);
    BOOST_TEST(back_off_delay(one.failures, spread).count() == one.most);
    BOOST_TEST(back_off_delay(one.failures, spread + 1).count() == one.least);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace tacit::core
