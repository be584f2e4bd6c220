#include "core/credential_name.hpp"

#include <algorithm>

namespace tacit::core {

namespace {

constexpr std::size_t digits_max = 16;

bool is_in_a_unit_name(char c) {
  constexpr std::string_view others = ":-_.\\@";
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
         others.find(c) != others.npos;
}

}  // namespace

bool is_unit_name(std::string_view text) noexcept {
  return !text.empty() && text.size() <= unit_name_chars_max &&
         std::all_of(text.begin(), text.end(), is_in_a_unit_name);
}

result<credential_name> parse_credential_name(std::string_view address) noexcept {
  constexpr std::string_view before_unit = "/unit/";
  if (!address.starts_with('\0')) return errc::validation;
  address.remove_prefix(1);
  std::size_t const digits =
      std::min(address.find_first_not_of("0123456789abcdef"), address.size());
  if (digits == 0 || digits > digits_max) return errc::validation;
  address.remove_prefix(digits);
  if (!address.starts_with(before_unit)) return errc::validation;
  address.remove_prefix(before_unit.size());
  std::size_t const slash = address.find('/');
  if (slash == address.npos) return errc::validation;
  credential_name const name{address.substr(0, slash), address.substr(slash + 1)};
  bool const is_id =
      !name.id.empty() && name.id.find('/') == name.id.npos && name.id.find('\0') == name.id.npos;
  if (!is_unit_name(name.unit) || !is_id) return errc::validation;
  if (name.unit.size() + name.id.size() > unit_and_credential_chars_max) return errc::validation;
  return name;
}

}  // namespace tacit::core
