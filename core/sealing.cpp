// A sealed value, as stored in the family `values` and sent to the keeper:
//
//   sealed     := format(1) sealed_key(80) nonce(24) ciphertext(n) tag(16)
//   format     := 0x01
//   sealed_key := crypto_box_seal(intake key, store public key)
//   ciphertext, tag := XChaCha20-Poly1305(value key, nonce, associated, value)
//   value key  := BLAKE2b-256(key = record key, "tacit value key 1" || intake key)
//   associated := format(1) length(1) project  length(1) name  record_id(8, little-endian)
//
// Never change the meaning of a format; a new one gets a new number.
#include "core/sealing.hpp"

#include <cstring>

#include "core/wire.hpp"

namespace tacit::core {

namespace {

constexpr std::uint8_t format_1 = 1;
constexpr std::string_view value_key_purpose = "tacit value key 1";

value_key derive_value_key(record_key const& record, intake_key const& intake) {
  value_key key;
  keyed_hash(record.reveal(), {as_bytes(value_key_purpose), intake.reveal()}, key.reveal_mutable());
  return key;
}

std::string associated_data(value_place const& place) {
  std::string bytes;
  wire_writer to(bytes);
  to.number(format_1);
  to.short_text(place.project.text());
  to.short_text(place.name.text());
  to.number(place.record_id);
  return bytes;
}

std::string seal_under(value_key const& key,
                       std::span<unsigned char const, sealed_key_bytes> sealed_key,
                       std::span<unsigned char const, aead_nonce_bytes> nonce,
                       std::string_view value, value_place const& place) {
  std::string sealed;
  sealed.reserve(value.size() + sealed_value_overhead_bytes);
  wire_writer to(sealed);
  to.number(format_1);
  to.bytes(sealed_key);
  to.bytes(nonce);
  std::size_t const head = sealed.size();
  sealed.resize(head + value.size() + aead_tag_bytes);
  aead_encrypt(key.reveal(), nonce, as_bytes(associated_data(place)), as_bytes(value),
               reinterpret_cast<unsigned char*>(sealed.data() + head));
  return sealed;
}

}  // namespace

std::string seal_with(intake_key const& key,
                      std::span<unsigned char const, sealed_key_bytes> sealed_key,
                      record_key const& record,
                      std::span<unsigned char const, aead_nonce_bytes> nonce,
                      std::string_view value, value_place const& place) {
  return seal_under(derive_value_key(record, key), sealed_key, nonce, value, place);
}

void sealer::renew(std::int64_t boot_milliseconds) {
  fill_random(intake_->reveal_mutable());
  sealed_key_ = seal_key(to_, *intake_);
  *key_ = derive_value_key(record_, *intake_);
  intake_->clear();
  uses_left_ = limits::intake_uses_max;
  born_boot_milliseconds_ = boot_milliseconds;
}

void sealer::forget_if_old(std::int64_t boot_milliseconds) noexcept {
  if (boot_milliseconds - born_boot_milliseconds_ < limits::intake_milliseconds_max) return;
  key_->clear();
  uses_left_ = 0;
}

std::string sealer::seal(std::string_view value, value_place const& place,
                         std::int64_t boot_milliseconds) {
  forget_if_old(boot_milliseconds);
  if (uses_left_ == 0) renew(boot_milliseconds);
  --uses_left_;
  std::array<unsigned char, aead_nonce_bytes> nonce;
  fill_nonce(nonce);
  std::string sealed = seal_under(*key_, sealed_key_, nonce, value, place);
  if (uses_left_ == 0) key_->clear();
  return sealed;
}

result<void> open_value(keeper_share const& keys, std::string_view sealed, value_place const& place,
                        secret_buffer& out) {
  return value_opener(keys).open(sealed, place, out);
}

result<void> value_opener::open(std::string_view sealed, value_place const& place,
                                secret_buffer& out) {
  wire_reader from(sealed);
  std::array<unsigned char, sealed_key_bytes> sealed_key;
  std::array<unsigned char, aead_nonce_bytes> nonce;
  auto const format = from.number<std::uint8_t>();
  from.bytes(std::span(sealed_key));
  from.bytes(std::span(nonce));
  std::string_view const cipher = from.rest();
  if (!from.ok() || format != format_1 || cipher.size() < aead_tag_bytes) return errc::corrupt;
  std::size_t const plain_bytes = cipher.size() - aead_tag_bytes;
  if (plain_bytes > out.capacity() - out.size()) return errc::corrupt;

  if (!has_key_ || sealed_key != sealed_key_) {
    auto const intake = open_sealed_key(keys_, sealed_key);
    if (!intake) return errc::corrupt;
    key_ = derive_value_key(keys_.record, *intake);
    sealed_key_ = sealed_key;
    has_key_ = true;
  }
  auto* const at = reinterpret_cast<unsigned char*>(out.reveal_storage().data() + out.size());
  auto const opened =
      aead_decrypt(key_.reveal(), nonce, as_bytes(associated_data(place)), as_bytes(cipher), at);
  if (!opened) return errc::corrupt;
  out.resize(out.size() + plain_bytes);
  return {};
}

}  // namespace tacit::core
