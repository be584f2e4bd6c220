#include "core/name.hpp"

#include <boost/test/unit_test.hpp>

#include "tests/unit/core/samples.hpp"

namespace tacit::core {
namespace {

bool is_upper(unsigned c) { return c >= 'A' && c <= 'Z'; }
bool is_lower(unsigned c) { return c >= 'a' && c <= 'z'; }
bool is_digit(unsigned c) { return c >= '0' && c <= '9'; }

struct limit_case {
  std::string text;
  bool is_project;
  bool is_secret;
};

std::string const upper64(64, 'A');
std::string const lower64(64, 'z');

limit_case const limit_cases[] = {
    {"", false, false},
    {"A", true, true},
    {"a", true, false},
    {"9", true, false},
    {"_A", false, false},
    {"-A", false, false},
    {"A_", true, true},
    {"A-", true, false},
    {"A9_Z", true, true},
    {"Aa", true, false},
    {upper64, true, true},
    {lower64, true, false},
    {upper64 + "A", false, false},
    {lower64 + "z", false, false},
    {std::string(1000, 'A'), false, false},
    {"A/B", false, false},
    {"A.B", false, false},
    {"A%41", false, false},
    {" A", false, false},
    {"A ", false, false},
    {"A\n", false, false},
    {std::string("A\0", 2), false, false},
    {"\xC3\x84", false, false},
    {"123e4567-e89b-12d3-a456-426614174000", true, false},
};

}  // namespace

BOOST_AUTO_TEST_SUITE(name_forms)

BOOST_AUTO_TEST_CASE(each_limit_is_accepted_and_one_beyond_is_refused) {
  for (limit_case const& one : limit_cases) {
    BOOST_TEST_CONTEXT("a text of " << one.text.size() << " bytes, case " << &one - limit_cases) {
      BOOST_TEST(project_id::parse(one.text).has_value() == one.is_project);
      BOOST_TEST(api_key_id::parse(one.text).has_value() == one.is_project);
      BOOST_TEST(secret_name::parse(one.text).has_value() == one.is_secret);
    }
  }
}

BOOST_AUTO_TEST_CASE(each_of_256_bytes_is_judged_by_the_pattern_first_and_later) {
  for (unsigned c = 0; c < 256; ++c) {
    std::string const first(1, static_cast<char>(c));
    std::string const later = "A" + first;
    std::string const last = upper64.substr(1) + first;
    bool const alphanumeric = is_upper(c) || is_lower(c) || is_digit(c);
    BOOST_TEST_CONTEXT("byte " << c) {
      BOOST_TEST(project_id::parse(first).has_value() == alphanumeric);
      BOOST_TEST(secret_name::parse(first).has_value() == is_upper(c));
      bool const in_id = alphanumeric || c == '_' || c == '-';
      bool const in_secret = is_upper(c) || is_digit(c) || c == '_';
      BOOST_TEST(project_id::parse(later).has_value() == in_id);
      BOOST_TEST(project_id::parse(last).has_value() == in_id);
      BOOST_TEST(secret_name::parse(later).has_value() == in_secret);
      BOOST_TEST(secret_name::parse(last).has_value() == in_secret);
    }
  }
}

BOOST_AUTO_TEST_CASE(a_refused_name_is_a_validation_error_and_a_parsed_one_keeps_its_text) {
  BOOST_TEST(test::is(project_id::parse(""), errc::validation));
  BOOST_TEST(test::is(secret_name::parse("lower"), errc::validation));
  BOOST_TEST(test::project(lower64).text() == lower64);
  BOOST_TEST(test::secret("A").text() == "A");
}

BOOST_AUTO_TEST_CASE(names_are_equal_and_ordered_as_their_texts) {
  std::string_view const texts[] = {"A", "A-", "A-B", "A0", "AB", "A_", "Aa", "B", "a", "a-b"};
  for (std::string_view const a : texts) {
    for (std::string_view const b : texts) {
      BOOST_TEST((test::project(a) == test::project(b)) == (a == b));
      BOOST_TEST((test::project(a) < test::project(b)) == (a < b));
      BOOST_TEST((std::hash<project_id>{}(test::project(a)) ==
                  std::hash<project_id>{}(test::project(b))) == (a == b));
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace tacit::core
