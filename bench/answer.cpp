#include "bench/answer.hpp"

#include <charconv>
#include <cstring>

namespace tacit::bench {

namespace {

constexpr std::size_t status_line_bytes_min = sizeof("HTTP/1.1 200") - 1;

bool is_field(std::string_view line, std::string_view name) noexcept {
  if (line.size() <= name.size() || line[name.size()] != ':') return false;
  for (std::size_t i = 0; i < name.size(); ++i) {
    if ((line[i] | 0x20) != name[i]) return false;  // names of letters and hyphens only
  }
  return true;
}

std::string_view value_of(std::string_view line, std::string_view name) noexcept {
  line.remove_prefix(name.size() + 1);
  while (!line.empty() && line.front() == ' ') line.remove_prefix(1);
  return line;
}

bool read_number(std::string_view text, std::uint64_t& number) noexcept {
  auto const [end, fault] = std::from_chars(text.data(), text.data() + text.size(), number);
  return fault == std::errc() && end == text.data() + text.size();
}

// "17" or W/"17"; another server's tag may be no number, and is then as good as none.
std::uint64_t read_tag(std::string_view text) noexcept {
  if (text.starts_with("W/")) text.remove_prefix(2);
  if (text.size() < 3 || text.front() != '"' || text.back() != '"') return 0;
  std::uint64_t number = 0;
  return read_number(text.substr(1, text.size() - 2), number) ? number : 0;
}

// False when the field says that the body is framed in a way that is not understood.
bool take_field(std::string_view line, answer& found, std::uint64_t& body_bytes) noexcept {
  constexpr std::string_view length = "content-length";
  constexpr std::string_view tag = "etag";
  constexpr std::string_view connection = "connection";
  constexpr std::string_view limit = "x-ratelimit-limit";
  if (line.empty()) return true;
  switch (line.front() | 0x20) {
    case 'c':
      if (is_field(line, length)) return read_number(value_of(line, length), body_bytes);
      if (is_field(line, connection)) found.closes = value_of(line, connection) == "close";
      return true;
    case 'e':
      if (is_field(line, tag)) found.version = read_tag(value_of(line, tag));
      return true;
    case 't':
      return !is_field(line, "transfer-encoding");
    case 'x':
      if (is_field(line, limit)) return read_number(value_of(line, limit), found.limit);
      return true;
    default:
      return true;
  }
}

}  // namespace

framing find_answer(std::string_view bytes, answer& found) noexcept {
  found = {};
  std::size_t const head_end = bytes.find("\r\n\r\n");
  if (head_end == bytes.npos) {
    return bytes.size() > answer_head_bytes_max ? framing::not_understood : framing::incomplete;
  }
  std::string_view head = bytes.substr(0, head_end);
  bool const is_http = head.size() >= status_line_bytes_min && head.starts_with("HTTP/1.1 ");
  std::uint64_t status = 0;
  if (!is_http || !read_number(head.substr(9, 3), status)) return framing::not_understood;
  std::uint64_t body_bytes = 0;
  while (true) {
    auto const* const line_end = static_cast<char const*>(memchr(head.data(), '\n', head.size()));
    if (line_end == nullptr) break;
    head.remove_prefix(static_cast<std::size_t>(line_end - head.data()) + 1);
    std::string_view const line = head.substr(0, head.find('\r'));
    if (!take_field(line, found, body_bytes)) return framing::not_understood;
  }
  if (body_bytes > (std::uint64_t{1} << 30)) return framing::not_understood;
  found.status = static_cast<unsigned>(status);
  found.bytes = head_end + 4 + static_cast<std::size_t>(body_bytes);
  if (bytes.size() < found.bytes) return framing::incomplete;
  found.body = bytes.substr(head_end + 4, static_cast<std::size_t>(body_bytes));
  return framing::complete;
}

std::uint64_t hash_of(std::string_view bytes) noexcept {
  __extension__ using wide = unsigned __int128;
  constexpr std::size_t block = 32;
  auto const word = [](char const* at) {
    std::uint64_t value = 0;
    std::memcpy(&value, at, sizeof value);
    return value;
  };
  auto const mix = [](std::uint64_t a, std::uint64_t b) {
    wide const product = static_cast<wide>(a) * b;
    return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
  };
  std::uint64_t left = 0x2d358dccaa6c78a5 ^ bytes.size();
  std::uint64_t right = 0x8bb84b93962eacc9;
  while (bytes.size() >= block) {
    char const* const at = bytes.data();
    left = mix(word(at) ^ 0x9e3779b97f4a7c15, word(at + 8) ^ left);
    right = mix(word(at + 16) ^ 0xbf58476d1ce4e5b9, word(at + 24) ^ right);
    bytes.remove_prefix(block);
  }
  char rest[block] = {};
  std::memcpy(rest, bytes.data(), bytes.size());
  left = mix(word(rest) ^ 0x9e3779b97f4a7c15, word(rest + 8) ^ left);
  right = mix(word(rest + 16) ^ 0xbf58476d1ce4e5b9, word(rest + 24) ^ right);
  return mix(left ^ 0xa0761d6478bd642f, right ^ 0xe7037ed1a0b428db);
}

}  // namespace tacit::bench
