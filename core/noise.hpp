// A handshake of two that know each other's public keys, and what is sealed with its outcome:
// Noise_KK_25519_ChaChaPoly_BLAKE2b (the Noise Protocol Framework, revision 34).
//
//   -> e, es, ss     message 1: proves the initiator to the responder, but may be a recorded one
//   <- e, ee, se     message 2: proves the responder, and that it answers this message 1
//
// The responder's e is the challenge: only the initiator of message 1, with its private key and the
// private half of its e, seals anything that opens in the session. Who records everything and comes
// by both private keys later opens nothing of it. Plain state, no I/O.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/crypto.hpp"
#include "core/error.hpp"
#include "core/secret.hpp"

namespace tacit::core {

inline constexpr std::size_t noise_message_overhead_bytes = key_bytes + aead_tag_bytes;

// One's own pair, the other's public key, and what both must have in mind (the prologue).
struct noise_party {
  exchange_private_key const& own;
  exchange_public_key own_public;
  exchange_public_key other;
  std::string_view prologue;
};

// What a finished handshake gives to each side. A message opens once, in its turn, on the other
// side alone; after one that did not open nothing more is to be expected.
class noise_session {
 public:
  [[nodiscard]] std::string seal(std::string_view plain);
  // Appends to `out`. errc::corrupt, with `out` as it was, also when it does not fit.
  [[nodiscard]] result<void> open(std::string_view sealed, secret_buffer& out);

 private:
  friend class noise_state;
  using key = secret_array<struct noise_key_tag, key_bytes>;
  struct direction {
    key with;
    std::uint64_t number = 0;
  };
  direction sending_;
  direction receiving_;
};

// The symmetric state of a handshake (section 5.2), with the tokens of the pattern. Private to the
// two sides below.
class noise_state {
 protected:
  noise_state(exchange_public_key const& initiator, exchange_public_key const& responder,
              std::string_view prologue);
  void mix_hash(std::string_view text) noexcept;
  void mix_hash(exchange_public_key const& key) noexcept;
  [[nodiscard]] result<void> mix(exchange_private_key const& own, exchange_public_key const& other);
  [[nodiscard]] std::string encrypt_and_hash(std::string_view plain);
  [[nodiscard]] result<std::string> decrypt_and_hash(std::string_view sealed);
  [[nodiscard]] noise_session split(bool initiator);

 private:
  using wide = secret_array<struct noise_wide_tag, hash_bytes>;
  void derive(bytes_view input, wide& first, wide& second) noexcept;

  wide chain_;
  noise_session::key key_;
  std::uint64_t number_ = 0;
  std::array<unsigned char, hash_bytes> hash_{};
};

class noise_initiator : private noise_state {
 public:
  // `ephemeral` is fresh (make_exchange_key()), but in tests with known answers.
  noise_initiator(noise_party const& party, exchange_private_key ephemeral);

  // Message 1. errc::corrupt when the other's key is worthless.
  [[nodiscard]] result<std::string> begin(std::string_view payload);
  struct finished {
    std::string payload;
    noise_session session;
  };
  // Takes message 2, after begin(). errc::corrupt when it is not an answer of the other to it.
  [[nodiscard]] result<finished> finish(std::string_view message);

 private:
  noise_party party_;
  exchange_private_key ephemeral_;
};

class noise_responder : private noise_state {
 public:
  noise_responder(noise_party const& party, exchange_private_key ephemeral);

  // Takes message 1: its payload. errc::corrupt when it is not the other's.
  [[nodiscard]] result<std::string> read(std::string_view message);
  struct answered {
    std::string message;
    noise_session session;
  };
  // Message 2, after read().
  [[nodiscard]] result<answered> answer(std::string_view payload);

 private:
  noise_party party_;
  exchange_private_key ephemeral_;
  exchange_public_key their_ephemeral_;
};

}  // namespace tacit::core
