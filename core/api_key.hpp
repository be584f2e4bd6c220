// API keys: `tac_`, 30 random base62 characters, 6 base62 characters of the CRC-32 (ISO-HDLC, as in
// zlib) of those 30. The check digits refuse a typing error without a look-up. The server keeps a
// keyed hash only.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/crypto.hpp"
#include "core/name.hpp"
#include "core/timestamp.hpp"

namespace tacit::core {

inline constexpr std::string_view api_key_prefix = "tac_";
inline constexpr std::size_t api_key_random_chars = 30;
inline constexpr std::size_t api_key_check_chars = 6;
inline constexpr std::size_t api_key_chars =
    api_key_prefix.size() + api_key_random_chars + api_key_check_chars;
inline constexpr std::size_t api_key_shown_chars = 8;

using api_key_hash = std::array<unsigned char, 32>;

// The text of an API key that has the right form; wiped when it goes.
class api_key_text {
 public:
  // errc::unauthorized when the form or the check digits are wrong.
  [[nodiscard]] static result<api_key_text> parse(std::string_view text) noexcept;
  [[nodiscard]] static api_key_text make_random() noexcept;

  [[nodiscard]] std::string_view reveal() const noexcept;
  // The characters that may be shown later, so that people tell their keys apart.
  [[nodiscard]] std::string_view shown_prefix() const noexcept;
  [[nodiscard]] api_key_hash hash(api_key_pepper const& pepper) const noexcept;

 private:
  secret_array<struct api_key_text_tag, api_key_chars> chars_;
};

enum class permission : std::uint8_t { read = 1, write = 2, admin = 4 };

class permission_set {
 public:
  permission_set() = default;
  static permission_set from_bits(std::uint8_t bits) noexcept { return permission_set(bits); }

  void add(permission which) noexcept { bits_ |= static_cast<std::uint8_t>(which); }
  // admin includes the others.
  [[nodiscard]] bool allows(permission which) const noexcept {
    return (bits_ &
            (static_cast<std::uint8_t>(which) | static_cast<std::uint8_t>(permission::admin))) != 0;
  }
  [[nodiscard]] std::uint8_t bits() const noexcept { return bits_; }

 private:
  explicit permission_set(std::uint8_t bits) : bits_(bits & 7u) {}
  std::uint8_t bits_ = 0;
};

// Which projects an API key may see: all of them, now and later, or a list.
struct project_scope {
  bool all = false;
  std::vector<project_id> projects;  // sorted, no doubles; empty when all

  [[nodiscard]] bool contains(project_id const& project) const noexcept;
};

// What is stored of an API key.
struct api_key_entry {
  explicit api_key_entry(api_key_id const& given) : id(given) {}

  api_key_id id;
  std::string name;
  std::array<char, api_key_shown_chars> shown_prefix{};
  api_key_hash hash{};
  std::uint16_t slot = 0;  // of the rate limiter, below limits::api_keys_max
  permission_set permissions;
  project_scope scope;
  timestamp created;
  std::optional<timestamp> expires;
  std::optional<timestamp> last_used;
};

}  // namespace tacit::core
