// Values at rest: what opens, and everything that must not.
#include "core/sealing.hpp"

#include <array>
#include <boost/test/unit_test.hpp>
#include <cinttypes>
#include <cstdio>
#include <fstream>
#include <string>

#include "core/arena.hpp"
#include "core/wire.hpp"
#include "tests/unit/core/samples.hpp"

namespace tacit::core {
namespace {

using test::as_text;
using test::from_hex;

// format, sealed key, nonce, ciphertext and tag of "your-exchange-key é🔑" at trading-bot,
// BINANCE_API_KEY, 0x1122334455667788; computed in Python.
constexpr std::string_view known_sealed_key =
    "761d88ec830413919dfe9d4d1d56f17e653c8c994082df5b137b90a0ae6edf745249467fe955ba2184a067d8e9a3a0"
    "0b64a1b609c1e88980b1bae59cc8af0ee3d91dd5b1be29ce3fd687e89ec094ab9d";
constexpr std::string_view known_nonce = "606162636465666768696a6b6c6d6e6f7071727374757677";
constexpr std::string_view known_cipher =
    "8afae686d81297add0f0aa0bb7a2bbb1837448bb7d66952426bcdd42a6b1802d10a21e542c99765d";
constexpr std::string_view known_value = "your-exchange-key \xC3\xA9\xF0\x9F\x94\x91";

std::string known_record() {
  return from_hex(
      std::string("01").append(known_sealed_key).append(known_nonce).append(known_cipher));
}

// One store's keys and a place in it.
struct one_store {
  api_share api = derive_api_share(test::sample_root());
  keeper_share keeper = derive_keeper_share(test::sample_root());
  project_id project = test::project("trading-bot");
  secret_name name = test::secret("BINANCE_API_KEY");
  value_place place{project, name, 0x1122334455667788};
  sealer seals{api.public_key, api.record};
};

// Whether it opens; checks that a refusal leaves what the buffer held.
bool opens(keeper_share const& keys, std::string_view sealed, value_place const& place) {
  secret_buffer out(64);
  BOOST_REQUIRE(out.append("before"));
  auto const opened = open_value(keys, sealed, place, out);
  if (opened) return true;
  BOOST_TEST(test::is(opened, errc::corrupt));
  BOOST_CHECK(out.reveal() == "before");
  return false;
}

std::string sealed_key_of(std::string const& sealed) { return sealed.substr(1, sealed_key_bytes); }

}  // namespace

BOOST_FIXTURE_TEST_SUITE(sealing, one_store)

BOOST_AUTO_TEST_CASE(a_value_with_given_keys_and_nonce_gives_the_known_record) {
  std::string const sealed_key = from_hex(known_sealed_key);
  std::string const nonce = from_hex(known_nonce);
  std::string const sealed = seal_with(
      test::counting_key<intake_key>(0x20), as_bytes(sealed_key).first<sealed_key_bytes>(),
      api.record, as_bytes(nonce).first<aead_nonce_bytes>(), known_value, place);
  BOOST_CHECK(sealed == known_record());
}

BOOST_AUTO_TEST_CASE(the_known_record_opens_behind_what_the_buffer_held) {
  secret_buffer out(64);
  BOOST_TEST(out.append("before"));
  BOOST_TEST(open_value(keeper, known_record(), place, out).has_value());
  BOOST_CHECK(out.reveal() == std::string("before").append(known_value));
}

BOOST_AUTO_TEST_CASE(a_value_of_any_size_opens_as_it_was) {
  std::mt19937_64 random(7);
  for (std::size_t const bytes : {0u, 1u, 15u, 16u, 17u, 63u, 64u, 65u, 4096u, 16384u}) {
    std::string const value = test::random_bytes(random, bytes);
    std::string const sealed = seals.seal(value, place, 0);
    BOOST_TEST(sealed.size() == bytes + sealed_value_overhead_bytes);
    secret_buffer out(bytes);
    BOOST_TEST(open_value(keeper, sealed, place, out).has_value());
    BOOST_CHECK(out.reveal() == value);
  }
}

BOOST_AUTO_TEST_CASE(the_same_value_is_never_sealed_to_the_same_bytes) {
  BOOST_CHECK(seals.seal("value", place, 0) != seals.seal("value", place, 0));
}

BOOST_AUTO_TEST_CASE(a_flipped_bit_anywhere_is_refused) {
  std::string const sealed = seals.seal("abcd", place, 0);
  BOOST_TEST(opens(keeper, sealed, place));
  test::for_each_flipped_bit(
      sealed, [&](std::string const& changed) { BOOST_TEST(!opens(keeper, changed, place)); });
}

BOOST_AUTO_TEST_CASE(a_changed_byte_anywhere_in_a_long_record_is_refused) {
  std::string const value(1500, 'v');
  std::string sealed = seals.seal(value, place, 0);
  secret_buffer out(value.size());
  for (char& byte : sealed) {
    char const before = byte;
    byte = static_cast<char>(~static_cast<unsigned char>(byte));
    BOOST_TEST(test::is(open_value(keeper, sealed, place, out), errc::corrupt));
    BOOST_TEST(out.empty());
    byte = before;
  }
  BOOST_TEST(open_value(keeper, sealed, place, out).has_value());
}

BOOST_AUTO_TEST_CASE(a_cut_or_longer_record_is_refused) {
  std::string const sealed = seals.seal("abcd", place, 0);
  for (std::size_t bytes = 0; bytes < sealed.size(); ++bytes) {
    BOOST_TEST(!opens(keeper, sealed.substr(0, bytes), place));
    BOOST_TEST(!opens(keeper, sealed.substr(sealed.size() - bytes), place));
  }
  for (unsigned byte = 0; byte < 256; ++byte) {
    BOOST_TEST(!opens(keeper, sealed + static_cast<char>(byte), place));
  }
}

BOOST_AUTO_TEST_CASE(a_record_that_was_moved_is_refused) {
  std::string const sealed = seals.seal("abcd", place, 0);
  for (char const* other : {"trading-bo", "trading-botB", "Trading-bot", "x", "trading-boT"}) {
    project_id const moved = test::project(other);
    BOOST_TEST(!opens(keeper, sealed, {moved, name, place.record_id}));
  }
  for (char const* other : {"BINANCE_API_KE", "BINANCE_API_KEY_", "BINANCE_API_KEZ", "X"}) {
    secret_name const moved = test::secret(other);
    BOOST_TEST(!opens(keeper, sealed, {project, moved, place.record_id}));
  }
  for (unsigned bit = 0; bit < 64; ++bit) {
    BOOST_TEST(!opens(keeper, sealed, {project, name, place.record_id ^ (1ull << bit)}));
  }
}

BOOST_AUTO_TEST_CASE(the_border_between_project_and_name_is_part_of_the_place) {
  project_id const ab = test::project("AB");
  project_id const a = test::project("A");
  secret_name const c = test::secret("C");
  secret_name const bc = test::secret("BC");
  std::string const sealed = seals.seal("abcd", {ab, c, 1}, 0);
  BOOST_TEST(opens(keeper, sealed, {ab, c, 1}));
  BOOST_TEST(!opens(keeper, sealed, {a, bc, 1}));
}

BOOST_AUTO_TEST_CASE(every_other_format_is_refused) {
  std::string sealed = seals.seal("abcd", place, 0);
  for (unsigned format = 0; format < 256; ++format) {
    sealed[0] = static_cast<char>(format);
    BOOST_TEST(opens(keeper, sealed, place) == (format == 1));
  }
}

BOOST_AUTO_TEST_CASE(one_opener_opens_values_of_several_intake_keys_in_any_order) {
  std::string const first = seals.seal("first", place, 0);
  std::string const second = seals.seal("second", place, limits::intake_milliseconds_max);
  BOOST_TEST(sealed_key_of(first) != sealed_key_of(second));
  value_opener opener(keeper);
  secret_buffer out(64);
  for (std::string const* const one : {&first, &second, &second, &first}) {
    BOOST_TEST(opener.open(*one, place, out).has_value());
  }
  BOOST_CHECK(out.reveal() == "firstsecondsecondfirst");
}

BOOST_AUTO_TEST_CASE(another_record_key_or_another_pair_does_not_open_it) {
  std::string const sealed = seals.seal("abcd", place, 0);
  keeper_share other_record = derive_keeper_share(test::sample_root());
  other_record.record.reveal_mutable()[0] ^= 1u;
  BOOST_TEST(!opens(other_record, sealed, place));

  keeper_share other_pair = derive_keeper_share(test::counting_key<root_key>(1));
  other_pair.record = derive_keeper_share(test::sample_root()).record;
  BOOST_TEST(!opens(other_pair, sealed, place));
}

BOOST_AUTO_TEST_CASE(without_the_record_key_nothing_that_is_made_opens) {
  // The public key and a record of the store are known; the record key is guessed.
  std::string const stored = seals.seal("abcd", place, 0);
  std::string const stored_key = sealed_key_of(stored);
  auto const chosen = test::counting_key<intake_key>(0x40);
  auto const chosen_sealed = seal_key(api.public_key, chosen);
  std::array<unsigned char, aead_nonce_bytes> const nonce{};

  std::vector<std::string> forged;
  for (unsigned first : {0u, 1u, 0x20u, 0x40u}) {
    auto const guessed = test::counting_key<record_key>(first);
    forged.push_back(seal_with(chosen, chosen_sealed, guessed, nonce, "mine", place));
    forged.push_back(seal_with(chosen, as_bytes(stored_key).first<sealed_key_bytes>(), guessed,
                               nonce, "mine", place));
  }
  // The value key taken for the intake key alone, without the record key.
  std::string bare;
  wire_writer to(bare);
  to.number(std::uint8_t{1});
  to.bytes(chosen_sealed);
  to.bytes(nonce);
  std::string associated;
  wire_writer bound(associated);
  bound.number(std::uint8_t{1});
  bound.short_text(project.text());
  bound.short_text(name.text());
  bound.number(place.record_id);
  std::size_t const head = bare.size();
  bare.resize(head + 4 + aead_tag_bytes);
  aead_encrypt(chosen.reveal(), nonce, as_bytes(associated), as_bytes("mine"),
               reinterpret_cast<unsigned char*>(bare.data() + head));
  forged.push_back(bare);

  for (std::string const& record : forged) BOOST_TEST(!opens(keeper, record, place));
  BOOST_TEST(
      opens(keeper, seal_with(chosen, chosen_sealed, api.record, nonce, "mine", place), place));
}

BOOST_AUTO_TEST_CASE(a_value_that_does_not_fit_is_refused_before_it_is_opened) {
  std::string const sealed = seals.seal("12345678", place, 0);
  secret_buffer out(10);
  BOOST_TEST(out.append("abc"));
  BOOST_TEST(test::is(open_value(keeper, sealed, place, out), errc::corrupt));
  BOOST_CHECK(out.reveal() == "abc");
  out.resize(2);
  BOOST_TEST(open_value(keeper, sealed, place, out).has_value());
  BOOST_CHECK(out.reveal() == "ab12345678");
}

BOOST_AUTO_TEST_CASE(an_intake_key_seals_no_more_values_than_its_limit) {
  std::string const first = sealed_key_of(seals.seal("v", place, 0));
  for (std::uint32_t use = 1; use < limits::intake_uses_max; ++use) {
    BOOST_REQUIRE(sealed_key_of(seals.seal("v", place, 0)) == first);
  }
  std::string const next = seals.seal("v", place, 0);
  BOOST_CHECK(sealed_key_of(next) != first);
  BOOST_TEST(opens(keeper, next, place));
}

BOOST_AUTO_TEST_CASE(an_intake_key_lives_no_longer_than_its_limit) {
  constexpr std::int64_t born = 5'000'000;
  std::string const first = sealed_key_of(seals.seal("v", place, born));
  BOOST_CHECK(sealed_key_of(seals.seal("v", place, born + 999)) == first);
  std::string const second = sealed_key_of(seals.seal("v", place, born + 1000));
  BOOST_CHECK(second != first);
  BOOST_CHECK(sealed_key_of(seals.seal("v", place, born + 1999)) == second);
  BOOST_CHECK(sealed_key_of(seals.seal("v", place, born + 2000)) != second);
}

BOOST_AUTO_TEST_CASE(an_idle_thread_forgets_its_intake_key_when_it_is_old) {
  std::string const first = sealed_key_of(seals.seal("v", place, 100));
  seals.forget_if_old(1099);
  BOOST_CHECK(sealed_key_of(seals.seal("v", place, 1099)) == first);
  seals.forget_if_old(1100);
  // Back inside its second: were it only skipped, not forgotten, it would be used again.
  std::string const next = seals.seal("v", place, 1099);
  BOOST_CHECK(sealed_key_of(next) != first);
  BOOST_TEST(opens(keeper, next, place));
}

// How often `text` stands in this process's memory between guard pages, where secrets are. Read
// through the kernel, so that no sanitizer minds.
std::size_t copies_between_guards(std::string_view text) {
  std::ifstream regions("/proc/self/maps");
  std::ifstream memory("/proc/self/mem", std::ios::binary);
  std::size_t copies = 0;
  std::uint64_t guard_end = 0;
  for (std::string line; std::getline(regions, line);) {
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
    std::array<char, 5> may{};
    if (std::sscanf(line.c_str(), "%" SCNx64 "-%" SCNx64 " %4s", &begin, &end, may.data()) != 3) {
      continue;
    }
    std::string_view const permissions(may.data());
    bool const follows_guard = begin == guard_end;
    if (permissions == "---p") guard_end = end;
    if (permissions != "rw-p" || !follows_guard || end - begin > 2 * arena::block_bytes) continue;
    std::string bytes(end - begin, '\0');
    memory.clear();
    memory.seekg(static_cast<std::streamoff>(begin));
    if (!memory.read(bytes.data(), static_cast<std::streamsize>(bytes.size()))) continue;
    for (auto at = bytes.find(text); at != std::string::npos; at = bytes.find(text, at + 1)) {
      ++copies;
    }
  }
  return copies;
}

BOOST_AUTO_TEST_CASE(the_sealer_keeps_no_intake_key_and_forgets_what_came_of_it) {
  std::string const sealed = seals.seal("v", place, 100);
  auto const intake = open_sealed_key(keeper, as_bytes(sealed).subspan<1, sealed_key_bytes>());
  BOOST_REQUIRE(intake.has_value());
  BOOST_TEST(copies_between_guards(as_text(intake->reveal())) == 0u);
  value_key key;
  keyed_hash(api.record.reveal(), {as_bytes("tacit value key 1"), intake->reveal()},
             key.reveal_mutable());
  BOOST_TEST(copies_between_guards(as_text(key.reveal())) == 1u);
  seals.forget_if_old(1100);
  BOOST_TEST(copies_between_guards(as_text(key.reveal())) == 0u);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace tacit::core
