#include "core/crypto.hpp"

#include <sodium.h>

#include <algorithm>
#include <bit>

#include "core/check.hpp"

namespace tacit::core {

namespace {

static_assert(key_bytes == crypto_kdf_KEYBYTES);
static_assert(key_bytes == crypto_box_PUBLICKEYBYTES && key_bytes == crypto_box_SECRETKEYBYTES);
static_assert(key_bytes == crypto_box_SEEDBYTES);
static_assert(key_bytes == crypto_aead_xchacha20poly1305_ietf_KEYBYTES);
static_assert(aead_nonce_bytes == crypto_aead_xchacha20poly1305_ietf_NPUBBYTES);
static_assert(aead_tag_bytes == crypto_aead_xchacha20poly1305_ietf_ABYTES);
static_assert(sealed_key_bytes == key_bytes + crypto_box_SEALBYTES);
static_assert(key_bytes == crypto_scalarmult_BYTES && key_bytes == crypto_scalarmult_SCALARBYTES);
static_assert(key_bytes == crypto_aead_chacha20poly1305_ietf_KEYBYTES);
static_assert(aead_tag_bytes == crypto_aead_chacha20poly1305_ietf_ABYTES);
static_assert(hash_bytes == crypto_generichash_BYTES_MAX);

// Numbers of the subkeys of the root key. Part of the stored format: never change or reuse one.
enum class subkey : std::uint64_t {
  store_pair_seed = 1,
  record = 2,
  label = 3,
  pepper = 4,
  check = 5,
  instance = 6,
  row = 7,
  towards_runtimes = 8,
  runtime_book = 9,
};

constexpr char derivation_context[crypto_kdf_CONTEXTBYTES + 1] = "tacit_v1";

void derive(root_key const& root, subkey which, std::span<unsigned char> out) {
  CHECK(crypto_kdf_derive_from_key(out.data(), out.size(), static_cast<std::uint64_t>(which),
                                   derivation_context, root.reveal().data()) == 0);
}

void derive_store_pair(root_key const& root, store_public_key& public_key,
                       store_private_key& private_key) {
  secret_array<struct seed_tag, key_bytes> seed;
  derive(root, subkey::store_pair_seed, seed.reveal_mutable());
  CHECK(crypto_box_seed_keypair(public_key.bytes.data(), private_key.reveal_mutable().data(),
                                seed.reveal().data()) == 0);
}

}  // namespace

void init_crypto() { CHECK(sodium_init() >= 0); }

void fill_random(std::span<unsigned char> bytes) noexcept {
  randombytes_buf(bytes.data(), bytes.size());
}

void fill_nonce(std::span<unsigned char> bytes) noexcept {
  struct pool {
    std::array<unsigned char, 2048> random;
    std::size_t used = sizeof random;
  };
  thread_local pool drawn;
  CHECK(bytes.size() <= 64);
  if (drawn.used + bytes.size() > drawn.random.size()) {
    randombytes_buf(drawn.random.data(), drawn.random.size());
    drawn.used = 0;
  }
  std::copy_n(drawn.random.begin() + static_cast<std::ptrdiff_t>(drawn.used), bytes.size(),
              bytes.begin());
  drawn.used += bytes.size();
}

std::uint64_t random_u64() noexcept {
  std::array<unsigned char, sizeof(std::uint64_t)> bytes;
  fill_nonce(bytes);
  return std::bit_cast<std::uint64_t>(bytes);
}

std::uint32_t random_below(std::uint32_t bound) noexcept { return randombytes_uniform(bound); }

root_key make_root_key() noexcept {
  root_key root;
  fill_random(root.reveal_mutable());
  return root;
}

api_share derive_api_share(root_key const& root) {
  api_share share;
  store_private_key not_for_the_api;
  derive_store_pair(root, share.public_key, not_for_the_api);
  derive(root, subkey::record, share.record.reveal_mutable());
  derive(root, subkey::label, share.rows.label.reveal_mutable());
  derive(root, subkey::row, share.rows.row.reveal_mutable());
  derive(root, subkey::pepper, share.pepper.reveal_mutable());
  derive(root, subkey::check, share.check);
  derive(root, subkey::instance, share.instance);
  return share;
}

keeper_share derive_keeper_share(root_key const& root) {
  keeper_share share;
  derive_store_pair(root, share.public_key, share.private_key);
  derive(root, subkey::record, share.record.reveal_mutable());
  derive(root, subkey::towards_runtimes, share.towards_runtimes.reveal_mutable());
  derive(root, subkey::runtime_book, share.runtime_book.reveal_mutable());
  return share;
}

void aead_encrypt(std::span<unsigned char const, key_bytes> key,
                  std::span<unsigned char const, aead_nonce_bytes> nonce, bytes_view associated,
                  bytes_view plain, unsigned char* out) noexcept {
  unsigned long long written = 0;
  CHECK(crypto_aead_xchacha20poly1305_ietf_encrypt(out, &written, plain.data(), plain.size(),
                                                   associated.data(), associated.size(), nullptr,
                                                   nonce.data(), key.data()) == 0);
  CHECK(written == plain.size() + aead_tag_bytes);
}

result<void> aead_decrypt(std::span<unsigned char const, key_bytes> key,
                          std::span<unsigned char const, aead_nonce_bytes> nonce,
                          bytes_view associated, bytes_view cipher, unsigned char* out) noexcept {
  if (cipher.size() < aead_tag_bytes) return errc::corrupt;
  unsigned long long written = 0;
  int const refused = crypto_aead_xchacha20poly1305_ietf_decrypt(
      out, &written, nullptr, cipher.data(), cipher.size(), associated.data(), associated.size(),
      nonce.data(), key.data());
  if (refused != 0) return errc::corrupt;
  return {};
}

std::array<unsigned char, sealed_key_bytes> seal_key(store_public_key const& to,
                                                     intake_key const& key) noexcept {
  std::array<unsigned char, sealed_key_bytes> sealed;
  CHECK(crypto_box_seal(sealed.data(), key.reveal().data(), key_bytes, to.bytes.data()) == 0);
  return sealed;
}

result<intake_key> open_sealed_key(
    keeper_share const& keys, std::span<unsigned char const, sealed_key_bytes> sealed) noexcept {
  intake_key key;
  if (crypto_box_seal_open(key.reveal_mutable().data(), sealed.data(), sealed.size(),
                           keys.public_key.bytes.data(), keys.private_key.reveal().data()) != 0) {
    return errc::corrupt;
  }
  return key;
}

exchange_private_key make_exchange_key() noexcept {
  exchange_private_key made;
  fill_random(made.reveal_mutable());
  return made;
}

exchange_public_key public_half(exchange_private_key const& own) noexcept {
  exchange_public_key half;
  CHECK(crypto_scalarmult_base(half.bytes.data(), own.reveal().data()) == 0);
  return half;
}

result<void> agree(exchange_private_key const& own, exchange_public_key const& other,
                   std::span<unsigned char, key_bytes> secret) noexcept {
  // libsodium refuses the points of small order, whose product is zero.
  if (crypto_scalarmult(secret.data(), own.reveal().data(), other.bytes.data()) != 0) {
    return errc::corrupt;
  }
  return {};
}

namespace {

using counted_nonce = std::array<unsigned char, crypto_aead_chacha20poly1305_ietf_NPUBBYTES>;

// Four zero bytes, and the number little-endian (Noise, section 12.3).
counted_nonce nonce_of(std::uint64_t number) noexcept {
  counted_nonce nonce{};
  for (std::size_t i = 4; i < nonce.size(); ++i, number >>= 8) {
    nonce[i] = static_cast<unsigned char>(number & 0xFFu);
  }
  return nonce;
}

}  // namespace

void counted_encrypt(std::span<unsigned char const, key_bytes> key, std::uint64_t number,
                     bytes_view associated, bytes_view plain, unsigned char* out) noexcept {
  counted_nonce const nonce = nonce_of(number);
  unsigned long long written = 0;
  CHECK(crypto_aead_chacha20poly1305_ietf_encrypt(out, &written, plain.data(), plain.size(),
                                                  associated.data(), associated.size(), nullptr,
                                                  nonce.data(), key.data()) == 0);
  CHECK(written == plain.size() + aead_tag_bytes);
}

result<void> counted_decrypt(std::span<unsigned char const, key_bytes> key, std::uint64_t number,
                             bytes_view associated, bytes_view cipher,
                             unsigned char* out) noexcept {
  if (cipher.size() < aead_tag_bytes) return errc::corrupt;
  counted_nonce const nonce = nonce_of(number);
  unsigned long long written = 0;
  int const refused = crypto_aead_chacha20poly1305_ietf_decrypt(
      out, &written, nullptr, cipher.data(), cipher.size(), associated.data(), associated.size(),
      nonce.data(), key.data());
  if (refused != 0) return errc::corrupt;
  return {};
}

short_tag make_short_tag(short_tag_key const& key, bytes_view text) noexcept {
  static_assert(short_tag_key::bytes == crypto_shorthash_siphashx24_KEYBYTES);
  static_assert(sizeof(short_tag) == crypto_shorthash_siphashx24_BYTES);
  short_tag tag;
  crypto_shorthash_siphashx24(tag.data(), text.data(), text.size(), key.reveal().data());
  return tag;
}

void keyed_hash(std::span<unsigned char const, key_bytes> key,
                std::initializer_list<bytes_view> parts, std::span<unsigned char> out) noexcept {
  crypto_generichash_state state;
  CHECK(crypto_generichash_init(&state, key.data(), key.size(), out.size()) == 0);
  for (bytes_view const part : parts) {
    crypto_generichash_update(&state, part.data(), part.size());
  }
  crypto_generichash_final(&state, out.data(), out.size());
  wipe(&state, sizeof state);
}

void hash(std::initializer_list<bytes_view> parts,
          std::span<unsigned char, hash_bytes> out) noexcept {
  crypto_generichash_state state;
  CHECK(crypto_generichash_init(&state, nullptr, 0, out.size()) == 0);
  for (bytes_view const part : parts) {
    crypto_generichash_update(&state, part.data(), part.size());
  }
  crypto_generichash_final(&state, out.data(), out.size());
  wipe(&state, sizeof state);
}

std::string encode_base64(bytes_view bytes) {
  constexpr int variant = sodium_base64_VARIANT_URLSAFE_NO_PADDING;
  std::string text(sodium_base64_encoded_len(bytes.size(), variant), '\0');  // with a NUL
  sodium_bin2base64(text.data(), text.size(), bytes.data(), bytes.size(), variant);
  text.pop_back();
  return text;
}

result<std::string> decode_base64(std::string_view text) {
  std::string bytes(text.size() / 4 * 3 + 3, '\0');
  std::size_t size = 0;
  char const* end = nullptr;
  int const refused = sodium_base642bin(reinterpret_cast<unsigned char*>(bytes.data()),
                                        bytes.size(), text.data(), text.size(), nullptr, &size,
                                        &end, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
  if (refused != 0 || end != text.data() + text.size()) return errc::validation;
  bytes.resize(size);
  return bytes;
}

}  // namespace tacit::core
