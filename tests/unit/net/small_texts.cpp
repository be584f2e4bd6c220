// Small texts that are read or written by hand: entity tags, dates, control groups.
#include <boost/test/unit_test.hpp>
#include <ctime>

#include "net/answer.hpp"
#include "net/if_none_match.hpp"
#include "net/peer_credentials.hpp"

namespace tacit::net {
namespace {

struct tag_case {
  std::string_view field;
  bool names_42;
};

constexpr tag_case tags[] = {
    {"\"42\"", true},
    {"*", true},
    {" \t\"42\" \t", true},
    {"W/\"42\"", true},
    {"\"1\", \"42\"", true},
    {"\"42\",\"1\"", true},
    {",, \"42\",", true},
    {"\"1\",W/\"42\"", true},
    {"\"1\", *", true},
    {"", false},
    {",", false},
    {"42", false},
    {"\"42", false},
    {"42\"", false},
    {"\"4\"", false},
    {"\"421\"", false},
    {"\"042\"", false},
    {"\" 42\"", false},
    {"w/\"42\"", false},
    {"W/ \"42\"", false},
    {"W/W/\"42\"", false},
    {"\"42\" \"1\"", false},
    {"\"42\"x", false},
    {"**", false},
};

struct date_case {
  std::int64_t milliseconds;
  std::string_view text;
};

constexpr date_case dates[] = {
    {784'111'777'000, "Sun, 06 Nov 1994 08:49:37 GMT"},
    {784'111'777'999, "Sun, 06 Nov 1994 08:49:37 GMT"},
    {0, "Thu, 01 Jan 1970 00:00:00 GMT"},
    {-1, "Wed, 31 Dec 1969 23:59:59 GMT"},
    {951'782'400'000, "Tue, 29 Feb 2000 00:00:00 GMT"},
    {253'402'300'799'000, "Fri, 31 Dec 9999 23:59:59 GMT"},
};

struct unit_case {
  std::string_view cgroup;
  std::string_view unit;
};

constexpr unit_case units[] = {
    {"0::/system.slice/bot.service\n", "bot.service"},
    {"0::/system.slice/bot.service", "bot.service"},
    {"0::/bot.service\n", "bot.service"},
    {"0::/system.slice/system-bot.slice/bot@1.service\n", "bot@1.service"},
    {"0::/init.scope\n", "init.scope"},
    {"0::/machine.slice/docker-abc.scope\n", "docker-abc.scope"},
    {"12:pids:/other.service\n1:name=systemd:/x.service\n0::/system.slice/bot.service\n",
     "bot.service"},
    {"0::/system.slice/bot.service\n1:name=systemd:/x.service\n", "bot.service"},
    // What lies below a unit is the unit's own to name.
    {"0::/system.slice/bot.service/worker\n", "bot.service"},
    {"0::/system.slice/web.service/bot.service\n", "web.service"},
    {"0::/user.slice/user-1000.slice/user@1000.service/app.slice/bot.service\n",
     "user@1000.service"},
    {"0::/user.slice/user-1000.slice/session-3.scope\n", "session-3.scope"},
    {"0::/system.slice/x/bot.service\n", ""},
    // Nothing that is a unit.
    {"", ""},
    {"0::/\n", ""},
    {"0::\n", ""},
    {"0::/system.slice\n", ""},
    {"0::/system.slice/\n", ""},
    {"0::/system.slice/bot.socket\n", ""},
    {"0::/docker/abc\n", ""},
    {"0::bot.service\n", ""},
    {"10::/system.slice/bot.service\n", ""},
    {"1:name=systemd:/system.slice/bot.service\n", ""},
    {"1:cpu:/a\n1:0::/system.slice/bot.service\n", ""},
    {"0::/a\n/bot.service\n", ""},
};

}  // namespace

BOOST_AUTO_TEST_SUITE(small_texts)

BOOST_AUTO_TEST_CASE(a_field_names_a_version_by_its_whole_tag_only) {
  for (tag_case const& one : tags) {
    BOOST_TEST_CONTEXT(one.field) { BOOST_TEST(names_version(one.field, 42) == one.names_42); }
  }
  BOOST_TEST(names_version("\"18446744073709551615\"", ~std::uint64_t{0}));
  BOOST_TEST(names_version("\"0\"", 0));
}

BOOST_AUTO_TEST_CASE(a_date_is_written_as_http_asks) {
  for (date_case const& one : dates) {
    BOOST_TEST(format_http_date({one.milliseconds}) == one.text);
  }
}

BOOST_AUTO_TEST_CASE(every_day_and_hour_of_eight_years_is_written_as_the_c_library_does) {
  for (std::time_t seconds = 1'700'000'000; seconds < 1'950'000'000; seconds += 43'211) {
    std::tm parts{};
    BOOST_REQUIRE(gmtime_r(&seconds, &parts) != nullptr);
    char expected[40];
    BOOST_REQUIRE(std::strftime(expected, sizeof expected, "%a, %d %b %Y %H:%M:%S GMT", &parts) >
                  0);
    BOOST_REQUIRE(format_http_date({seconds * 1000}) == expected);
  }
}

BOOST_AUTO_TEST_CASE(a_unit_is_the_first_part_below_the_slices_and_no_name_made_below_it) {
  for (unit_case const& one : units) {
    BOOST_TEST_CONTEXT(one.cgroup) { BOOST_TEST(unit_of_cgroup(one.cgroup) == one.unit); }
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace tacit::net
