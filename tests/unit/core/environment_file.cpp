// The encoder against a parser that follows the states of systemd's src/basic/env-file.c (v252).
#include "core/environment_file.hpp"

#include <boost/test/unit_test.hpp>
#include <map>
#include <string>
#include <vector>

namespace tacit::core {
namespace {

using entry = std::pair<std::string_view, std::string_view>;

// What systemd makes of a file, for files that begin each value with a quote or a bare character.
class systemd_parser {
 public:
  std::map<std::string, std::string> parse(std::string_view file) {
    for (char const c : file) step(c);
    if (state_ != state::before_key && state_ != state::key && state_ != state::comment) push();
    return parsed_;
  }

 private:
  enum class state {
    before_key,
    key,
    before_value,
    bare,
    bare_escape,
    single,
    twice,
    escape,
    comment
  };

  static bool is_newline(char c) { return c == '\n' || c == '\r'; }
  static bool is_space(char c) { return c == ' ' || c == '\t' || is_newline(c); }

  void push() {
    parsed_[key_] = value_;
    key_.clear();
    value_.clear();
    state_ = state::before_key;
  }

  void step(char c) {
    switch (state_) {
      case state::before_key:
        if (c == '#' || c == ';') {
          state_ = state::comment;
        } else if (!is_space(c)) {
          state_ = state::key;
          key_.push_back(c);
        }
        break;
      case state::key:
        if (is_newline(c)) {
          state_ = state::before_key;
          key_.clear();
        } else if (c == '=') {
          state_ = state::before_value;
        } else {
          key_.push_back(c);
        }
        break;
      case state::before_value:
        before_value(c);
        break;
      case state::bare:
        if (is_newline(c)) {
          push();
        } else if (c == '\\') {
          state_ = state::bare_escape;
        } else {
          value_.push_back(c);
        }
        break;
      case state::bare_escape:
        state_ = state::bare;
        if (!is_newline(c)) value_.push_back(c);
        break;
      case state::single:
        if (c == '\'') {
          state_ = state::before_value;
        } else {
          value_.push_back(c);
        }
        break;
      case state::twice:
        if (c == '"') {
          state_ = state::before_value;
        } else if (c == '\\') {
          state_ = state::escape;
        } else {
          value_.push_back(c);
        }
        break;
      case state::escape:
        state_ = state::twice;
        if (std::string_view("\"\\`$").find(c) != std::string_view::npos) {
          value_.push_back(c);
        } else if (c != '\n') {
          value_.push_back('\\');
          value_.push_back(c);
        }
        break;
      case state::comment:
        if (is_newline(c)) state_ = state::before_key;
        break;
    }
  }

  void before_value(char c) {
    if (is_newline(c)) {
      push();
    } else if (c == '\'') {
      state_ = state::single;
    } else if (c == '"') {
      state_ = state::twice;
    } else if (c == '\\') {
      state_ = state::bare_escape;
    } else if (!is_space(c)) {
      state_ = state::bare;
      value_.push_back(c);
    }
  }

  state state_ = state::before_key;
  std::string key_;
  std::string value_;
  std::map<std::string, std::string> parsed_;
};

std::string encode(std::vector<entry> const& entries) {
  return std::string(encode_environment_file(entries).reveal());
}

std::string utf8(std::uint32_t c) {
  auto const part = [&](unsigned shift) { return static_cast<char>(0x80u | (c >> shift & 0x3Fu)); };
  if (c < 0x80) return {static_cast<char>(c)};
  if (c < 0x800) return {static_cast<char>(0xC0u | c >> 6), part(0)};
  if (c < 0x10000) return {static_cast<char>(0xE0u | c >> 12), part(6), part(0)};
  return {static_cast<char>(0xF0u | c >> 18), part(12), part(6), part(0)};
}

void check_comes_back(std::string const& value) {
  BOOST_TEST_REQUIRE(fits_environment_file(value));
  std::string const file = encode({{"BEFORE", "1"}, {"A", value}, {"Z_9", "2"}});
  std::map<std::string, std::string> const expected{{"BEFORE", "1"}, {"A", value}, {"Z_9", "2"}};
  BOOST_TEST((systemd_parser().parse(file) == expected), "A=" + value);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(environment_file)

BOOST_AUTO_TEST_CASE(the_form) {
  BOOST_TEST(encode({}) == "");
  BOOST_TEST(encode({{"A", "b c"}, {"D", ""}}) == "A=\"b c\"\nD=\"\"\n");
  BOOST_TEST(encode({{"A", "'\"\\`$x"}}) == "A=\"'\\\"\\\\\\`\\$x\"\n");
  BOOST_TEST(encode({{"A", "1\n2\r3\t4"}}) == "A=\"1\n2\r3\t4\"\n");
}

BOOST_AUTO_TEST_CASE(every_byte_of_ascii_comes_back_wherever_it_stands) {
  for (char c = 1; c < 127; ++c) {
    std::string const one(1, c);
    for (std::string const& value : {one, one + one, "x" + one, one + "x", "x" + one + "y"}) {
      check_comes_back(value);
    }
    for (char const special : std::string_view("\"'\\`$\n\r\t #;= ")) {
      check_comes_back(one + special);
      check_comes_back(special + one);
    }
  }
  check_comes_back("\x7F");
}

BOOST_AUTO_TEST_CASE(texts_come_back) {
  for (std::string const value :
       {"", "# not a comment", "; nor this", " a ", "\\", "\\\\", "\\\n", "a\\\nb", "\"", "'\"'\"",
        "$HOME ${HOME} $(id) `id`", "A=b\nB=\"c\"", "-----BEGIN KEY-----\r\nabc\r\n-----END-----\n",
        "gr\xC3\xBC\xC3\x9F \xF0\x9F\x94\x91", "\xC2\x80", "\xEF\xBF\xBD", "\x1B[0m\x01"}) {
    check_comes_back(value);
  }
}

// Against the four conditions of systemd's unichar_is_valid().
BOOST_AUTO_TEST_CASE(what_systemd_takes_for_no_character_is_refused) {
  auto const is_valid = [](std::uint32_t c) {
    if (c >= 0x110000 || (c & 0xFFFFF800) == 0xD800) return false;
    return !(c >= 0xFDD0 && c <= 0xFDEF) && (c & 0xFFFE) != 0xFFFE;
  };
  std::uint32_t refused = 0;
  for (std::uint32_t c = 1; c <= 0x10FFFF; ++c) {
    bool const fits = fits_environment_file("a" + utf8(c) + "b");
    if (fits != is_valid(c)) BOOST_TEST(fits == is_valid(c), "U+" + std::to_string(c));
    refused += fits ? 0 : 1;
  }
  BOOST_TEST(refused == 0x800u + 66u);  // surrogates and Unicode's 66 noncharacters
}

BOOST_AUTO_TEST_CASE(what_is_not_text_is_refused) {
  using namespace std::string_view_literals;
  for (std::string_view const value : {"\0"sv, "a\0b"sv, "\x80"sv, "\xC3"sv, "\xFF"sv, "\xC0\x80"sv,
                                       "\xED\xA0\x80"sv, "\xF4\x90\x80\x80"sv, "a\xF0\x9F\x94"sv}) {
    BOOST_TEST(!fits_environment_file(value));
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace tacit::core
