#include "core/rate_limiter.hpp"

#include <algorithm>

#include "core/check.hpp"

namespace tacit::core {

namespace {

constexpr std::uint64_t period = bucket_period_nanoseconds;

std::uint64_t seconds_rounded_up(std::uint64_t nanoseconds) {
  constexpr std::uint64_t second = 1'000'000'000;
  return (nanoseconds + second - 1) / second;
}

// How long the bucket needs until it is full: 0 to one period.
std::uint64_t debt(std::uint64_t full_at, std::uint64_t now) {
  return full_at <= now ? 0 : std::min(full_at - now, period);
}

// What one token costs. Rounded down: a bucket of N tokens must hold N whole ones.
std::uint64_t token_nanoseconds(std::uint32_t tokens) {
  CHECK(tokens > 0 && tokens <= limits::requests_per_minute_max);
  return period / tokens;
}

rate_state describe(std::uint64_t owed, std::uint32_t tokens) {
  std::uint64_t const one = token_nanoseconds(tokens);
  rate_state state;
  state.limit = tokens;
  state.remaining = std::min<std::uint64_t>((period - owed) / one, tokens);
  state.reset_seconds = seconds_rounded_up(state.remaining == 0 ? owed - (period - one) : owed);
  return state;
}

rate_state unlimited() {
  rate_state state;
  state.limit = unlimited_tokens;
  state.remaining = unlimited_tokens;
  return state;
}

}  // namespace

rate_state look_at_bucket(std::uint64_t full_at_nanoseconds, std::uint64_t now_nanoseconds,
                          std::uint32_t tokens) noexcept {
  rate_state state = describe(debt(full_at_nanoseconds, now_nanoseconds), tokens);
  state.admitted = state.remaining > 0;
  return state;
}

bucket_decision take_token(std::uint64_t full_at_nanoseconds, std::uint64_t now_nanoseconds,
                           std::uint32_t tokens) noexcept {
  std::uint64_t const owed = debt(full_at_nanoseconds, now_nanoseconds);
  std::uint64_t const owed_after = owed + token_nanoseconds(tokens);
  if (owed_after > period) {
    bucket_decision refused{describe(owed, tokens),
                            std::min(full_at_nanoseconds, now_nanoseconds + period)};
    refused.state.admitted = false;
    return refused;
  }
  return {describe(owed_after, tokens), now_nanoseconds + owed_after};
}

rate_state rate_limiter::take_from(word& bucket, std::uint32_t tokens, std::uint64_t now) noexcept {
  if (tokens == 0) return unlimited();
  std::uint64_t seen = bucket.load(std::memory_order_relaxed);
  while (true) {
    bucket_decision const decided = take_token(seen, now, tokens);
    if (decided.full_at_nanoseconds == seen) return decided.state;
    if (bucket.compare_exchange_weak(seen, decided.full_at_nanoseconds,
                                     std::memory_order_relaxed)) {
      return decided.state;
    }
  }
}

rate_state rate_limiter::take(std::uint16_t slot, bucket_kind kind,
                              std::uint64_t now_nanoseconds) noexcept {
  CHECK(slot < limits::api_keys_max);
  std::uint32_t const tokens = kind == bucket_kind::read ? configured_.reads : configured_.writes;
  return take_from(table_[slot * 2u + static_cast<unsigned>(kind)], tokens, now_nanoseconds);
}

rate_state rate_limiter::take_failure(std::uint64_t address_hash,
                                      std::uint64_t now_nanoseconds) noexcept {
  std::size_t const bucket = limits::api_keys_max * 2 + address_hash % limits::address_buckets;
  return take_from(table_[bucket], configured_.failures, now_nanoseconds);
}

void rate_limiter::clear(std::uint16_t slot) noexcept {
  CHECK(slot < limits::api_keys_max);
  table_[slot * 2u].store(0, std::memory_order_relaxed);
  table_[slot * 2u + 1].store(0, std::memory_order_relaxed);
}

}  // namespace tacit::core
