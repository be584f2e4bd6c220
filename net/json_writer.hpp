// Writes JSON (RFC 8259) to the end of a text: the writer places commas, quotes and escapes; the
// caller gives structure. No allocation but for the text's growth.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace tacit::net {

// How many bytes from the front of the text need no escape.
inline std::size_t plain_prefix(std::string_view text) noexcept {
  // Eight at a time: whether one of them is below a bound of at most 0x80, or is zero.
  constexpr std::uint64_t ones = 0x0101010101010101;
  constexpr auto has_less = [](std::uint64_t eight, std::uint64_t bound) {
    return ((eight - ones * bound) & ~eight & ones * 0x80) != 0;
  };
  std::size_t at = 0;
  for (std::uint64_t eight = 0; at + sizeof eight <= text.size(); at += sizeof eight) {
    std::memcpy(&eight, text.data() + at, sizeof eight);
    if (has_less(eight, 0x20) || has_less(eight ^ ones * '"', 1) ||
        has_less(eight ^ ones * '\\', 1)) {
      break;
    }
  }
  for (; at < text.size(); ++at) {
    char const c = text[at];
    if (static_cast<unsigned char>(c) < 0x20 || c == '"' || c == '\\') break;
  }
  return at;
}

// Appends the text with quotes and escapes: what must be escaped is, everything else (also
// non-ASCII) stays as it is. Sink has append(std::string_view).
template <typename Sink>
void append_json_text(Sink& out, std::string_view text) {
  constexpr std::string_view hex = "0123456789abcdef";
  out.append(std::string_view("\""));
  while (true) {
    std::size_t const plain = plain_prefix(text);
    out.append(text.substr(0, plain));
    if (plain == text.size()) break;
    char const c = text[plain];
    text.remove_prefix(plain + 1);
    auto const byte = static_cast<unsigned char>(c);
    char const escaped[6] = {'\\', 'u', '0', '0', hex[byte >> 4], hex[byte & 15u]};
    switch (c) {
      case '"':
        out.append(std::string_view("\\\""));
        break;
      case '\\':
        out.append(std::string_view("\\\\"));
        break;
      case '\n':
        out.append(std::string_view("\\n"));
        break;
      case '\r':
        out.append(std::string_view("\\r"));
        break;
      case '\t':
        out.append(std::string_view("\\t"));
        break;
      default:
        out.append(std::string_view(escaped, sizeof escaped));
        break;
    }
  }
  out.append(std::string_view("\""));
}

class json_writer {
 public:
  explicit json_writer(std::string& out) : out_(out) {}

  json_writer& begin_object() { return open('{'); }
  json_writer& end_object() { return close('}'); }
  json_writer& begin_array() { return open('['); }
  json_writer& end_array() { return close(']'); }

  json_writer& key(std::string_view name) {
    separate();
    append_json_text(out_, name);
    out_.push_back(':');
    needs_comma_ = false;
    return *this;
  }
  json_writer& text(std::string_view value) {
    separate();
    append_json_text(out_, value);
    needs_comma_ = true;
    return *this;
  }
  json_writer& number(std::uint64_t value) { return raw(std::to_string(value)); }
  json_writer& signed_number(std::int64_t value) { return raw(std::to_string(value)); }
  json_writer& boolean(bool value) { return raw(value ? "true" : "false"); }
  json_writer& null() { return raw("null"); }

 private:
  json_writer& open(char bracket) {
    separate();
    out_.push_back(bracket);
    needs_comma_ = false;
    return *this;
  }
  json_writer& close(char bracket) {
    out_.push_back(bracket);
    needs_comma_ = true;
    return *this;
  }
  json_writer& raw(std::string_view value) {
    separate();
    out_.append(value);
    needs_comma_ = true;
    return *this;
  }
  void separate() {
    if (needs_comma_) out_.push_back(',');
  }

  std::string& out_;
  bool needs_comma_ = false;
};

}  // namespace tacit::net
