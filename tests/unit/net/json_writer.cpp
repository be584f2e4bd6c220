#include "net/json_writer.hpp"

#include <boost/test/unit_test.hpp>

namespace tacit::net {
namespace {

std::string quoted(std::string_view text) {
  std::string out;
  append_json_text(out, text);
  return out;
}

// U+0000 to U+001F as JSON.stringify would not shorten them, but for \n, \r and \t.
constexpr std::string_view escapes[] = {
    "\\u0000", "\\u0001", "\\u0002", "\\u0003", "\\u0004", "\\u0005", "\\u0006", "\\u0007",
    "\\u0008", "\\t",     "\\n",     "\\u000b", "\\u000c", "\\r",     "\\u000e", "\\u000f",
    "\\u0010", "\\u0011", "\\u0012", "\\u0013", "\\u0014", "\\u0015", "\\u0016", "\\u0017",
    "\\u0018", "\\u0019", "\\u001a", "\\u001b", "\\u001c", "\\u001d", "\\u001e", "\\u001f",
};

}  // namespace

BOOST_AUTO_TEST_SUITE(json_writing)

BOOST_AUTO_TEST_CASE(every_byte_is_escaped_or_stays_as_json_asks) {
  for (unsigned c = 0; c < 256; ++c) {
    std::string const text(1, static_cast<char>(c));
    std::string expected = text;
    if (c < 0x20) expected = escapes[c];
    if (c == '"') expected = "\\\"";
    if (c == '\\') expected = "\\\\";
    BOOST_TEST_CONTEXT("byte " << c) {
      BOOST_TEST(quoted(text) == '"' + expected + '"');
      BOOST_TEST(quoted("a" + text + text + "b") == "\"a" + expected + expected + "b\"");
    }
  }
}

BOOST_AUTO_TEST_CASE(every_byte_is_found_at_every_place_of_a_long_text) {
  // Neighbours that a search by eights could take for one of those that it looks for.
  for (char const filler : {'a', '!', '#', '[', ']', ' ', '\x7f', '\x80', '\xa2', '\xdc', '\xff'}) {
    std::string const others(19, filler);
    for (unsigned c = 0; c < 256; ++c) {
      std::string const one = quoted(std::string(1, static_cast<char>(c)));
      for (std::size_t at = 0; at <= others.size(); ++at) {
        std::string text = others;
        text.insert(at, 1, static_cast<char>(c));
        std::string expected = '"' + others + '"';
        expected.insert(1 + at, one.substr(1, one.size() - 2));
        BOOST_REQUIRE(quoted(text) == expected);
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(texts_stay_what_they_are_around_escapes) {
  BOOST_TEST(quoted("") == "\"\"");
  BOOST_TEST(quoted("\xC3\xA9\xF0\x9F\x94\x91/\x7F") == "\"\xC3\xA9\xF0\x9F\x94\x91/\x7F\"");
  BOOST_TEST(quoted("\n") == R"("\n")");
  BOOST_TEST(quoted("ab\"cd\\ef\ng") == R"("ab\"cd\\ef\ng")");
}

BOOST_AUTO_TEST_CASE(commas_stand_between_members_and_items_and_nowhere_else) {
  std::string out = "before";
  json_writer json(out);
  json.begin_object();
  json.key("a").begin_array().end_array();
  json.key("b").begin_object().end_object();
  json.key("c").text("x").key("d").number(18'446'744'073'709'551'615u);
  json.key("e").signed_number(-5).key("f").boolean(true).key("g").boolean(false).key("h").null();
  json.key("i").begin_array().number(1).begin_array().null().end_array().text("y");
  json.begin_object().key("\"").null().end_object().end_array().end_object();
  BOOST_TEST(out == R"(before{"a":[],"b":{},"c":"x","d":18446744073709551615,"e":-5,"f":true,)"
                    R"("g":false,"h":null,"i":[1,[null],"y",{"\"":null}]})");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace tacit::net
