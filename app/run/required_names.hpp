// The file tacit.required: which secrets a command cannot do without.
//
//   a name on each line; blank lines and those that begin with '#' say nothing. Blanks around a
//   name, and the CR of a line that ends with CR LF, are no part of it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tacit::app {

struct required_names {
  std::vector<std::string> names;  // in the file's order, of secrets
  int wrong_line = 0;              // the first that says something else, from 1; 0: there is none
};

// Stops at a wrong line.
[[nodiscard]] required_names parse_required(std::string_view text);

}  // namespace tacit::app
