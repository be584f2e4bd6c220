#include "core/environment_file.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "core/check.hpp"
#include "core/utf8.hpp"

namespace tacit::core {

namespace {

constexpr std::string_view escaped = "\"\\`$";
constexpr std::size_t bytes_around = 4;  // =""\n

bool is_escaped(char c) { return escaped.find(c) != std::string_view::npos; }

// What systemd's utf8_is_valid() refuses beyond RFC 3629.
bool is_noncharacter(std::uint32_t c) {
  return (c >= 0xFDD0 && c <= 0xFDEF) || (c & 0xFFFEu) == 0xFFFEu;
}

// Takes the first character off well-formed UTF-8.
std::uint32_t take_char(std::string_view& bytes) {
  auto const lead = static_cast<unsigned char>(bytes.front());
  std::size_t const size = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  std::uint32_t c = size == 1 ? lead : lead & (0xFFu >> (size + 1));
  for (std::size_t i = 1; i < size; ++i) {
    c = c << 6 | (static_cast<unsigned char>(bytes[i]) & 0x3Fu);
  }
  bytes.remove_prefix(size);
  return c;
}

}  // namespace

bool fits_environment_file(std::string_view value) noexcept {
  if (!count_utf8_chars(value)) return false;
  while (!value.empty()) {
    std::uint32_t const c = take_char(value);
    if (c == 0 || is_noncharacter(c)) return false;
  }
  return true;
}

secret_buffer encode_environment_file(
    std::span<std::pair<std::string_view, std::string_view> const> entries) {
  std::size_t bytes = 0;
  for (auto const& [name, value] : entries) {
    CHECK(fits_environment_file(value));
    auto const escapes = std::count_if(value.begin(), value.end(), is_escaped);
    bytes += name.size() + value.size() + static_cast<std::size_t>(escapes) + bytes_around;
  }
  secret_buffer out(bytes);
  for (auto const& [name, value] : entries) {
    CHECK(out.append(name) && out.append("=\""));
    std::size_t plain = 0;
    for (std::size_t at = value.find_first_of(escaped); at != value.npos;
         at = value.find_first_of(escaped, at + 1)) {
      CHECK(out.append(value.substr(plain, at - plain)) && out.append("\\"));
      plain = at;
    }
    CHECK(out.append(value.substr(plain)) && out.append("\"\n"));
  }
  return out;
}

}  // namespace tacit::core
