// Watches over the command of `tacit run`: follows the project's changes and acts on them, passes
// signals on, takes up processes that its processes leave behind, masks what it writes.
#pragma once

#include <memory>

#include "app/cli/commands.hpp"
#include "app/cli/delivery_source.hpp"
#include "app/run/selection.hpp"

namespace tacit::app {

// Starts the command with the set and returns its wait status (wait(2)) when it has ended. Without
// a source nothing is followed. Throws cli_error (126, 127) when the command cannot be started, the
// first time or again.
[[nodiscard]] int supervise(run_arguments const& how, selection const& wanted, delivered first,
                            std::unique_ptr<delivery_source> source);

}  // namespace tacit::app
