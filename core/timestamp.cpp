#include "core/timestamp.hpp"

#include <algorithm>
#include <chrono>
#include <optional>

namespace tacit::core {

namespace {

using std::chrono::days;
using std::chrono::milliseconds;
using std::chrono::sys_days;

constexpr std::int64_t first_millisecond = -62'167'219'200'000;  // 0000-01-01T00:00:00.000Z
constexpr std::int64_t last_millisecond = 253'402'300'799'999;   // 9999-12-31T23:59:59.999Z

void put_digits(char* at, int width, std::int64_t number) {
  for (int i = width - 1; i >= 0; --i, number /= 10) at[i] = static_cast<char>('0' + number % 10);
}

// Reads digits and fixed characters from the front of a text.
class cursor {
 public:
  explicit cursor(std::string_view text) : rest_(text) {}

  std::optional<int> digits(std::size_t width) {
    if (rest_.size() < width) return std::nullopt;
    int number = 0;
    for (char const c : rest_.substr(0, width)) {
      if (c < '0' || c > '9') return std::nullopt;
      number = number * 10 + (c - '0');
    }
    rest_.remove_prefix(width);
    return number;
  }

  bool skip(std::string_view any_of) {
    if (rest_.empty() || any_of.find(rest_.front()) == std::string_view::npos) return false;
    rest_.remove_prefix(1);
    return true;
  }

  char peek() const { return rest_.empty() ? '\0' : rest_.front(); }
  bool done() const { return rest_.empty(); }

 private:
  std::string_view rest_;
};

std::optional<sys_days> read_date(cursor& at) {
  auto const year = at.digits(4);
  if (!year || !at.skip("-")) return std::nullopt;
  auto const month = at.digits(2);
  if (!month || !at.skip("-")) return std::nullopt;
  auto const day = at.digits(2);
  if (!day) return std::nullopt;
  std::chrono::year_month_day const date{std::chrono::year(*year),
                                         std::chrono::month(static_cast<unsigned>(*month)),
                                         std::chrono::day(static_cast<unsigned>(*day))};
  if (!date.ok()) return std::nullopt;
  return sys_days(date);
}

std::optional<int> read_hours_and_minutes(cursor& at) {
  auto const hour = at.digits(2);
  if (!hour || *hour > 23 || !at.skip(":")) return std::nullopt;
  auto const minute = at.digits(2);
  if (!minute || *minute > 59) return std::nullopt;
  return *hour * 60 + *minute;
}

// Time of day with its offset, as milliseconds after midnight UTC.
std::optional<std::int64_t> read_time(cursor& at) {
  auto const minutes = read_hours_and_minutes(at);
  if (!minutes || !at.skip(":")) return std::nullopt;
  auto const second = at.digits(2);
  if (!second || *second > 59) return std::nullopt;
  std::int64_t fraction = 0;
  if (at.skip(".")) {
    int count = 0;
    for (; at.peek() >= '0' && at.peek() <= '9'; ++count) {
      int const digit = at.digits(1).value_or(0);
      if (count < 3) fraction = fraction * 10 + digit;
    }
    if (count == 0) return std::nullopt;
    for (; count < 3; ++count) fraction *= 10;
  }
  std::int64_t offset_minutes = 0;
  if (!at.skip("Zz")) {
    bool const west = at.peek() == '-';
    if (!at.skip("+-")) return std::nullopt;
    auto const offset = read_hours_and_minutes(at);
    if (!offset) return std::nullopt;
    offset_minutes = west ? -*offset : *offset;
  }
  return ((*minutes - offset_minutes) * 60 + *second) * 1000 + fraction;
}

}  // namespace

std::array<char, timestamp_chars> format_timestamp(timestamp when) noexcept {
  milliseconds const since_epoch{
      std::clamp(when.unix_milliseconds, first_millisecond, last_millisecond)};
  auto const day = std::chrono::floor<days>(since_epoch);
  std::chrono::year_month_day const date{sys_days(day)};
  std::int64_t const in_day = (since_epoch - day).count();

  std::array<char, timestamp_chars> text{'0', '0', '0', '0', '-', '0', '0', '-',
                                         '0', '0', 'T', '0', '0', ':', '0', '0',
                                         ':', '0', '0', '.', '0', '0', '0', 'Z'};
  put_digits(&text[0], 4, static_cast<int>(date.year()));
  put_digits(&text[5], 2, static_cast<unsigned>(date.month()));
  put_digits(&text[8], 2, static_cast<unsigned>(date.day()));
  put_digits(&text[11], 2, in_day / 3'600'000);
  put_digits(&text[14], 2, in_day / 60'000 % 60);
  put_digits(&text[17], 2, in_day / 1000 % 60);
  put_digits(&text[20], 3, in_day % 1000);
  return text;
}

result<timestamp> parse_timestamp(std::string_view text) noexcept {
  cursor at(text);
  auto const date = read_date(at);
  if (!date) return errc::validation;
  std::int64_t in_day = 0;
  if (!at.done()) {
    if (!at.skip("Tt ")) return errc::validation;
    auto const time = read_time(at);
    if (!time || !at.done()) return errc::validation;
    in_day = *time;
  }
  return timestamp{milliseconds(date->time_since_epoch()).count() + in_day};
}

}  // namespace tacit::core
