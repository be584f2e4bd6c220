// The names of things, parsed once: a value of these types has the form that the contract states.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <cstring>
#include <functional>
#include <string_view>

#include "core/error.hpp"
#include "core/limits.hpp"

namespace tacit::core {

// 1 to 64 characters, held inline. Form has `static bool accepts(std::string_view)`.
template <typename Form>
class name {
 public:
  // errc::validation when the text has not the form.
  static result<name> parse(std::string_view text) {
    if (text.empty() || text.size() > limits::name_chars_max || !Form::accepts(text)) {
      return errc::validation;
    }
    name parsed;
    std::memcpy(parsed.chars_.data(), text.data(), text.size());
    parsed.size_ = static_cast<std::uint8_t>(text.size());
    return parsed;
  }

  [[nodiscard]] std::string_view text() const noexcept { return {chars_.data(), size_}; }

  friend bool operator==(name const& a, name const& b) noexcept { return a.text() == b.text(); }
  friend std::strong_ordering operator<=>(name const& a, name const& b) noexcept {
    return a.text() <=> b.text();
  }

 private:
  name() = default;
  std::array<char, limits::name_chars_max> chars_{};
  std::uint8_t size_ = 0;
};

struct identifier_form {  // ^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$
  static bool accepts(std::string_view text) noexcept;
};
struct secret_name_form {  // ^[A-Z][A-Z0-9_]{0,63}$
  static bool accepts(std::string_view text) noexcept;
};
struct api_key_id_form : identifier_form {};
struct runtime_id_form : identifier_form {};

using project_id = name<identifier_form>;
using secret_name = name<secret_name_form>;  // "key" in the contract; a key of cryptography is not
using api_key_id = name<api_key_id_form>;
using runtime_id = name<runtime_id_form>;  // of an enrolment of a runtime on another machine

}  // namespace tacit::core

template <typename Form>
struct std::hash<tacit::core::name<Form>> {
  std::size_t operator()(tacit::core::name<Form> const& name) const noexcept {
    return std::hash<std::string_view>{}(name.text());
  }
};
