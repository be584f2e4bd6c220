// How long to wait before asking again somebody who did not answer.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace tacit::core {

inline constexpr std::chrono::milliseconds back_off_first{100};
inline constexpr std::chrono::milliseconds back_off_most{2000};

// After failure number `failures` (1 for the first): doubles up to back_off_most. The delay is
// between half of that and all of it, as `random` (any number) has it, so that many who lost the
// same server do not come back together.
[[nodiscard]] constexpr std::chrono::milliseconds back_off_delay(unsigned failures,
                                                                 std::uint32_t random) noexcept {
  unsigned const doublings = std::clamp(failures, 1u, 6u) - 1;
  auto const whole = std::min(back_off_first * (1 << doublings), back_off_most);
  auto const half = whole / 2;
  return half + std::chrono::milliseconds(random % static_cast<std::uint32_t>(half.count() + 1));
}

}  // namespace tacit::core
