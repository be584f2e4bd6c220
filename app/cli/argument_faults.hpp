// What is wrong with an argument, "" when nothing is; the text goes behind the flag's name and does
// not repeat the argument.
#pragma once

#include <string>

namespace tacit::app {

[[nodiscard]] std::string limit_fault(std::string const& text);
[[nodiscard]] std::string format_fault(std::string const& text);

// The name is repeated when it is a plain word: another could be a value.
[[nodiscard]] std::string unknown_command(std::string const& name);
// What to do in place of a command that there is not in that group, ": TEXT", or "".
[[nodiscard]] std::string instead_of(std::string const& group, std::string const& name);
[[nodiscard]] std::string value_as_argument();

}  // namespace tacit::app
