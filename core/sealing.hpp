// Values at rest. The api process seals: it holds the store's public key and the record key. Only
// the keeper, who holds the private key, opens. The grammar stands in sealing.cpp.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/crypto.hpp"
#include "core/limits.hpp"
#include "core/name.hpp"
#include "core/secret.hpp"

namespace tacit::core {

// Where a value belongs. A sealed value opens at its own place only.
struct value_place {
  project_id const& project;
  secret_name const& name;
  std::uint64_t record_id;
};

inline constexpr std::size_t sealed_value_overhead_bytes =
    1 + sealed_key_bytes + aead_nonce_bytes + aead_tag_bytes;
inline constexpr std::size_t sealed_value_bytes_max =
    limits::value_bytes_max + sealed_value_overhead_bytes;

// Seals values with an intake key that it makes for itself; what comes of it is forgotten after
// limits::intake_uses_max values or limits::intake_milliseconds_max. One per thread.
class sealer {
 public:
  sealer(store_public_key const& to, record_key const& record) : to_(to), record_(record) {}

  // `boot_milliseconds` is a clock that never goes back; it only ages the intake key.
  [[nodiscard]] std::string seal(std::string_view value, value_place const& place,
                                 std::int64_t boot_milliseconds);

  // Forgets the key when it is too old. Called now and then, so that an idle thread does
  // not keep one.
  void forget_if_old(std::int64_t boot_milliseconds) noexcept;

 private:
  void renew(std::int64_t boot_milliseconds);

  store_public_key const& to_;
  record_key const& record_;
  // The intake key is here only until it is sealed: what seals is the key derived from it.
  locked_ptr<intake_key> intake_ = make_locked(intake_key());
  locked_ptr<value_key> key_ = make_locked(value_key());
  std::array<unsigned char, sealed_key_bytes> sealed_key_{};
  std::uint32_t uses_left_ = 0;
  std::int64_t born_boot_milliseconds_ = 0;
};

// As sealer::seal, with given keys and nonce: for known answers in tests.
[[nodiscard]] std::string seal_with(intake_key const& key,
                                    std::span<unsigned char const, sealed_key_bytes> sealed_key,
                                    record_key const& record,
                                    std::span<unsigned char const, aead_nonce_bytes> nonce,
                                    std::string_view value, value_place const& place);

// Opens values, and keeps the last intake key meanwhile: values that were set together share one,
// and opening it is what costs. For as long as one delivery.
class value_opener {
 public:
  explicit value_opener(keeper_share const& keys) : keys_(keys) {}

  // As open_value.
  [[nodiscard]] result<void> open(std::string_view sealed, value_place const& place,
                                  secret_buffer& out);

 private:
  keeper_share const& keys_;
  std::array<unsigned char, sealed_key_bytes> sealed_key_{};
  value_key key_;  // of the values that are sealed with it
  bool has_key_ = false;
};

// Appends the value to `out`. errc::corrupt, with `out` as it was, when the bytes were not sealed
// for this place by a holder of the record key, when anything in them was changed, or when they
// do not fit into `out`.
[[nodiscard]] result<void> open_value(keeper_share const& keys, std::string_view sealed,
                                      value_place const& place, secret_buffer& out);

}  // namespace tacit::core
