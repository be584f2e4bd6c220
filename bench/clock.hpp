// The clock of all latencies.
#pragma once

#include <cstdint>
#include <ctime>

namespace tacit::bench {

inline constexpr std::int64_t nanoseconds_a_second = 1'000'000'000;

inline std::int64_t now_ns() noexcept {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * nanoseconds_a_second + now.tv_nsec;
}

inline std::int64_t to_ns(double seconds) noexcept {
  return static_cast<std::int64_t>(seconds * 1e9);
}

}  // namespace tacit::bench
