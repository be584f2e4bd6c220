#include "core/name.hpp"

#include <algorithm>

namespace tacit::core {

namespace {

bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

bool identifier_form::accepts(std::string_view text) noexcept {
  auto const alphanumeric = [](char c) { return is_upper(c) || is_lower(c) || is_digit(c); };
  return alphanumeric(text.front()) && std::all_of(text.begin(), text.end(), [&](char c) {
           return alphanumeric(c) || c == '_' || c == '-';
         });
}

bool secret_name_form::accepts(std::string_view text) noexcept {
  return is_upper(text.front()) && std::all_of(text.begin(), text.end(), [](char c) {
           return is_upper(c) || is_digit(c) || c == '_';
         });
}

}  // namespace tacit::core
