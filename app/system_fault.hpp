// What to tell the user when the system refuses what every start needs.
#pragma once

#include <string>

namespace tacit::app {

// `error` is an errno: one line that says what is short, and what to do.
[[nodiscard]] std::string explain_system_fault(int error);

}  // namespace tacit::app
