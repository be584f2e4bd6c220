// How the program's start is wired; each function is one process's main.
#pragma once

#include "app/settings/settings.hpp"

namespace tacit::app {

// Called in the api process, or in the one that reads for recover, once it is confined; empty in
// every build that users get. A test's program passes one that tries what an attacker would try
// (tests/probe).
using confined_hook = void (*)();

// `tacit serve`: the process becomes the keeper. Returns the exit status of the contract.
// Throws startup_error.
[[nodiscard]] int run_serve(settings const& configured);

// The api process: exec'ed by run_serve with its socket pair as descriptor 3. Not for people.
[[nodiscard]] int run_api_process(confined_hook hook);

// The process of `tacit recover` that reads the store: exec'ed by run_recover. Not for people.
[[nodiscard]] int run_recover_reader(confined_hook hook);

// The whole program: parses the command line and runs it. Never throws; returns the exit status.
[[nodiscard]] int run_tacit(int argc, char** argv, confined_hook hook);

}  // namespace tacit::app
