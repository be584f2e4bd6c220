// Token buckets: a bucket holds N tokens and gains N in 60 seconds. Kept as one 64-bit word each,
// the theoretical arrival time of the generic cell rate algorithm (ITU-T I.371, Annex A): the
// moment at which the bucket would be full again. Changed by compare-and-swap, so any number of
// threads and processes share a bucket without a lock.
#pragma once

#include <atomic>
#include <cstdint>
#include <span>

#include "core/limits.hpp"

namespace tacit::core {

inline constexpr std::int64_t bucket_period_nanoseconds = 60'000'000'000;

// What the answer's headers say.
struct rate_state {
  bool admitted = true;
  std::uint64_t limit = 0;          // N
  std::uint64_t remaining = 0;      // whole tokens left
  std::uint64_t reset_seconds = 0;  // until the next token when empty, else until full; rounded up
};

// What a limit that is switched off says: the largest Integer of RFC 9651 (structured fields).
inline constexpr std::uint64_t unlimited_tokens = 999'999'999'999'999;

struct bucket_decision {
  rate_state state;
  // The word to keep: when not admitted as before, or one period ahead when it was further.
  std::uint64_t full_at_nanoseconds = 0;
};

// Takes one token at `now` from the bucket of `tokens` (1 to limits::requests_per_minute_max) that
// is full again at `full_at`. Times are nanoseconds of one clock; a word further ahead than one
// period (another clock wrote it) counts as one period ahead.
[[nodiscard]] bucket_decision take_token(std::uint64_t full_at_nanoseconds,
                                         std::uint64_t now_nanoseconds,
                                         std::uint32_t tokens) noexcept;
// What the bucket holds, without taking; admitted says whether a token could be taken.
[[nodiscard]] rate_state look_at_bucket(std::uint64_t full_at_nanoseconds,
                                        std::uint64_t now_nanoseconds,
                                        std::uint32_t tokens) noexcept;

enum class bucket_kind : std::uint8_t { read = 0, write = 1 };

// The buckets of all API keys and of the addresses that failed to authenticate, in memory that the
// caller owns (shared memory in the product) and that is all zero when new.
class rate_limiter {
 public:
  using word = std::atomic<std::uint64_t>;
  static_assert(word::is_always_lock_free);
  static constexpr std::size_t words = limits::api_keys_max * 2 + limits::address_buckets;

  struct tokens_per_minute {
    std::uint32_t reads;  // 0: no limit
    std::uint32_t writes;
    std::uint32_t failures;
  };

  rate_limiter(std::span<word, words> table, tokens_per_minute configured)
      : table_(table), configured_(configured) {}

  // For a request of the API key with this slot.
  [[nodiscard]] rate_state take(std::uint16_t slot, bucket_kind kind,
                                std::uint64_t now_nanoseconds) noexcept;
  // For a failed authentication from an address with this hash.
  [[nodiscard]] rate_state take_failure(std::uint64_t address_hash,
                                        std::uint64_t now_nanoseconds) noexcept;
  // The slot is given to a new API key: its buckets are full.
  void clear(std::uint16_t slot) noexcept;

 private:
  rate_state take_from(word& bucket, std::uint32_t tokens, std::uint64_t now) noexcept;

  std::span<word, words> table_;
  tokens_per_minute configured_;
};

}  // namespace tacit::core
