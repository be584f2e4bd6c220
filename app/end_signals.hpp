// The signals to a server's process: SIGTERM and SIGINT ask it to end, SIGHUP to read files anew.
#pragma once

#include "app/descriptor.hpp"

namespace tacit::app {

// A descriptor that is readable once a signal that asks for the end has come. They are blocked from
// now on, for this thread and those made after it, to the process' end: one that comes while it is
// ending already does not become its status. Call it before any thread.
[[nodiscard]] descriptor open_end_signals();
// The same for SIGHUP.
[[nodiscard]] descriptor open_hangup_signal();

}  // namespace tacit::app
