// A cached delivery, the whole of a file:
//
//   cached     := format(1) nonce(24) ciphertext(8 + n) tag(16)
//   format     := 0x01
//   ciphertext, tag := XChaCha20-Poly1305(cache key, nonce, associated, plain)
//   plain      := delivered_at(8, little-endian, milliseconds since 1970) body(n)
//   body       := the JSON body of the keeper's 200 (docs/delivery.md)
//   associated := "tacit delivery cache" format(1) length(1) project origin_tag(32)
//   origin_tag := BLAKE2b-256(key = cache key, "tacit cache origin" || origin)
//   cache key  := BLAKE2b-256(key = secret(32), "tacit cache key 1" || machine id)
//
// Never change the meaning of a format; a new one gets a new number.
#include "core/cached_delivery.hpp"

#include <cstring>

#include "core/check.hpp"
#include "core/limits.hpp"
#include "core/wire.hpp"

namespace tacit::core {

namespace {

constexpr std::uint8_t format_1 = 1;
constexpr std::string_view key_purpose = "tacit cache key 1";
constexpr std::string_view origin_purpose = "tacit cache origin";
constexpr std::string_view data_purpose = "tacit delivery cache";
constexpr std::size_t time_bytes = 8;

std::string associated_data(cache_key const& key, cache_place const& place) {
  std::array<unsigned char, key_bytes> origin_tag;
  keyed_hash(key.reveal(), {as_bytes(origin_purpose), as_bytes(place.origin)}, origin_tag);
  std::string bytes(data_purpose);
  wire_writer to(bytes);
  to.number(format_1);
  to.short_text(place.project);
  to.bytes(origin_tag);
  return bytes;
}

}  // namespace

cache_key derive_cache_key(cache_secret const& secret, std::string_view machine_id) {
  cache_key key;
  keyed_hash(secret.reveal(), {as_bytes(key_purpose), as_bytes(machine_id)}, key.reveal_mutable());
  return key;
}

std::string seal_cached(cache_key const& key, cache_place const& place,
                        std::int64_t delivered_unix_milliseconds, std::string_view body) {
  std::string time;
  wire_writer(time).number(delivered_unix_milliseconds);
  secret_buffer plain(time_bytes + body.size());
  CHECK(plain.append(time) && plain.append(body));
  std::array<unsigned char, aead_nonce_bytes> nonce;
  fill_nonce(nonce);
  std::string sealed;
  wire_writer to(sealed);
  to.number(format_1);
  to.bytes(nonce);
  std::size_t const head = sealed.size();
  sealed.resize(head + plain.size() + aead_tag_bytes);
  aead_encrypt(key.reveal(), nonce, as_bytes(associated_data(key, place)), as_bytes(plain.reveal()),
               reinterpret_cast<unsigned char*>(sealed.data() + head));
  return sealed;
}

result<cached_delivery> open_cached(cache_key const& key, cache_place const& place,
                                    std::string_view sealed) {
  wire_reader from(sealed);
  auto const format = from.number<std::uint8_t>();
  std::array<unsigned char, aead_nonce_bytes> nonce;
  from.bytes(std::span(nonce));
  std::string_view const cipher = from.rest();
  bool const fits = from.ok() && format == format_1 && cipher.size() >= time_bytes + aead_tag_bytes;
  if (!fits) return errc::corrupt;
  secret_buffer plain(cipher.size() - aead_tag_bytes);
  auto* const at = reinterpret_cast<unsigned char*>(plain.reveal_storage().data());
  auto const opened = aead_decrypt(key.reveal(), nonce, as_bytes(associated_data(key, place)),
                                   as_bytes(cipher), at);
  if (!opened) return errc::corrupt;
  plain.resize(plain.capacity());
  wire_reader fields(plain.reveal());
  auto const time = fields.number<std::int64_t>();
  cached_delivery found{time, secret_buffer(fields.rest().size())};
  CHECK(found.body.append(fields.rest()));
  return found;
}

cache_verdict judge_cached(cache_times const& times) noexcept {
  // Unsigned, so that no time that somebody wrote overflows; the order says which side it is.
  auto const distance = [](std::int64_t later, std::int64_t earlier) {
    return static_cast<std::uint64_t>(later) - static_cast<std::uint64_t>(earlier);
  };
  std::int64_t const delivered = times.delivered_unix_milliseconds;
  std::int64_t const now = times.now_unix_milliseconds;
  if (delivered > now) {
    bool const near = distance(delivered, now) <= limits::cache_skew_milliseconds_max;
    return near ? cache_verdict::usable : cache_verdict::from_the_future;
  }
  bool const young =
      distance(now, delivered) <= static_cast<std::uint64_t>(times.age_milliseconds_max);
  return young ? cache_verdict::usable : cache_verdict::too_old;
}

}  // namespace tacit::core
