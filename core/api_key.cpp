#include "core/api_key.hpp"

#include <algorithm>
#include <cstring>

namespace tacit::core {

namespace {

constexpr std::string_view base62 =
    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

// CRC-32/ISO-HDLC, a byte at a time by table (RFC 1952 section 8).
constexpr std::array<std::uint32_t, 256> make_crc_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < table.size(); ++i) {
    std::uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (0xEDB8'8320u & (0u - (crc & 1u)));
    table[i] = crc;
  }
  return table;
}

std::uint32_t crc32(std::string_view bytes) {
  static constexpr auto table = make_crc_table();
  std::uint32_t crc = 0xFFFF'FFFFu;
  for (char const c : bytes) {
    crc = crc >> 8 ^ table[(crc ^ static_cast<unsigned char>(c)) & 0xFFu];
  }
  return ~crc;
}

std::array<char, api_key_check_chars> check_chars(std::string_view random) {
  std::array<char, api_key_check_chars> text;
  std::uint32_t rest = crc32(random);
  for (std::size_t i = text.size(); i-- > 0; rest /= 62) text[i] = base62[rest % 62];
  return text;
}

constexpr std::uint8_t not_base62 = 0xFF;

constexpr std::array<std::uint8_t, 256> make_base62_values() {
  std::array<std::uint8_t, 256> values{};
  values.fill(not_base62);
  for (std::size_t i = 0; i < base62.size(); ++i) {
    values[static_cast<unsigned char>(base62[i])] = static_cast<std::uint8_t>(i);
  }
  return values;
}

constexpr auto base62_values = make_base62_values();

std::uint8_t base62_value(char c) { return base62_values[static_cast<unsigned char>(c)]; }

// The number that the check characters write, when they are base62.
std::optional<std::uint64_t> read_check(std::string_view text) {
  std::uint64_t number = 0;
  for (char const c : text) {
    if (base62_value(c) == not_base62) return std::nullopt;
    number = number * 62 + base62_value(c);
  }
  return number;
}

}  // namespace

result<api_key_text> api_key_text::parse(std::string_view text) noexcept {
  if (text.size() != api_key_chars || !text.starts_with(api_key_prefix)) return errc::unauthorized;
  std::string_view const random = text.substr(api_key_prefix.size(), api_key_random_chars);
  for (char const c : random) {
    if (base62_value(c) == not_base62) return errc::unauthorized;
  }
  if (read_check(text.substr(api_key_chars - api_key_check_chars)) != crc32(random)) {
    return errc::unauthorized;
  }
  api_key_text parsed;
  std::memcpy(parsed.chars_.reveal_mutable().data(), text.data(), text.size());
  return parsed;
}

api_key_text api_key_text::make_random() noexcept {
  api_key_text made;
  auto* const chars = reinterpret_cast<char*>(made.chars_.reveal_mutable().data());
  std::copy(api_key_prefix.begin(), api_key_prefix.end(), chars);
  char* const random = chars + api_key_prefix.size();
  for (std::size_t i = 0; i < api_key_random_chars; ++i) {
    random[i] = base62[random_below(static_cast<std::uint32_t>(base62.size()))];
  }
  auto const check = check_chars({random, api_key_random_chars});
  std::copy(check.begin(), check.end(), random + api_key_random_chars);
  return made;
}

std::string_view api_key_text::reveal() const noexcept {
  return {reinterpret_cast<char const*>(chars_.reveal().data()), api_key_chars};
}

std::string_view api_key_text::shown_prefix() const noexcept {
  return reveal().substr(0, api_key_shown_chars);
}

api_key_hash api_key_text::hash(api_key_pepper const& pepper) const noexcept {
  api_key_hash out;
  keyed_hash(pepper.reveal(), {chars_.reveal()}, out);
  return out;
}

bool project_scope::contains(project_id const& project) const noexcept {
  return all || std::binary_search(projects.begin(), projects.end(), project);
}

}  // namespace tacit::core
