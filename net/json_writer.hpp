// Writes JSON (RFC 8259) to the end of a text: the writer places commas, quotes and escapes; the
// caller gives structure. No allocation but for the text's growth.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace tacit::net {

// Appends the text with quotes and escapes: what must be escaped is, everything else (also
// non-ASCII) stays as it is. Sink has append(std::string_view).
template <typename Sink>
void append_json_text(Sink& out, std::string_view text) {
  constexpr std::string_view hex = "0123456789abcdef";
  out.append(std::string_view("\""));
  std::size_t plain = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    char const c = text[i];
    auto const byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && c != '"' && c != '\\') continue;
    out.append(text.substr(plain, i - plain));
    plain = i + 1;
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
  out.append(text.substr(plain));
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
