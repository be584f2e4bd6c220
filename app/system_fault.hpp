// What to tell the user when the system refuses what every start needs.
#pragma once

#include <string>

namespace tacit::app {

// `error` is an errno: one line that says what is short, and what to do.
[[nodiscard]] std::string explain_system_fault(int error);

// For EFBIG.
inline constexpr char file_size_advice[] =
    "raise the limit of a file's size (LimitFSIZE= in a systemd unit, ulimit -f in a shell)";

}  // namespace tacit::app
