#include "app/run/required_names.hpp"

#include "core/name.hpp"

namespace tacit::app {

namespace {

std::string_view trimmed(std::string_view line) {
  constexpr std::string_view blanks = " \t\r";
  std::size_t const from = line.find_first_not_of(blanks);
  if (from == std::string_view::npos) return "";
  return line.substr(from, line.find_last_not_of(blanks) - from + 1);
}

}  // namespace

required_names parse_required(std::string_view text) {
  required_names found;
  for (int number = 1; !text.empty(); ++number) {
    std::string_view const line = text.substr(0, text.find('\n'));
    text.remove_prefix(line.size() == text.size() ? line.size() : line.size() + 1);
    std::string_view const name = trimmed(line);
    if (name.empty() || name.front() == '#') continue;
    if (!core::secret_name::parse(name)) {
      found.wrong_line = number;
      return found;
    }
    found.names.emplace_back(name);
  }
  return found;
}

}  // namespace tacit::app
