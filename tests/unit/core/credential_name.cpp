// What systemd binds when it loads a credential, and what only looks like it.
#include "core/credential_name.hpp"

#include <boost/test/unit_test.hpp>
#include <string>

#include "tests/unit/core/samples.hpp"

namespace tacit::core {
namespace {

using namespace std::string_literals;
using namespace std::string_view_literals;
using test::is;

bool reads(std::string_view address, std::string_view unit, std::string_view id) {
  auto const name = parse_credential_name(address);
  return name && name->unit == unit && name->id == id;
}

std::string address_of(std::size_t unit_chars, std::size_t id_chars) {
  return "\0"
         "0123456789abcdef/unit/"s +
         std::string(unit_chars, 'u') + "/" + std::string(id_chars, 'I');
}

}  // namespace

BOOST_AUTO_TEST_SUITE(credential_names)

BOOST_AUTO_TEST_CASE(what_systemd_binds_is_read) {
  BOOST_CHECK(
      reads("\0"
            "f/unit/bot.service/ENV"sv,
            "bot.service", "ENV"));
  BOOST_CHECK(
      reads("\0"
            "0123456789abcdef/unit/a\\x2db@1:2_3.service/env"sv,
            "a\\x2db@1:2_3.service", "env"));
  for (std::size_t digits = 1; digits <= 16; ++digits) {
    std::string const number = std::string(digits, '7');
    BOOST_CHECK(reads("\0"s + number + "/unit/u/I", "u", "I"));
  }
}

BOOST_AUTO_TEST_CASE(an_id_is_any_text_without_slash_and_nul) {
  BOOST_CHECK(
      reads("\0"
            "1/unit/u/a b"sv,
            "u", "a b"));
  BOOST_CHECK(
      reads("\0"
            "1/unit/u/\xFF\n"sv,
            "u", "\xFF\n"));
}

BOOST_AUTO_TEST_CASE(unit_and_id_have_83_characters_at_most) {
  for (std::size_t unit = 1; unit <= 82; ++unit) {
    std::string const longest = address_of(unit, 83 - unit);
    BOOST_TEST(longest.size() == 107u);
    BOOST_TEST(parse_credential_name(longest).has_value());
    BOOST_TEST(is(parse_credential_name(address_of(unit, 84 - unit)), errc::validation));
  }
  BOOST_TEST(is(parse_credential_name("\0"
                                      "1/unit/"s +
                                      std::string(83, 'u') + "/I"),
                errc::validation));
}

BOOST_AUTO_TEST_CASE(every_cut_and_every_changed_byte_before_the_id_is_refused) {
  std::string const good =
      "\0"
      "1a/unit/bot.service/KEY"s;
  std::size_t const id = good.size() - 3;
  for (std::size_t at = 0; at <= id; ++at) {
    BOOST_TEST(is(parse_credential_name(std::string_view(good).substr(0, at)), errc::validation));
    BOOST_TEST(is(parse_credential_name(std::string_view(good).substr(at + 1)), errc::validation));
  }
  for (std::size_t at = 0; at < good.size(); ++at) {
    for (int byte = 0; byte < 256; ++byte) {
      std::string changed = good;
      changed[at] = static_cast<char>(byte);
      if (changed == good) continue;
      auto const name = parse_credential_name(changed);
      // Another digit, another unit or another id: never the same unit and id from other bytes.
      bool const same = name && name->unit == "bot.service" && name->id == "KEY";
      BOOST_TEST(same == (at == 1 || at == 2 ? name.has_value() : false));
    }
  }
}

BOOST_AUTO_TEST_CASE(what_only_looks_like_it_is_refused) {
  for (std::string_view const address : {""sv,
                                         "\0"sv,
                                         "1/unit/u/I"sv,
                                         "/unit/u/I"sv,
                                         "\0/unit/u/I"sv,
                                         "\0g/unit/u/I"sv,
                                         "\0"
                                         "A/unit/u/I"sv,
                                         "\0"
                                         "0x1/unit/u/I"sv,
                                         "\0"
                                         "-1/unit/u/I"sv,
                                         "\0"
                                         "12345678901234567/unit/u/I"sv,
                                         "\0"
                                         "1unit/u/I"sv,
                                         "\0"
                                         "1//unit/u/I"sv,
                                         "\0"
                                         "1/unit/u"sv,
                                         "\0"
                                         "1/unit//I"sv,
                                         "\0"
                                         "1/unit/u/"sv,
                                         "\0"
                                         "1/unit/u//I"sv,
                                         "\0"
                                         "1/unit/u/I/"sv,
                                         "\0"
                                         "1/unit/u/I/J"sv,
                                         "\0"
                                         "1/unit/u v/I"sv,
                                         "\0"
                                         "1/unit/u\0/I"sv,
                                         "\0"
                                         "1/unit/u/I\0"sv,
                                         "\0"
                                         "1/unit/u/\0"sv,
                                         "\0"
                                         "1\0/unit/u/I"sv,
                                         "\0\0"
                                         "1/unit/u/I"sv,
                                         "\0"
                                         "1/unit/\xC3\xA9/I"sv,
                                         "\0"
                                         "1/UNIT/u/I"sv}) {
    BOOST_TEST(is(parse_credential_name(address), errc::validation));
  }
}

BOOST_AUTO_TEST_CASE(units) {
  BOOST_TEST(is_unit_name("a"));
  BOOST_TEST(is_unit_name("azAZ09:-_.\\@"));
  BOOST_TEST(is_unit_name(std::string(255, 'a')));
  BOOST_TEST(!is_unit_name(std::string(256, 'a')));
  BOOST_TEST(!is_unit_name(""));
  for (int byte = 0; byte < 256; ++byte) {
    char const c = static_cast<char>(byte);
    bool const alphanumeric =
        (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
    bool const other = c != '\0' && std::string_view(":-_.\\@").find(c) != std::string_view::npos;
    BOOST_TEST(is_unit_name(std::string(1, c)) == (alphanumeric || other));
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace tacit::core
