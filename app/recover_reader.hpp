// The process of `tacit recover` that reads the store, as the other one sees it.
#pragma once

#include "app/child_process.hpp"

namespace tacit::app {

inline constexpr char const* reader_role = "recover-reader";
// Where its stdout and stderr lead to: what it writes is not shown before it was looked at.
inline constexpr int reader_out_descriptor = first_given_descriptor;
inline constexpr int reader_err_descriptor = first_given_descriptor + 1;

// The exit status that says what it found.
enum reader_status : int { store_is_whole = 0, reading_failed = 1, store_is_damaged = 10 };

}  // namespace tacit::app
