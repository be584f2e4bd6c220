// Signals by name, and which of them a supervisor passes on.
#pragma once

#include <csignal>
#include <optional>
#include <string>
#include <string_view>

namespace tacit::app {

// "HUP" or "SIGHUP". Nothing for what is none.
[[nodiscard]] std::optional<int> parse_signal(std::string_view name);
// "SIGHUP".
[[nodiscard]] std::string signal_name(int number);

// All that a process may get from others: not those that stop or kill it out of hand, not those
// that it brings upon itself by a fault, not SIGCHLD.
[[nodiscard]] bool is_passed_on(int number) noexcept;
// What a terminal sends to its whole foreground group.
[[nodiscard]] bool comes_from_terminals(int number) noexcept;
// What asks a program to end.
[[nodiscard]] bool asks_to_end(int number) noexcept;

}  // namespace tacit::app
