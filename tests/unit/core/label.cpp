#include "core/label.hpp"

#include <boost/test/unit_test.hpp>

#include "core/utf8.hpp"
#include "tests/unit/core/samples.hpp"

namespace tacit::core {
namespace {

label label_of(std::string_view value, std::size_t min_length) {
  return make_label(value, *count_utf8_chars(value), min_length);
}

struct rule {
  std::string_view value;
  std::size_t min_length;
  std::string_view label;
};

constexpr rule rules[] = {
    {"", 8, ""},
    {"abcd", 8, ""},
    {"1234567", 8, ""},
    {"12345678", 8, "5678"},
    {"your-exchange-aB3x", 8, "aB3x"},
    {"1234", 5, ""},
    {"12345", 5, "2345"},
    {"123456789", 10, ""},
    {"1234567890", 10, "7890"},
    {"        ", 8, "    "},
    // 8 characters, not bytes: 7 emoji are 28 bytes.
    {"\xF0\x9F\x94\x91\xF0\x9F\x94\x91\xF0\x9F\x94\x91\xF0\x9F\x94\x91\xF0\x9F\x94\x91"
     "\xF0\x9F\x94\x91\xF0\x9F\x94\x91",
     8, ""},
    {"1234\xF0\x9F\x94\x91\xF0\x9F\x94\x92\xF0\x9F\x94\x93\xF0\x9F\x94\x94", 8,
     "\xF0\x9F\x94\x91\xF0\x9F\x94\x92\xF0\x9F\x94\x93\xF0\x9F\x94\x94"},
    {"1234567\xC3\xA9", 8, "567\xC3\xA9"},
    {"123456\xC3\xA9", 8, ""},
};

}  // namespace

BOOST_AUTO_TEST_SUITE(labels)

BOOST_AUTO_TEST_CASE(a_label_is_the_last_four_characters_of_a_value_that_is_long_enough) {
  for (rule const& one : rules) {
    BOOST_TEST_CONTEXT("rule " << &one - rules) {
      BOOST_CHECK(label_of(one.value, one.min_length).reveal() == one.label);
    }
  }
}

BOOST_AUTO_TEST_CASE(no_value_shows_more_than_four_characters_at_any_length) {
  for (std::size_t min_length = limits::last_four_min_length_min; min_length < 12; ++min_length) {
    for (std::size_t chars = 0; chars < 20; ++chars) {
      label const shown = label_of(std::string(chars, 'v'), min_length);
      BOOST_TEST(shown.reveal().size() == (chars < min_length ? 0u : 4u));
    }
  }
}

BOOST_AUTO_TEST_CASE(a_moved_or_cleared_label_holds_no_byte_of_it) {
  auto const holds = [](label const& one) {
    std::string_view const memory(reinterpret_cast<char const*>(&one), sizeof one);
    return memory.find("aB3x") != std::string_view::npos;
  };
  label first = label::of_text("aB3x");
  BOOST_TEST(holds(first));
  label second = std::move(first);
  BOOST_TEST(!holds(first));  // NOLINT(bugprone-use-after-move): what it leaves is the test
  BOOST_CHECK(second.reveal() == "aB3x");
  label third;
  third = std::move(second);
  BOOST_TEST(!holds(second));  // NOLINT(bugprone-use-after-move)
  label const copy = third.copy();
  third.clear();
  BOOST_TEST(!holds(third));
  BOOST_TEST(third.reveal().empty());
  BOOST_CHECK(copy.reveal() == "aB3x");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace tacit::core
