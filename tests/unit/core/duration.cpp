#include "core/duration.hpp"

#include <boost/test/unit_test.hpp>

namespace tacit::core {
namespace {

using std::chrono::milliseconds;

BOOST_AUTO_TEST_SUITE(duration)

BOOST_AUTO_TEST_CASE(each_unit_is_read) {
  struct row {
    std::string_view text;
    std::int64_t milliseconds;
  };
  for (row const& one : {row{"0", 0}, row{"0s", 0}, row{"500ms", 500}, row{"2s", 2000},
                         row{"007s", 7000}, row{"90m", 5'400'000}, row{"24h", 86'400'000},
                         row{"7d", 604'800'000}, row{"999999999d", 86'399'999'913'600'000}}) {
    auto const read = parse_duration(one.text);
    BOOST_TEST((read && *read == milliseconds(one.milliseconds)), one.text);
  }
}

BOOST_AUTO_TEST_CASE(what_is_no_duration_is_refused) {
  for (std::string_view const text :
       {"", "1", "00", "s", "-1s", "+1s", "1.5s", "1 s", " 1s", "1s ", "1S", "1sec", "1h30m", "1w",
        "1us", "0x1s", "1000000000ms", "1000000000000000000000s"}) {
    BOOST_TEST(!parse_duration(text).has_value(), text);
  }
}

BOOST_AUTO_TEST_CASE(what_is_written_is_read_back_in_the_largest_unit) {
  struct row {
    std::int64_t milliseconds;
    std::string_view text;
  };
  for (row const& one : {row{0, "0s"}, row{1500, "1500ms"}, row{90'000, "90s"},
                         row{3'600'000, "1h"}, row{172'800'000, "2d"}}) {
    BOOST_TEST(format_duration(milliseconds(one.milliseconds)) == one.text);
    BOOST_TEST((parse_duration(one.text) == milliseconds(one.milliseconds)), one.text);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace tacit::core
