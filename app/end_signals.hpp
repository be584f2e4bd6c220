// The signals that ask a server's process to end: SIGTERM and SIGINT.
#pragma once

#include "app/descriptor.hpp"

namespace tacit::app {

// A descriptor that is readable once such a signal has come. They are blocked from now on, for this
// thread and those made after it, to the process' end: one that comes while it is ending already
// does not become its status. Call it before any thread.
[[nodiscard]] descriptor open_end_signals();

}  // namespace tacit::app
