// What is wrong with an argument, "" when nothing is; the text goes behind the flag's name and does
// not repeat the argument.
#pragma once

#include <string>

namespace tacit::app {

[[nodiscard]] std::string limit_fault(std::string const& text);
[[nodiscard]] std::string format_fault(std::string const& text);

}  // namespace tacit::app
