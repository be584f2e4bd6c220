#include "core/timestamp.hpp"

#include <boost/test/unit_test.hpp>
#include <cstdio>
#include <ctime>

#include "tests/unit/core/samples.hpp"

namespace tacit::core {
namespace {

std::string format(std::int64_t milliseconds) {
  auto const text = format_timestamp({milliseconds});
  return {text.data(), text.size()};
}

struct known_time {
  std::string_view text;
  std::int64_t milliseconds;
};

// Made with Python's datetime, and by hand where that has no year.
constexpr known_time canonical[] = {
    {"1970-01-01T00:00:00.000Z", 0},
    {"1970-01-01T00:00:00.001Z", 1},
    {"1969-12-31T23:59:59.999Z", -1},
    {"2026-04-18T09:12:44.000Z", 1'776'503'564'000},
    {"2026-04-21T15:03:10.123Z", 1'776'783'790'123},
    {"2000-02-29T12:00:00.000Z", 951'825'600'000},
    {"2024-02-29T23:59:59.999Z", 1'709'251'199'999},
    {"1900-02-28T00:00:00.000Z", -2'203'977'600'000},
    {"2100-03-01T00:00:00.000Z", 4'107'542'400'000},
    {"2038-01-19T03:14:08.000Z", 2'147'483'648'000},
    {"0000-01-01T00:00:00.000Z", -62'167'219'200'000},
    {"0001-01-01T00:00:00.000Z", -62'135'596'800'000},
    {"9999-12-31T23:59:59.999Z", 253'402'300'799'999},
};

constexpr known_time accepted[] = {
    {"1970-01-02", 86'400'000},
    {"2024-02-29", 1'709'164'800'000},
    {"1970-01-01T00:00:00Z", 0},
    {"1970-01-01t00:00:00z", 0},
    {"1970-01-01 00:00:00Z", 0},
    {"1970-01-01T00:00:00.1Z", 100},
    {"1970-01-01T00:00:00.12Z", 120},
    {"1970-01-01T00:00:00.1239999999999999999999Z", 123},
    {"1970-01-01T00:00:00.000000001Z", 0},
    {"1970-01-01T02:00:00+02:00", 0},
    {"1969-12-31T22:30:00-01:30", 0},
    {"1970-01-01T00:00:00+00:00", 0},
    {"1970-01-01T00:00:00-00:00", 0},
    {"1970-01-01T23:59:59+23:59", 59'000},
    {"1970-01-01T00:00:00-23:59", 86'340'000},
    {"1970-01-01T00:00:00.5+00:01", -59'500},
};

constexpr std::string_view refused[] = {
    "",
    "1970",
    "1970-01",
    "1970-1-01",
    "1970-01-1",
    "70-01-01",
    "+1970-01-01",
    "-1970-01-01",
    "01970-01-01",
    "1970/01/01",
    "1970-00-01",
    "1970-13-01",
    "1970-01-00",
    "1970-01-32",
    "1970-04-31",
    "1970-02-29",
    "1900-02-29",
    "2100-02-29",
    "2023-02-29",
    "2024-02-30",
    "1970-01-01T",
    "1970-01-01Z",
    "1970-01-01X00:00:00Z",
    "1970-01-01T00:00",
    "1970-01-01T00:00Z",
    "1970-01-01T00:00:00",
    "1970-01-01T24:00:00Z",
    "1970-01-01T00:60:00Z",
    "1970-01-01T00:00:60Z",
    "1970-06-30T23:59:60Z",
    "1970-01-01T0:00:00Z",
    "1970-01-01T00:0:00Z",
    "1970-01-01T00:00:0Z",
    "1970-01-01T00:00:00.Z",
    "1970-01-01T00:00:00,5Z",
    "1970-01-01T00:00:00.5",
    "1970-01-01T00:00:00ZZ",
    "1970-01-01T00:00:00Z ",
    " 1970-01-01T00:00:00Z",
    "1970-01-01T00:00:00+24:00",
    "1970-01-01T00:00:00+00:60",
    "1970-01-01T00:00:00+0000",
    "1970-01-01T00:00:00+00",
    "1970-01-01T00:00:00+",
    "1970-01-01T00:00:00+00:00Z",
    "1970-01-01T00:00:0\xD9\xA0Z",
    "1970-01-01T-1:00:00Z",
    "now",
};

}  // namespace

BOOST_AUTO_TEST_SUITE(timestamps)

BOOST_AUTO_TEST_CASE(the_canonical_text_is_written_and_read) {
  for (known_time const& one : canonical) {
    BOOST_TEST(format(one.milliseconds) == one.text);
    auto const parsed = parse_timestamp(one.text);
    BOOST_REQUIRE(parsed.has_value());
    BOOST_TEST(parsed->unix_milliseconds == one.milliseconds);
  }
}

BOOST_AUTO_TEST_CASE(other_texts_of_rfc_3339_are_read) {
  for (known_time const& one : accepted) {
    auto const parsed = parse_timestamp(one.text);
    BOOST_TEST_CONTEXT(one.text) {
      BOOST_REQUIRE(parsed.has_value());
      BOOST_TEST(parsed->unix_milliseconds == one.milliseconds);
    }
  }
}

BOOST_AUTO_TEST_CASE(what_is_no_time_is_refused) {
  for (std::string_view const text : refused) {
    BOOST_TEST_CONTEXT(text) { BOOST_TEST(test::is(parse_timestamp(text), errc::validation)); }
  }
}

BOOST_AUTO_TEST_CASE(every_prefix_but_the_date_and_every_changed_separator_is_refused) {
  constexpr std::string_view whole = "2026-04-18T09:12:44.000Z";
  for (std::size_t bytes = 0; bytes < whole.size(); ++bytes) {
    BOOST_TEST(parse_timestamp(whole.substr(0, bytes)).has_value() == (bytes == 10));
  }
  for (std::size_t const at : {4u, 7u, 10u, 13u, 16u, 19u, 23u}) {
    for (unsigned c = 0; c < 256; ++c) {
      std::string changed(whole);
      changed[at] = static_cast<char>(c);
      bool const good =
          changed == whole || (at == 10 && (c == 't' || c == ' ')) || (at == 23 && c == 'z');
      BOOST_TEST(parse_timestamp(changed).has_value() == good);
    }
  }
}

BOOST_AUTO_TEST_CASE(a_time_beyond_the_range_is_written_as_the_nearest_end) {
  BOOST_TEST(format(253'402'300'800'000) == "9999-12-31T23:59:59.999Z");
  BOOST_TEST(format(std::numeric_limits<std::int64_t>::max()) == "9999-12-31T23:59:59.999Z");
  BOOST_TEST(format(-62'167'219'200'001) == "0000-01-01T00:00:00.000Z");
  BOOST_TEST(format(std::numeric_limits<std::int64_t>::min()) == "0000-01-01T00:00:00.000Z");
}

BOOST_AUTO_TEST_CASE(every_day_of_four_centuries_is_written_as_the_c_library_does) {
  for (std::int64_t day = -25'567; day < 146'097 - 25'567; ++day) {
    std::time_t const seconds = day * 86'400 + 86'399;
    std::tm parts{};
    BOOST_REQUIRE(gmtime_r(&seconds, &parts) != nullptr);
    char expected[40];
    BOOST_REQUIRE(std::strftime(expected, sizeof expected, "%Y-%m-%dT%H:%M:%S.007Z", &parts) > 0);
    BOOST_REQUIRE(format(seconds * 1000 + 7) == expected);
    BOOST_REQUIRE(parse_timestamp(std::string_view(expected, 10))->unix_milliseconds ==
                  day * 86'400'000);
  }
}

BOOST_AUTO_TEST_CASE(a_written_time_is_read_as_the_same_one) {
  std::mt19937_64 random(5);
  std::uniform_int_distribution<std::int64_t> any(-62'167'219'200'000, 253'402'300'799'999);
  for (int i = 0; i < 20'000; ++i) {
    std::int64_t const milliseconds = any(random);
    auto const parsed = parse_timestamp(format(milliseconds));
    BOOST_REQUIRE(parsed.has_value());
    BOOST_REQUIRE(parsed->unix_milliseconds == milliseconds);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace tacit::core
