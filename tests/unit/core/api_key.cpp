#include "core/api_key.hpp"

#include <boost/test/unit_test.hpp>
#include <set>

#include "tests/unit/core/samples.hpp"

namespace tacit::core {
namespace {

// Check digits by zlib.crc32, in base 62 from the highest digit, in Python.
constexpr std::string_view known_keys[] = {
    "tac_0123456789ABCDEFGHIJabcdefghij4Us3aw", "tac_0000000000000000000000000000002C8GjS",
    "tac_zzzzzzzzzzzzzzzzzzzzzzzzzzzzzz4IlJEz", "tac_Qm7Rk2Vw9Xb4Nc6Tj8Ld1Fg3Hs5Zy04eyTlj",
    "tac_000000000000000000000000037127000YQf",  // a small CRC: leading zeros stay
};

bool parses(std::string_view text) {
  auto const parsed = api_key_text::parse(text);
  if (!parsed) BOOST_TEST(test::is(parsed, errc::unauthorized));
  return parsed.has_value();
}

}  // namespace

BOOST_AUTO_TEST_SUITE(api_keys)

BOOST_AUTO_TEST_CASE(known_keys_parse_and_keep_their_text) {
  for (std::string_view const key : known_keys) {
    auto const parsed = api_key_text::parse(key);
    BOOST_REQUIRE(parsed.has_value());
    BOOST_CHECK(parsed->reveal() == key);
    BOOST_CHECK(parsed->shown_prefix() == key.substr(0, 8));
  }
}

BOOST_AUTO_TEST_CASE(a_wrong_character_anywhere_is_refused) {
  std::string key(known_keys[0]);
  for (char& at : key) {
    char const right = at;
    for (unsigned c = 0; c < 256; ++c) {
      at = static_cast<char>(c);
      BOOST_TEST(parses(key) == (at == right));
    }
    at = right;
  }
}

BOOST_AUTO_TEST_CASE(two_neighbours_that_changed_places_are_refused) {
  for (std::string_view const known : known_keys) {
    for (std::size_t at = 0; at + 1 < known.size(); ++at) {
      std::string key(known);
      std::swap(key[at], key[at + 1]);
      BOOST_TEST(parses(key) == (key == known));
    }
  }
}

BOOST_AUTO_TEST_CASE(a_key_of_another_length_is_refused) {
  std::string const key(known_keys[0]);
  for (std::size_t bytes = 0; bytes < key.size(); ++bytes) {
    BOOST_TEST(!parses(key.substr(0, bytes)));
    BOOST_TEST(!parses(key.substr(key.size() - bytes)));
  }
  for (std::string const& longer :
       {key + "0", " " + key, key + " ", key + "\n", key + key, key + std::string(1, '\0')}) {
    BOOST_TEST(!parses(longer));
  }
}

BOOST_AUTO_TEST_CASE(made_keys_parse_and_no_two_are_alike) {
  init_crypto();
  std::set<std::string> seen;
  for (int i = 0; i < 500; ++i) {
    api_key_text const made = api_key_text::make_random();
    BOOST_TEST(parses(made.reveal()));
    BOOST_TEST(seen.emplace(made.reveal().substr(4, 30)).second);
  }
  std::set<char> characters;
  for (std::string const& key : seen) characters.insert(key.begin(), key.end());
  BOOST_TEST(characters.size() == 62u);
}

BOOST_AUTO_TEST_CASE(a_key_has_the_known_hash_with_its_pepper_and_another_with_another) {
  // hashlib.blake2b(key, key=pepper, digest_size=32), pepper derived from 00 01 … 1f.
  auto const key = *api_key_text::parse(known_keys[0]);
  api_share const share = derive_api_share(test::sample_root());
  auto const hash = key.hash(share.pepper);
  BOOST_CHECK(test::as_text(hash) ==
              test::from_hex("b62107ba74b6ffa1c05bfa7c001c9dc9fcf634078d1c4081bcf0beea4ba52a35"));
  BOOST_CHECK(key.hash(test::counting_key<api_key_pepper>(1)) != hash);
  BOOST_CHECK(api_key_text::parse(known_keys[1])->hash(share.pepper) != hash);
}

BOOST_AUTO_TEST_CASE(a_permission_is_held_when_given_or_when_the_key_is_an_admins) {
  for (unsigned bits = 0; bits < 256; ++bits) {
    auto const held = permission_set::from_bits(static_cast<std::uint8_t>(bits));
    bool const admin = (bits & 4u) != 0;
    BOOST_TEST(held.allows(permission::read) == (admin || (bits & 1u) != 0));
    BOOST_TEST(held.allows(permission::write) == (admin || (bits & 2u) != 0));
    BOOST_TEST(held.allows(permission::admin) == admin);
    BOOST_TEST(held.bits() == (bits & 7u));
  }
  permission_set grown;
  BOOST_TEST(!grown.allows(permission::read));
  grown.add(permission::read);
  BOOST_TEST(grown.allows(permission::read));
  BOOST_TEST(!grown.allows(permission::write));
}

BOOST_AUTO_TEST_CASE(a_scope_has_the_projects_of_its_list_and_no_neighbour) {
  project_scope const some{false, {test::project("a"), test::project("a-b"), test::project("m")}};
  for (char const* id : {"a", "a-b", "m"}) BOOST_TEST(some.contains(test::project(id)));
  for (char const* id : {"A", "ab", "a-", "a-bc", "a_", "l", "n", "aa", "0"}) {
    BOOST_TEST(!some.contains(test::project(id)));
    BOOST_TEST((project_scope{true, {}}).contains(test::project(id)));
    BOOST_TEST(!project_scope{}.contains(test::project(id)));
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace tacit::core
