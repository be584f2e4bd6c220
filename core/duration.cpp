#include "core/duration.hpp"

#include <array>
#include <cstdint>

namespace tacit::core {

namespace {

struct unit {
  std::string_view name;
  std::int64_t milliseconds;
};

constexpr std::array units{unit{"d", 86'400'000}, unit{"h", 3'600'000}, unit{"m", 60'000},
                           unit{"s", 1000}, unit{"ms", 1}};
constexpr std::size_t digits_max = 9;  // in days, a number of 64 bits holds it

}  // namespace

std::optional<std::chrono::milliseconds> parse_duration(std::string_view text) {
  if (text == "0") return std::chrono::milliseconds(0);
  std::size_t digits = 0;
  std::int64_t number = 0;
  while (digits < text.size() && text[digits] >= '0' && text[digits] <= '9') {
    if (++digits > digits_max) return std::nullopt;
    number = number * 10 + (text[digits - 1] - '0');
  }
  if (digits == 0) return std::nullopt;
  for (unit const& one : units) {
    if (text.substr(digits) == one.name) {
      return std::chrono::milliseconds(number * one.milliseconds);
    }
  }
  return std::nullopt;
}

std::string format_duration(std::chrono::milliseconds time) {
  if (time.count() == 0) return "0s";
  for (unit const& one : units) {
    if (time.count() % one.milliseconds == 0) {
      return std::to_string(time.count() / one.milliseconds) + std::string(one.name);
    }
  }
  return "";  // not reached: everything is a number of milliseconds
}

}  // namespace tacit::core
