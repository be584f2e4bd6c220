// Which of the delivered secrets a command gets, and which it cannot do without.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "app/cli/delivered.hpp"

namespace tacit::app {

struct selection {
  std::optional<std::vector<std::string>> only;  // nothing: all
  std::vector<std::string> required;
};

// "K1,K2" into names. Nothing when one of them is no secret's name.
[[nodiscard]] std::optional<std::vector<std::string>> parse_names(std::string_view list);

// Adds the names of the file tacit.required in the current folder, when there is one. Throws
// cli_error when it cannot be read or says something else (app/run/required_names.hpp).
void add_required_file(selection& wanted);

// Leaves of the set what is wanted, and gives the required names that are not in it then, sorted.
[[nodiscard]] std::vector<std::string> narrow(delivered& set, selection const& wanted);

}  // namespace tacit::app
