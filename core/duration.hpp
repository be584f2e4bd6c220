// Lengths of time as people write them in flags and settings.
//
//   duration := "0" | digits unit        digits: 1 to 9 of them, no sign, no fraction
//   unit     := "ms" | "s" | "m" | "h" | "d"
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace tacit::core {

// Nothing when the text is not one. A number alone is none: nobody could tell its unit.
[[nodiscard]] std::optional<std::chrono::milliseconds> parse_duration(std::string_view text);

// In the largest unit that it is a whole number of: "90s", "24h", "0s".
[[nodiscard]] std::string format_duration(std::chrono::milliseconds time);

}  // namespace tacit::core
