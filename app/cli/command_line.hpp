// The command line: from arguments to the one thing to do. The only file that includes CLI11 is
// command_line_parse.cpp: it is slow to compile.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace tacit::app {

inline constexpr std::string_view version = "0.1.0";

// Does what the command line asks for and returns the exit status.
using command_action = std::function<int()>;

// arguments are without the program's name. Help (--help, or help and the names of a command) and
// version are actions too. Throws cli_error with exit_wrong_usage and one line that says how to get
// help; the line repeats no argument that could be a value.
[[nodiscard]] command_action parse_command_line(std::vector<std::string> arguments);

}  // namespace tacit::app
