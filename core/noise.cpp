// Names of sections are those of the Noise Protocol Framework, revision 34.
#include "core/noise.hpp"

#include <algorithm>
#include <cstring>

#include "core/check.hpp"

namespace tacit::core {

namespace {

constexpr std::string_view protocol_name = "Noise_KK_25519_ChaChaPoly_BLAKE2b";
static_assert(protocol_name.size() <= hash_bytes, "else its hash would stand for it");
constexpr std::size_t block_bytes = 128;  // BLAKE2b's

using wide_bytes = std::span<unsigned char, hash_bytes>;
using block = secret_array<struct hmac_block_tag, block_bytes>;

// RFC 2104 with BLAKE2b, as section 4.3 wants it: not BLAKE2b's own keyed mode.
void hmac(std::span<unsigned char const, hash_bytes> key, std::initializer_list<bytes_view> text,
          wide_bytes out) noexcept {
  block padded;
  auto const pad = [&](unsigned char with) {
    std::span<unsigned char, block_bytes> const bytes = padded.reveal_mutable();
    std::fill(bytes.begin(), bytes.end(), with);
    for (std::size_t i = 0; i < key.size(); ++i) {
      bytes[i] = static_cast<unsigned char>(bytes[i] ^ key[i]);
    }
  };
  secret_array<struct hmac_inner_tag, hash_bytes> inner;
  constexpr bytes_view none;
  auto const part = [&](std::size_t i) { return i < text.size() ? text.begin()[i] : none; };
  CHECK(text.size() <= 2);
  pad(0x36);
  hash({padded.reveal(), part(0), part(1)}, inner.reveal_mutable());
  pad(0x5C);
  hash({padded.reveal(), inner.reveal()}, out);
}

exchange_public_key key_from(std::string_view bytes) {
  exchange_public_key key;
  CHECK(bytes.size() >= key_bytes);
  std::memcpy(key.bytes.data(), bytes.data(), key_bytes);
  return key;
}

std::string_view text_of(bytes_view bytes) {
  return {reinterpret_cast<char const*>(bytes.data()), bytes.size()};
}

}  // namespace

std::string noise_session::seal(std::string_view plain) {
  std::string sealed(plain.size() + aead_tag_bytes, '\0');
  counted_encrypt(sending_.with.reveal(), sending_.number++, {}, as_bytes(plain),
                  reinterpret_cast<unsigned char*>(sealed.data()));
  return sealed;
}

result<void> noise_session::open(std::string_view sealed, secret_buffer& out) {
  if (sealed.size() < aead_tag_bytes) return errc::corrupt;
  std::size_t const size = sealed.size() - aead_tag_bytes;
  if (size > out.capacity() - out.size()) return errc::corrupt;
  auto* const to = reinterpret_cast<unsigned char*>(out.reveal_storage().data() + out.size());
  auto const opened =
      counted_decrypt(receiving_.with.reveal(), receiving_.number, {}, as_bytes(sealed), to);
  if (!opened) return opened.error();
  ++receiving_.number;
  out.resize(out.size() + size);
  return {};
}

// Section 5.2, InitializeSymmetric; section 5.3, Initialize: both static keys are known before.
noise_state::noise_state(exchange_public_key const& initiator, exchange_public_key const& responder,
                         std::string_view prologue) {
  std::copy(protocol_name.begin(), protocol_name.end(), hash_.begin());
  std::copy(hash_.begin(), hash_.end(), chain_.reveal_mutable().begin());
  mix_hash(prologue);
  mix_hash(initiator);
  mix_hash(responder);
}

void noise_state::mix_hash(std::string_view text) noexcept { hash({hash_, as_bytes(text)}, hash_); }

void noise_state::mix_hash(exchange_public_key const& key) noexcept {
  mix_hash(text_of(key.bytes));
}

// Section 4.3, HKDF with two outputs.
void noise_state::derive(bytes_view input, wide& first, wide& second) noexcept {
  constexpr std::array<unsigned char, 1> one{1};
  constexpr std::array<unsigned char, 1> two{2};
  wide temporary;
  hmac(chain_.reveal(), {input}, temporary.reveal_mutable());
  hmac(temporary.reveal(), {one}, first.reveal_mutable());
  hmac(temporary.reveal(), {first.reveal(), two}, second.reveal_mutable());
}

// MixKey(DH(own, other)).
result<void> noise_state::mix(exchange_private_key const& own, exchange_public_key const& other) {
  secret_array<struct noise_agreed_tag, key_bytes> agreed;
  auto const made = agree(own, other, agreed.reveal_mutable());
  if (!made) return made.error();
  wide chain;
  wide key;
  derive(agreed.reveal(), chain, key);
  chain_ = std::move(chain);
  std::copy_n(key.reveal().begin(), key_bytes, key_.reveal_mutable().begin());
  number_ = 0;
  return {};
}

std::string noise_state::encrypt_and_hash(std::string_view plain) {
  std::string sealed(plain.size() + aead_tag_bytes, '\0');
  counted_encrypt(key_.reveal(), number_++, hash_, as_bytes(plain),
                  reinterpret_cast<unsigned char*>(sealed.data()));
  mix_hash(sealed);
  return sealed;
}

result<std::string> noise_state::decrypt_and_hash(std::string_view sealed) {
  if (sealed.size() < aead_tag_bytes) return errc::corrupt;
  std::string plain(sealed.size() - aead_tag_bytes, '\0');
  auto const opened = counted_decrypt(key_.reveal(), number_++, hash_, as_bytes(sealed),
                                      reinterpret_cast<unsigned char*>(plain.data()));
  if (!opened) return opened.error();
  mix_hash(sealed);
  return plain;
}

noise_session noise_state::split(bool initiator) {
  wide first;
  wide second;
  derive({}, first, second);
  noise_session session;
  wide& sending = initiator ? first : second;
  wide& receiving = initiator ? second : first;
  std::copy_n(sending.reveal().begin(), key_bytes, session.sending_.with.reveal_mutable().begin());
  std::copy_n(receiving.reveal().begin(), key_bytes,
              session.receiving_.with.reveal_mutable().begin());
  chain_.clear();
  key_.clear();
  return session;
}

noise_initiator::noise_initiator(noise_party const& party, exchange_private_key ephemeral)
    : noise_state(party.own_public, party.other, party.prologue),
      party_(party),
      ephemeral_(std::move(ephemeral)) {}

// -> e, es, ss
result<std::string> noise_initiator::begin(std::string_view payload) {
  exchange_public_key const half = public_half(ephemeral_);
  mix_hash(half);
  if (!mix(ephemeral_, party_.other) || !mix(party_.own, party_.other)) return errc::corrupt;
  return std::string(text_of(half.bytes)) + encrypt_and_hash(payload);
}

// <- e, ee, se
result<noise_initiator::finished> noise_initiator::finish(std::string_view message) {
  if (message.size() < noise_message_overhead_bytes) return errc::corrupt;
  exchange_public_key const theirs = key_from(message);
  mix_hash(theirs);
  if (!mix(ephemeral_, theirs) || !mix(party_.own, theirs)) return errc::corrupt;
  auto payload = decrypt_and_hash(message.substr(key_bytes));
  if (!payload) return payload.error();
  ephemeral_.clear();
  return finished{*std::move(payload), split(true)};
}

noise_responder::noise_responder(noise_party const& party, exchange_private_key ephemeral)
    : noise_state(party.other, party.own_public, party.prologue),
      party_(party),
      ephemeral_(std::move(ephemeral)) {}

result<std::string> noise_responder::read(std::string_view message) {
  if (message.size() < noise_message_overhead_bytes) return errc::corrupt;
  their_ephemeral_ = key_from(message);
  mix_hash(their_ephemeral_);
  if (!mix(party_.own, their_ephemeral_) || !mix(party_.own, party_.other)) return errc::corrupt;
  return decrypt_and_hash(message.substr(key_bytes));
}

result<noise_responder::answered> noise_responder::answer(std::string_view payload) {
  exchange_public_key const half = public_half(ephemeral_);
  mix_hash(half);
  if (!mix(ephemeral_, their_ephemeral_) || !mix(ephemeral_, party_.other)) return errc::corrupt;
  std::string message(text_of(half.bytes));
  message += encrypt_and_hash(payload);
  ephemeral_.clear();
  return answered{std::move(message), split(false)};
}

}  // namespace tacit::core
