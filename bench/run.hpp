// A whole run: makes its projects and keys, puts the load on, checks the lists, removes all again,
// whatever happens in between.
#pragma once

#include "bench/options.hpp"

namespace tacit::bench {

// Returns the exit status. Says on stderr what was wrong. Takes over SIGINT and SIGTERM: the first
// ends the run and cleans up, a second ends the program.
int run_bench(options const& asked);

// One line on stderr, behind "tacit-bench: ".
void say(char const* line) noexcept;

}  // namespace tacit::bench
