// Primitives and derivations against answers computed without this code: BLAKE2b and the key
// derivation by Python's hashlib, XChaCha20-Poly1305 by a page of Python written from the RFCs (and
// compared with libsodium), X25519 and the box by libsodium itself.
#include "core/crypto.hpp"

#include <boost/test/unit_test.hpp>
#include <set>
#include <thread>

#include "tests/unit/core/samples.hpp"

namespace tacit::core {
namespace {

using test::as_text;
using test::from_hex;

struct crypto_ready {
  crypto_ready() { init_crypto(); }
};

constexpr std::string_view public_key =
    "49ad53f7398cb16a1a080cf183ce31d29d88b47174fa037d9dd46c9aa5b4a158";
constexpr std::string_view record =
    "acf891f25423aa627b8d541ae48c7c9f12c6c07729d14c8aae0239c9a91be63f";
// crypto_box_seal of 20 21 … 3f to that public key, with the ephemeral pair of the seed 07 07 ….
constexpr std::string_view sealed_key =
    "761d88ec830413919dfe9d4d1d56f17e653c8c994082df5b137b90a0ae6edf745249467fe955ba2184a067d8e9a3a0"
    "0b64a1b609c1e88980b1bae59cc8af0ee3d91dd5b1be29ce3fd687e89ec094ab9d";

std::array<unsigned char, sealed_key_bytes> sealed_key_sample() {
  std::array<unsigned char, sealed_key_bytes> bytes;
  std::string const raw = from_hex(sealed_key);
  std::copy(raw.begin(), raw.end(), bytes.begin());
  return bytes;
}

std::string encrypt(bytes_view key, std::string_view nonce, std::string_view associated,
                    std::string_view plain) {
  std::string out(plain.size() + aead_tag_bytes, '\0');
  aead_encrypt(key.first<key_bytes>(), as_bytes(nonce).first<aead_nonce_bytes>(),
               as_bytes(associated), as_bytes(plain), reinterpret_cast<unsigned char*>(out.data()));
  return out;
}

}  // namespace

BOOST_TEST_GLOBAL_FIXTURE(crypto_ready);

BOOST_AUTO_TEST_SUITE(crypto)

BOOST_AUTO_TEST_CASE(a_root_key_gives_the_api_the_known_share) {
  api_share const share = derive_api_share(test::sample_root());
  BOOST_CHECK(as_text(share.public_key.bytes) == from_hex(public_key));
  BOOST_CHECK(as_text(share.record.reveal()) == from_hex(record));
  BOOST_CHECK(as_text(share.rows.label.reveal()) ==
              from_hex("8f8c853285255caa083d8eff27dae9aa5ba2c2c49f5011f5d7135f45b64c31d8"));
  BOOST_CHECK(as_text(share.rows.row.reveal()) ==
              from_hex("a947eb969fa6fe8da4767f7996119c0c9f46b62a385ec79fc0626a7da1fee6d9"));
  BOOST_CHECK(as_text(share.pepper.reveal()) ==
              from_hex("51c58ef9b1579d9232215641aa1c49ec85c0c8174d137ac05be286a0a8844d40"));
  BOOST_CHECK(as_text(share.check) == from_hex("2ba7b25fcf30d2de4377e85c2c5eea2f"));
  BOOST_CHECK(as_text(share.instance) == from_hex("e2b6796eea7e38d0141120a06864074f"));
}

BOOST_AUTO_TEST_CASE(a_root_key_gives_the_keeper_the_known_share) {
  keeper_share const share = derive_keeper_share(test::sample_root());
  BOOST_CHECK(as_text(share.public_key.bytes) == from_hex(public_key));
  BOOST_CHECK(as_text(share.record.reveal()) == from_hex(record));
  BOOST_CHECK(as_text(share.private_key.reveal()) ==
              from_hex("9785278845c24e3cf47d0a5f1671971a53bd5195e85b88b76e1d8a55b0b053d1"));
}

BOOST_AUTO_TEST_CASE(two_root_keys_that_differ_in_one_bit_share_nothing) {
  root_key other = test::sample_root();
  other.reveal_mutable()[31] ^= 1u;
  api_share const a = derive_api_share(test::sample_root());
  api_share const b = derive_api_share(other);
  BOOST_CHECK(a.public_key.bytes != b.public_key.bytes);
  BOOST_CHECK(as_text(a.record.reveal()) != as_text(b.record.reveal()));
  BOOST_CHECK(as_text(a.rows.label.reveal()) != as_text(b.rows.label.reveal()));
  BOOST_CHECK(as_text(a.rows.row.reveal()) != as_text(b.rows.row.reveal()));
  BOOST_CHECK(as_text(a.pepper.reveal()) != as_text(b.pepper.reveal()));
  BOOST_CHECK(a.check != b.check);
  BOOST_CHECK(a.instance != b.instance);
}

BOOST_AUTO_TEST_CASE(encryption_gives_the_known_bytes_and_decryption_takes_them_back) {
  auto const key = test::counting_key<label_key>(0x80);
  std::string const nonce = from_hex("404142434445464748494a4b4c4d4e4f5051525354555657");
  std::string_view const plain =
      "a plain text of more than one block of sixty-four bytes, to be sure";
  std::string const cipher = encrypt(key.reveal(), nonce, "bound to this", plain);
  BOOST_CHECK(
      cipher ==
      from_hex("902c03983a999a7a8f770fa7d6c1fb755f28000b2530f48da49a9a6227756fa46f5f7b5d440b"
               "bf0e58ab953043f5312fb331c86dd85ed75c8e90f8771f03b44e3492874163df9f0086682f2a"
               "43d60692c31513"));
  std::string opened(plain.size(), 'x');
  BOOST_TEST(aead_decrypt(key.reveal(), as_bytes(nonce).first<aead_nonce_bytes>(),
                          as_bytes("bound to this"), as_bytes(cipher),
                          reinterpret_cast<unsigned char*>(opened.data()))
                 .has_value());
  BOOST_CHECK(opened == plain);
}

BOOST_AUTO_TEST_CASE(a_flipped_bit_of_ciphertext_nonce_key_or_associated_data_is_refused) {
  auto const key = test::counting_key<label_key>(3);
  std::string const nonce(aead_nonce_bytes, 'n');
  std::string const cipher = encrypt(key.reveal(), nonce, "place", "four");
  auto const opens = [](std::string_view with, std::string_view once, std::string_view bound,
                        std::string_view bytes) {
    std::string out(bytes.size(), 'x');
    auto const opened = aead_decrypt(as_bytes(with).first<key_bytes>(),
                                     as_bytes(once).first<aead_nonce_bytes>(), as_bytes(bound),
                                     as_bytes(bytes), reinterpret_cast<unsigned char*>(out.data()));
    if (!opened) BOOST_CHECK(out.substr(0, 4) == std::string(4, '\0'));
    return opened.has_value();
  };
  std::string const same(as_text(key.reveal()));
  BOOST_TEST(opens(same, nonce, "place", cipher));
  test::for_each_flipped_bit(
      cipher, [&](auto const& changed) { BOOST_TEST(!opens(same, nonce, "place", changed)); });
  test::for_each_flipped_bit(
      nonce, [&](auto const& changed) { BOOST_TEST(!opens(same, changed, "place", cipher)); });
  test::for_each_flipped_bit(
      same, [&](auto const& changed) { BOOST_TEST(!opens(changed, nonce, "place", cipher)); });
  test::for_each_flipped_bit(
      "place", [&](auto const& changed) { BOOST_TEST(!opens(same, nonce, changed, cipher)); });
  for (std::size_t bytes = 0; bytes < aead_tag_bytes; ++bytes) {
    unsigned char out = 0;
    BOOST_TEST(!aead_decrypt(key.reveal(), as_bytes(nonce).first<aead_nonce_bytes>(), {},
                             as_bytes(cipher).first(bytes), &out));
  }
}

BOOST_AUTO_TEST_CASE(a_sealed_key_of_another_program_opens) {
  keeper_share const keys = derive_keeper_share(test::sample_root());
  auto const opened = open_sealed_key(keys, sealed_key_sample());
  BOOST_REQUIRE(opened.has_value());
  BOOST_CHECK(as_text(opened->reveal()) == as_text(test::counting_key<intake_key>(0x20).reveal()));
}

BOOST_AUTO_TEST_CASE(a_sealed_key_opens_for_the_private_key_only_and_unchanged_only) {
  keeper_share const keys = derive_keeper_share(test::sample_root());
  auto const intake = test::counting_key<intake_key>(9);
  auto sealed = seal_key(keys.public_key, intake);
  auto const opened = open_sealed_key(keys, sealed);
  BOOST_REQUIRE(opened.has_value());
  BOOST_CHECK(as_text(opened->reveal()) == as_text(intake.reveal()));
  BOOST_CHECK(seal_key(keys.public_key, intake) != sealed);

  keeper_share const others = derive_keeper_share(test::counting_key<root_key>(1));
  BOOST_TEST(test::is(open_sealed_key(others, sealed), errc::corrupt));
  for (unsigned char& byte : sealed) {
    byte ^= 0x10u;
    BOOST_TEST(test::is(open_sealed_key(keys, sealed), errc::corrupt));
    byte ^= 0x10u;
  }
}

BOOST_AUTO_TEST_CASE(a_keyed_hash_is_blake2b_of_its_parts_one_after_the_other) {
  // hashlib.blake2b(b"tacit value key 1" + bytes(range(0x20, 0x40)), key=record, digest_size=32)
  std::string const key = from_hex(record);
  auto const intake = test::counting_key<intake_key>(0x20);
  std::array<unsigned char, 32> out{};
  keyed_hash(as_bytes(key).first<key_bytes>(), {as_bytes("tacit value key 1"), intake.reveal()},
             out);
  BOOST_CHECK(as_text(out) ==
              from_hex("51437dabcda430e8461cc83d89d763efdaca364051de7318728071f7ddac6e99"));
}

BOOST_AUTO_TEST_CASE(random_numbers_stay_below_their_bound_and_reach_all_of_it) {
  std::array<unsigned, 6> seen{};
  for (int i = 0; i < 600; ++i) {
    auto const number = random_below(6);
    BOOST_REQUIRE(number < 6);
    ++seen[number];
  }
  for (unsigned const count : seen) BOOST_TEST(count > 0u);
  BOOST_TEST(random_below(1) == 0u);
  BOOST_TEST(random_u64() != random_u64());
  BOOST_CHECK(as_text(make_root_key().reveal()) != as_text(make_root_key().reveal()));
}

BOOST_AUTO_TEST_CASE(no_nonce_is_given_out_twice_whatever_their_sizes) {
  std::set<std::string> seen;
  for (int i = 0; i < 2000; ++i) {
    std::string nonce(i % 3 == 0 ? 8 : i % 3 == 1 ? aead_nonce_bytes : 64, '\0');
    fill_nonce({reinterpret_cast<unsigned char*>(nonce.data()), nonce.size()});
    // Not a piece of another one either: each eight bytes are new.
    for (std::size_t at = 0; at + 8 <= nonce.size(); at += 8) {
      BOOST_REQUIRE(seen.insert(nonce.substr(at, 8)).second);
    }
  }
}

BOOST_AUTO_TEST_CASE(two_threads_are_given_different_nonces) {
  std::array<std::uint64_t, 2> first{};
  {
    std::jthread const one([&] { first[0] = random_u64(); });
    std::jthread const other([&] { first[1] = random_u64(); });
  }
  BOOST_TEST(first[0] != first[1]);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace tacit::core
