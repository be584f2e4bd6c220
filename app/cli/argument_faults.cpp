#include "app/cli/argument_faults.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>

#include "app/cli/env_format.hpp"
#include "core/limits.hpp"

namespace tacit::app {

std::string limit_fault(std::string const& text) {
  std::uint32_t number = 0;  // the range is the server's to refuse
  char const* const end = text.data() + text.size();
  auto const [stop, fault] = std::from_chars(text.data(), end, number);
  bool const octal = text.size() > 1 && text.front() == '0';  // to CLI11
  if (fault == std::errc() && stop == end && !octal) return "";
  return "takes a whole number from 1 to " + std::to_string(core::limits::secrets_per_project_max);
}

std::string format_fault(std::string const& text) {
  return find_env_format(text) ? "" : "takes one of " + env_format_names();
}

std::string unknown_command(std::string const& name) {
  bool const is_word = name.size() <= 16 && std::all_of(name.begin(), name.end(), [](char c) {
                         return (c >= 'a' && c <= 'z') || c == '-';
                       });
  return is_word ? "unknown command " + name : "unknown command";
}

std::string instead_of(std::string const& group, std::string const& name) {
  bool const reads = name == "get" || name == "show" || name == "read";
  return group == "secret" && reads ? ": values come out with tacit run and tacit env" : "";
}

std::string value_as_argument() {
  return "a value is never an argument, where ps and the shell's history show it: pipe it in, or "
         "use --from-file or --from-env";
}

}  // namespace tacit::app
