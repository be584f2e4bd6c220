// Runs loads to their end, a thread each, and looks after them meanwhile.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "bench/load.hpp"

namespace tacit::bench {

using load_list = std::vector<std::unique_ptr<load>>;

enum class crew_end { done, interrupted };

// Connects all, starts all, and calls `tick` every few milliseconds until the last has ended. After
// a signal (watch_signals) they get a moment to wait for their answers. Throws run_fault with the
// first fault of any, and boost::system::system_error when it cannot connect.
crew_end run_crew(load_list const& loads, std::function<void()> const& tick);

[[nodiscard]] std::uint64_t answered_by(load_list const& loads) noexcept;

// From now on SIGINT and SIGTERM end the work under way; a second one ends the program.
void watch_signals();
[[nodiscard]] bool is_interrupted() noexcept;
// The next signal ends no work, only (if it is the second) the program: for the clean-up.
void ignore_interrupt() noexcept;

}  // namespace tacit::bench
