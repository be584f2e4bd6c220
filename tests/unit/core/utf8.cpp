// UTF-8 against a reference that decodes by arithmetic and accepts only what encodes back to the
// same bytes.
#include "core/utf8.hpp"

#include <boost/test/unit_test.hpp>

#include "tests/unit/core/samples.hpp"

namespace tacit::core {
namespace {

std::string encode(std::uint32_t c) {
  auto const part = [&](unsigned shift) { return static_cast<char>(0x80u | (c >> shift & 0x3Fu)); };
  if (c < 0x80) return {static_cast<char>(c)};
  if (c < 0x800) return {static_cast<char>(0xC0u | c >> 6), part(0)};
  if (c < 0x10000) return {static_cast<char>(0xE0u | c >> 12), part(6), part(0)};
  return {static_cast<char>(0xF0u | c >> 18), part(12), part(6), part(0)};
}

// The number of characters, or -1.
long reference_count(std::string_view bytes) {
  long chars = 0;
  while (!bytes.empty()) {
    auto const lead = static_cast<unsigned char>(bytes[0]);
    std::size_t const size = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    if (bytes.size() < size) return -1;
    std::uint32_t c = size == 1 ? lead : lead & (0xFFu >> (size + 1));
    for (std::size_t i = 1; i < size; ++i) {
      c = c << 6 | (static_cast<unsigned char>(bytes[i]) & 0x3Fu);
    }
    if (c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF)) return -1;
    if (encode(c) != bytes.substr(0, size)) return -1;
    bytes.remove_prefix(size);
    ++chars;
  }
  return chars;
}

long count(std::string_view bytes) {
  auto const chars = count_utf8_chars(bytes);
  return chars ? static_cast<long>(*chars) : -1;
}

struct sample {
  std::string_view bytes;
  long chars;
};

// Each agrees with bytes.decode("utf-8") in Python.
constexpr sample samples[] = {
    {"", 0},
    {"abc", 3},
    {"\xC2\x80", 1},
    {"\xDF\xBF", 1},
    {"\xE0\xA0\x80", 1},
    {"\xEF\xBF\xBF", 1},
    {"\xED\x9F\xBF", 1},
    {"\xEE\x80\x80", 1},
    {"\xF0\x90\x80\x80", 1},
    {"\xF4\x8F\xBF\xBF", 1},
    {"\xEF\xBB\xBF", 1},  // a byte-order mark is a character
    {"e\xCC\x81", 2},     // no normalisation
    {"\xF0\x9F\x91\xA9\xE2\x80\x8D\xF0\x9F\x9A\x80", 3},
    {"\xC0\x80", -1},                  // overlong U+0000
    {"\xC1\xBF", -1},                  // overlong U+007F
    {"\xE0\x9F\xBF", -1},              // overlong U+07FF
    {"\xF0\x8F\xBF\xBF", -1},          // overlong U+FFFF
    {"\xED\xA0\x80", -1},              // U+D800
    {"\xED\xBF\xBF", -1},              // U+DFFF
    {"\xED\xA0\xBD\xED\xB4\x91", -1},  // a surrogate pair (CESU-8)
    {"\xF4\x90\x80\x80", -1},          // U+110000
    {"\xF5\x80\x80\x80", -1},
    {"\xF8\x88\x80\x80\x80", -1},
    {"\xFF", -1},
    {"\x80", -1},
    {"a\x80", -1},
    {"\xC3", -1},
    {"\xE2\x82", -1},
    {"\xF0\x9F\x94", -1},
    {"\xE2\x82\x41", -1},
    {"\xC3\xC3\xA9", -1},
};

}  // namespace

BOOST_AUTO_TEST_SUITE(utf8)

BOOST_AUTO_TEST_CASE(samples_count_as_python_decodes_them) {
  for (sample const& one : samples) {
    BOOST_TEST_CONTEXT("case " << &one - samples) { BOOST_TEST(count(one.bytes) == one.chars); }
  }
  BOOST_TEST(count(std::string_view("a\0b", 3)) == 3);
}

