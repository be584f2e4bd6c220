// The commands of `tacit runtime`, as a part of the command line.
#pragma once

#include <functional>
#include <string>

#include "app/cli/commands.hpp"

namespace CLI {
class App;
}

namespace tacit::app {

// How the whole command line makes a command below another.
using command_maker =
    std::function<CLI::App*(CLI::App* parent, std::string const& name, std::string const& text,
                            std::string const& example, std::function<int()> act)>;

// Adds them below `to`. What is given ends in `given`, which outlives the command line.
void add_runtime_commands(CLI::App* to, command_maker const& make, runtime_arguments& given);

}  // namespace tacit::app
