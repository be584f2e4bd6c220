// The cryptographic primitives of tacit, all from libsodium, and the keys that come from the root
// key. Nothing here does I/O. Call init_crypto() once before anything else.
//
//   crypto_kdf            BLAKE2b key derivation        (doc.libsodium.org, Key derivation)
//   crypto_box_seal       X25519, XSalsa20-Poly1305     (doc.libsodium.org, Sealed boxes)
//   crypto_aead_*_ietf    XChaCha20-Poly1305            (draft-irtf-cfrg-xchacha-03)
//   crypto_generichash    BLAKE2b, keyed                (RFC 7693)
//   crypto_scalarmult     X25519                        (RFC 7748)
//   crypto_aead_*_ietf    ChaCha20-Poly1305             (RFC 8439)
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>

#include "core/error.hpp"
#include "core/secret.hpp"

namespace tacit::core {

using bytes_view = std::span<unsigned char const>;

inline bytes_view as_bytes(std::string_view text) noexcept {
  return {reinterpret_cast<unsigned char const*>(text.data()), text.size()};
}

inline constexpr std::size_t key_bytes = 32;
inline constexpr std::size_t aead_nonce_bytes = 24;
inline constexpr std::size_t aead_tag_bytes = 16;
inline constexpr std::size_t sealed_key_bytes = 80;  // 32 + crypto_box_SEALBYTES
inline constexpr std::size_t row_tag_bytes = 16;

using root_key = secret_array<struct root_key_tag, key_bytes>;
using store_private_key = secret_array<struct store_private_key_tag, key_bytes>;
using record_key = secret_array<struct record_key_tag, key_bytes>;
using label_key = secret_array<struct label_key_tag, key_bytes>;
using row_key = secret_array<struct row_key_tag, key_bytes>;
using api_key_pepper = secret_array<struct api_key_pepper_tag, key_bytes>;
using intake_key = secret_array<struct intake_key_tag, key_bytes>;
using value_key = secret_array<struct value_key_tag, key_bytes>;

struct store_public_key {
  std::array<unsigned char, key_bytes> bytes{};
};

// A pair for X25519: of a runtime on another machine, of the keeper, or of one handshake.
using exchange_private_key = secret_array<struct exchange_private_key_tag, key_bytes>;
struct exchange_public_key {
  std::array<unsigned char, key_bytes> bytes{};
  friend auto operator<=>(exchange_public_key const&, exchange_public_key const&) = default;
};
using runtime_book_key = secret_array<struct runtime_book_key_tag, key_bytes>;

// Not secret: kept in the store, so that a wrong root key is noticed.
using key_check = std::array<unsigned char, 16>;
// Not secret: names the shared memory of the rate limiter.
using instance_tag = std::array<unsigned char, 16>;

// Encrypts labels, authenticates rows.
struct row_keys {
  label_key label;
  row_key row;
};

// What the api process holds. None of it opens a value.
struct api_share {
  store_public_key public_key;
  record_key record;
  row_keys rows;
  api_key_pepper pepper;
  key_check check{};
  instance_tag instance{};
};

// What the keeper holds.
struct keeper_share {
  store_public_key public_key;
  store_private_key private_key;
  record_key record;
  exchange_private_key towards_runtimes;
  runtime_book_key runtime_book;  // authenticates what the keeper keeps of enrolments
};

// Aborts when libsodium cannot start (no entropy source).
void init_crypto();

// For keys: every call asks the kernel.
void fill_random(std::span<unsigned char> bytes) noexcept;
// For nonces and ids, which are no secrets (at most 64 bytes): a thread asks the kernel for many at
// a time. Not across a fork.
void fill_nonce(std::span<unsigned char> bytes) noexcept;
[[nodiscard]] std::uint64_t random_u64() noexcept;  // by fill_nonce
// Uniform in [0, bound).
[[nodiscard]] std::uint32_t random_below(std::uint32_t bound) noexcept;
[[nodiscard]] root_key make_root_key() noexcept;

// The same root key gives the same shares for ever: the derivation is part of the store's format.
[[nodiscard]] api_share derive_api_share(root_key const& root);
[[nodiscard]] keeper_share derive_keeper_share(root_key const& root);

// Encrypts `plain` to `out`, which has room for plain.size() + aead_tag_bytes.
void aead_encrypt(std::span<unsigned char const, key_bytes> key,
                  std::span<unsigned char const, aead_nonce_bytes> nonce, bytes_view associated,
                  bytes_view plain, unsigned char* out) noexcept;

// Decrypts `cipher` (at least aead_tag_bytes) to `out`, which has room for cipher.size() -
// aead_tag_bytes. errc::corrupt, and `out` zero, when it does not authenticate.
[[nodiscard]] result<void> aead_decrypt(std::span<unsigned char const, key_bytes> key,
                                        std::span<unsigned char const, aead_nonce_bytes> nonce,
                                        bytes_view associated, bytes_view cipher,
                                        unsigned char* out) noexcept;

// An anonymous sealed box around one key: only the private half opens it.
[[nodiscard]] std::array<unsigned char, sealed_key_bytes> seal_key(store_public_key const& to,
                                                                   intake_key const& key) noexcept;
[[nodiscard]] result<intake_key> open_sealed_key(
    keeper_share const& keys, std::span<unsigned char const, sealed_key_bytes> sealed) noexcept;

[[nodiscard]] exchange_private_key make_exchange_key() noexcept;
[[nodiscard]] exchange_public_key public_half(exchange_private_key const& own) noexcept;
// errc::corrupt when the other's key is one of the few that give the same secret to everybody.
[[nodiscard]] result<void> agree(exchange_private_key const& own, exchange_public_key const& other,
                                 std::span<unsigned char, key_bytes> secret) noexcept;

// As aead_encrypt and aead_decrypt, with ChaCha20-Poly1305 and a nonce that is a number: never the
// same twice under one key.
void counted_encrypt(std::span<unsigned char const, key_bytes> key, std::uint64_t number,
                     bytes_view associated, bytes_view plain, unsigned char* out) noexcept;
[[nodiscard]] result<void> counted_decrypt(std::span<unsigned char const, key_bytes> key,
                                           std::uint64_t number, bytes_view associated,
                                           bytes_view cipher, unsigned char* out) noexcept;

// SipHash-2-4 with 128 bits (crypto_shorthash_siphashx24): tells for a process, under a key that it
// made for itself, whether two short texts are the same, without keeping one of them.
using short_tag = std::array<unsigned char, 16>;
using short_tag_key = secret_array<struct short_tag_key_tag, 16>;
[[nodiscard]] short_tag make_short_tag(short_tag_key const& key, bytes_view text) noexcept;

// Keyed BLAKE2b over the parts, one after the other; the caller makes their borders unambiguous.
// `out` has 16 to 64 bytes.
void keyed_hash(std::span<unsigned char const, key_bytes> key,
                std::initializer_list<bytes_view> parts, std::span<unsigned char> out) noexcept;

// BLAKE2b-512 over the parts, one after the other.
inline constexpr std::size_t hash_bytes = 64;
void hash(std::initializer_list<bytes_view> parts,
          std::span<unsigned char, hash_bytes> out) noexcept;

// base64url without padding (RFC 4648 section 5). errc::validation for anything else, also for bits
// beyond the last byte.
[[nodiscard]] std::string encode_base64(bytes_view bytes);
[[nodiscard]] result<std::string> decode_base64(std::string_view text);

}  // namespace tacit::core
