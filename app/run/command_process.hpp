// The command that `tacit run` starts and watches over, as a child process.
#pragma once

#include <sys/types.h>

#include <csignal>
#include <string>
#include <vector>

#include "app/descriptor.hpp"

namespace tacit::app {

struct command_start {
  std::vector<std::string> const& words;  // at least one
  std::vector<char*>& environment;        // ends with a null pointer
  sigset_t const& signals;                // that are blocked in the command
  int out = -1;                           // its stdout and stderr; -1: as ours
  int err = -1;
  bool own_group = false;         // a process group of its own
  bool ignores_children = false;  // SIGCHLD is ignored in it, as it was in us
};

// Starts it; it is killed when this process ends before it. Throws cli_error (126, 127), as the
// shell's statuses are, when it cannot be executed.
[[nodiscard]] pid_t start_command(command_start const& how);

// The children of this process: the command, and what its processes left behind, for this process
// adopts them (PR_SET_CHILD_SUBREAPER). Some may be missing while they come and go.
[[nodiscard]] std::vector<pid_t> child_processes();

// What a wait status means for our own end: the exit status, or the signal as a shell shows it.
[[nodiscard]] int exit_status_of(int wait_status) noexcept;
// Ends as the command did: with its signal, when that is how it ended (but as PID 1, which signals
// do not end). Returns exit_status_of when that did not do it.
[[nodiscard]] int end_as(int wait_status) noexcept;

}  // namespace tacit::app
