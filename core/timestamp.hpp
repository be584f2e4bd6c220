// Points in time as the contract writes them: RFC 3339, UTC, exactly three fractional digits, 'Z'.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <string_view>

#include "core/error.hpp"

namespace tacit::core {

struct timestamp {
  std::int64_t unix_milliseconds = 0;
  friend auto operator<=>(timestamp const&, timestamp const&) = default;
};

inline constexpr std::size_t timestamp_chars = 24;  // 2026-04-18T09:12:44.000Z

// Years 0000 to 9999; a time outside of them is written as the nearest end.
[[nodiscard]] std::array<char, timestamp_chars> format_timestamp(timestamp when) noexcept;

// RFC 3339 section 5.6: a full date, alone (midnight UTC) or with a time of day, an optional
// fraction (digits beyond milliseconds are dropped) and 'Z' or an offset. Leap seconds are refused.
[[nodiscard]] result<timestamp> parse_timestamp(std::string_view text) noexcept;

// Where the program gets the time of day from (a port: tests bring their own).
class clock {
 public:
  virtual ~clock() = default;
  [[nodiscard]] virtual timestamp now() const noexcept = 0;
};

}  // namespace tacit::core
