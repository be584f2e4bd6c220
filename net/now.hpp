// The clocks that a request reads, all without a system call (vDSO).
#pragma once

#include <cstdint>
#include <ctime>

#include "core/timestamp.hpp"

namespace tacit::net {

inline std::int64_t read_clock_nanoseconds(clockid_t which) noexcept {
  timespec now{};
  ::clock_gettime(which, &now);
  return now.tv_sec * 1'000'000'000LL + now.tv_nsec;
}

// The time of day, as fine as the kernel's tick.
inline core::timestamp now_of_day() noexcept {
  return {read_clock_nanoseconds(CLOCK_REALTIME_COARSE) / 1'000'000};
}

// Since boot, with suspension: never goes back. For the rate limiter and the age of intake keys.
inline std::uint64_t boot_nanoseconds() noexcept {
  return static_cast<std::uint64_t>(read_clock_nanoseconds(CLOCK_BOOTTIME));
}
inline std::int64_t boot_milliseconds() noexcept {
  return read_clock_nanoseconds(CLOCK_BOOTTIME) / 1'000'000;
}

inline std::int64_t monotonic_microseconds() noexcept {
  return read_clock_nanoseconds(CLOCK_MONOTONIC) / 1000;
}

}  // namespace tacit::net
