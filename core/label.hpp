// A label: the last four characters of a value, shown so that its owner knows which one is stored.
// It is a piece of the value: encrypted at rest and wiped in memory.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "core/limits.hpp"

namespace tacit::core {

class label {
 public:
  label() = default;  // empty: what a value too short to show a piece of has
  label(label&& other) noexcept;
  label& operator=(label&& other) noexcept;
  label(label const&) = delete;
  label& operator=(label const&) = delete;
  ~label() { clear(); }

  // `text` has at most limits::label_bytes_max bytes.
  [[nodiscard]] static label of_text(std::string_view text) noexcept;

  [[nodiscard]] label copy() const noexcept { return of_text(reveal()); }
  [[nodiscard]] std::string_view reveal() const noexcept { return {bytes_.data(), size_}; }
  void clear() noexcept;

 private:
  std::array<char, limits::label_bytes_max> bytes_{};
  std::uint8_t size_ = 0;
};

// The label of a value of `value_chars` characters (well-formed UTF-8): its last four characters,
// or the empty text when it has fewer than `min_length` characters.
[[nodiscard]] label make_label(std::string_view value, std::size_t value_chars,
                               std::size_t min_length) noexcept;

}  // namespace tacit::core
