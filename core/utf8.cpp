#include "core/utf8.hpp"

namespace tacit::core {

namespace {

bool is_continuation(char c) { return (static_cast<unsigned char>(c) & 0xC0u) == 0x80u; }

// The length of the well-formed sequence at the front, 0 when there is none (the table of RFC 3629
// section 4).
std::size_t sequence_bytes(std::string_view bytes) {
  auto const byte = [&](std::size_t i) { return static_cast<unsigned char>(bytes[i]); };
  unsigned char const first = byte(0);
  if (first < 0x80) return 1;
  std::size_t const length = first >= 0xC2 && first <= 0xDF   ? 2
                             : first >= 0xE0 && first <= 0xEF ? 3
                             : first >= 0xF0 && first <= 0xF4 ? 4
                                                              : 0;
  if (length == 0 || bytes.size() < length) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if (!is_continuation(bytes[i])) return 0;
  }
  unsigned char const second = byte(1);
  if (first == 0xE0 && second < 0xA0) return 0;  // overlong
  if (first == 0xED && second > 0x9F) return 0;  // surrogates
  if (first == 0xF0 && second < 0x90) return 0;  // overlong
  if (first == 0xF4 && second > 0x8F) return 0;  // beyond U+10FFFF
  return length;
}

}  // namespace

std::optional<std::size_t> count_utf8_chars(std::string_view bytes) noexcept {
  std::size_t chars = 0;
  while (!bytes.empty()) {
    std::size_t const length = sequence_bytes(bytes);
    if (length == 0) return std::nullopt;
    bytes.remove_prefix(length);
    ++chars;
  }
  return chars;
}

std::string_view last_utf8_chars(std::string_view bytes, std::size_t chars) noexcept {
  std::size_t at = bytes.size();
  for (; at > 0 && chars > 0; --chars) {
    do {
      --at;
    } while (at > 0 && is_continuation(bytes[at]));
  }
  return bytes.substr(at);
}

}  // namespace tacit::core
