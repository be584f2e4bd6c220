// `tacit recover` and its flags, for command_line_parse.cpp.
#pragma once

#include "app/cli/runtime_commands.hpp"
#include "app/settings/settings.hpp"

namespace tacit::app {

struct recover_arguments {
  setting_flags settings;
  bool drop = false;
};

// `root` is the program's; `make` makes a command of it.
void add_recover_command(CLI::App* root, command_maker const& make, recover_arguments& given);

}  // namespace tacit::app
