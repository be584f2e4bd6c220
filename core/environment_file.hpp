// The form that systemd reads with EnvironmentFile= (systemd.exec(5); the parser is
// src/basic/env-file.c): a line NAME="VALUE" for each, where \ stands before " \ ` and $ and all
// other bytes stand for themselves, a newline, a carriage return and a tab too. A POSIX shell that
// reads such a file with `.` gets the same values.
//
// What the form cannot hold: systemd takes the whole file for invalid when a value is not
// well-formed UTF-8 or has a noncharacter of Unicode in it (U+FDD0 to U+FDEF, and the last two
// of each plane, as U+FFFE), and a NUL ends the file.
#pragma once

#include <span>
#include <string_view>
#include <utility>

#include "core/secret.hpp"

namespace tacit::core {

// Whether systemd reads the value back as it is.
[[nodiscard]] bool fits_environment_file(std::string_view value) noexcept;

// Every pair of name and value, a line each; nothing of none. Names have the form of secret_name,
// and every value fits: one that does not is a bug.
[[nodiscard]] secret_buffer encode_environment_file(
    std::span<std::pair<std::string_view, std::string_view> const> entries);

}  // namespace tacit::core
