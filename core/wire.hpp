// Fixed-width little-endian fields and length-prefixed texts, for stored rows and for messages
// between the two processes. Each grammar stands in the file that uses these.
#pragma once

#include <array>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "core/check.hpp"
#include "core/crypto.hpp"

namespace tacit::core {

class wire_writer {
 public:
  explicit wire_writer(std::string& out) : out_(out) {}

  template <std::integral Number>
  void number(Number value) {
    std::array<char, sizeof(Number)> raw;
    auto bits = static_cast<std::make_unsigned_t<Number>>(value);
    for (char& byte : raw) {
      byte = static_cast<char>(bits & 0xFFu);
      bits = static_cast<decltype(bits)>(sizeof bits > 1 ? bits >> 8 : 0);
    }
    out_.append(raw.data(), raw.size());
  }
  void bytes(std::span<unsigned char const> data) {
    out_.append(reinterpret_cast<char const*>(data.data()), data.size());
  }
  // Up to 255 bytes, behind one byte of length.
  void short_text(std::string_view text) {
    CHECK(text.size() <= 0xFF);
    number(static_cast<std::uint8_t>(text.size()));
    out_.append(text);
  }
  // Up to 65,535 bytes, behind two bytes of length.
  void long_text(std::string_view text) {
    CHECK(text.size() <= 0xFFFF);
    number(static_cast<std::uint16_t>(text.size()));
    out_.append(text);
  }

 private:
  std::string& out_;
};

// Reads what wire_writer wrote. After the first field that does not fit every read gives zero or
// nothing, and ok() is false: read all, then ask done() once.
class wire_reader {
 public:
  explicit wire_reader(std::string_view in) : rest_(in) {}

  template <std::integral Number>
  [[nodiscard]] Number number() {
    std::string_view const raw = take(sizeof(Number));
    if (raw.empty()) return 0;
    std::uint64_t bits = 0;
    for (std::size_t i = sizeof(Number); i-- > 0;) {
      bits = bits << 8 | static_cast<unsigned char>(raw[i]);
    }
    return static_cast<Number>(bits);
  }
  template <std::size_t N>
  void bytes(std::span<unsigned char, N> out) {
    std::string_view const raw = take(out.size());
    if (ok_) std::memcpy(out.data(), raw.data(), raw.size());
  }
  [[nodiscard]] std::string_view short_text() { return take(number<std::uint8_t>()); }
  [[nodiscard]] std::string_view long_text() { return take(number<std::uint16_t>()); }
  // The next `bytes` bytes, a view into the input; empty when there are fewer.
  [[nodiscard]] std::string_view take(std::size_t bytes) {
    if (bytes > rest_.size()) {
      ok_ = false;
      rest_ = {};
      return {};
    }
    std::string_view const taken = rest_.substr(0, bytes);
    rest_.remove_prefix(bytes);
    return taken;
  }
  [[nodiscard]] std::string_view rest() const noexcept { return rest_; }
  [[nodiscard]] bool ok() const noexcept { return ok_; }
  [[nodiscard]] bool done() const noexcept { return ok_ && rest_.empty(); }

 private:
  std::string_view rest_;
  bool ok_ = true;
};

}  // namespace tacit::core
