// Where `tacit secret set` takes a value from. It is never an argument: those are in the shell's
// history and in ps.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "app/settings/settings.hpp"
#include "core/secret.hpp"

namespace tacit::app {

// At most one of file and variable; neither means stdin.
struct value_source {
  std::optional<std::string> file;
  std::optional<std::string> variable;
  bool trim_newline = false;
};

// Reads to the end, byte for byte; one final newline is dropped when a terminal was read or
// trim_newline is set. On a terminal it prompts on stderr and shows nothing that is typed.
// Throws cli_error, also when value_fault() finds one.
[[nodiscard]] core::secret_buffer read_value(value_source const& source, std::string const& name,
                                             surroundings const& around);

// Why the server would refuse the value, "" when it would not. Never contains any of it.
[[nodiscard]] std::string value_fault(std::string_view value);

// Reads from the terminal on stdin until Ctrl-D without showing what is typed. Backspace and Ctrl-U
// work; a line can be longer than the kernel's line editing allows (4095 bytes). The terminal is as
// before when it returns, and when Ctrl-C or another signal ends the program. False when more came
// than `into` holds.
[[nodiscard]] bool read_hidden(core::secret_buffer& into);

}  // namespace tacit::app