BOOST_AUTO_TEST_CASE(every_sequence_of_one_two_and_three_bytes_is_judged_as_the_reference_does) {
  std::string bytes(1, '\0');
  unsigned wrong = 0;
  for (unsigned a = 0; a < 256; ++a) {
    bytes = {static_cast<char>(a)};
    wrong += count(bytes) != reference_count(bytes);
    for (unsigned b = 0; b < 256; ++b) {
      bytes = {static_cast<char>(a), static_cast<char>(b)};
      wrong += count(bytes) != reference_count(bytes);
      if (a < 0x80) continue;  // the third byte is then a sequence of two
      bytes.push_back('\0');
      for (unsigned c = 0; c < 256; ++c) {
        bytes[2] = static_cast<char>(c);
        wrong += count(bytes) != reference_count(bytes);
      }
    }
  }
  BOOST_TEST(wrong == 0u);
}

BOOST_AUTO_TEST_CASE(four_bytes_at_every_border_are_judged_as_the_reference_does) {
  constexpr unsigned borders[] = {0x00, 0x41, 0x7F, 0x80, 0x81, 0xBF, 0xC0, 0xFF};
  unsigned wrong = 0;
  for (unsigned a = 0x80; a < 256; ++a) {
    for (unsigned b = 0; b < 256; ++b) {
      for (unsigned const c : borders) {
        for (unsigned const d : borders) {
          std::string const bytes{static_cast<char>(a), static_cast<char>(b), static_cast<char>(c),
                                  static_cast<char>(d)};
          wrong += count(bytes) != reference_count(bytes);
        }
      }
    }
  }
  BOOST_TEST(wrong == 0u);
}

BOOST_AUTO_TEST_CASE(every_unicode_scalar_value_is_one_character_and_its_own_end) {
  unsigned wrong = 0;
  for (std::uint32_t c = 0; c <= 0x10FFFF; ++c) {
    if (c >= 0xD800 && c <= 0xDFFF) continue;
    std::string const bytes = encode(c);
    wrong += count(bytes) != 1 || last_utf8_chars(bytes, 1) != bytes;
  }
  BOOST_TEST(wrong == 0u);
}

BOOST_AUTO_TEST_CASE(the_last_characters_are_whole_ones) {
  std::string const text = "a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x94\x91z";
  BOOST_TEST(last_utf8_chars(text, 0) == "");
  BOOST_TEST(last_utf8_chars(text, 1) == "z");
  BOOST_TEST(last_utf8_chars(text, 2) == text.substr(6));
  BOOST_TEST(last_utf8_chars(text, 3) == text.substr(3));
  BOOST_TEST(last_utf8_chars(text, 4) == text.substr(1));
  BOOST_TEST(last_utf8_chars(text, 5) == text);
  BOOST_TEST(last_utf8_chars(text, 6) == text);
  BOOST_TEST(last_utf8_chars("", 4) == "");
}

BOOST_AUTO_TEST_CASE(the_end_of_seeded_texts_has_as_many_characters_as_asked_for) {
  std::mt19937_64 random(3);
  constexpr std::uint32_t chars[] = {0x41, 0xE9, 0x20AC, 0x1F511, 0x7F, 0x80, 0xFFFD, 0x10FFFF};
  for (int i = 0; i < 2000; ++i) {
    std::string text;
    std::size_t const size = random() % 9;
    for (std::size_t j = 0; j < size; ++j) text += encode(chars[random() % std::size(chars)]);
    for (std::size_t asked = 0; asked < 10; ++asked) {
      std::string_view const end = last_utf8_chars(text, asked);
      BOOST_REQUIRE(text.ends_with(end));
      BOOST_REQUIRE(count(end) == static_cast<long>(std::min(asked, size)));
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace tacit::core
