// The options of `tacit run` as they are given, and what they mean.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "app/cli/commands.hpp"

namespace tacit::app {

// What is wrong with an argument, "" when nothing is; the text goes behind the flag's name and does
// not repeat the argument.
[[nodiscard]] std::string change_fault(std::string const& text);
[[nodiscard]] std::string signal_fault(std::string const& text);
[[nodiscard]] std::string duration_fault(std::string const& text);
[[nodiscard]] std::string names_fault(std::string const& text);

struct run_options {
  std::optional<std::string> on_change;
  std::optional<std::string> debounce;
  std::optional<std::string> stop_signal;
  std::optional<std::string> stop_timeout;
  std::optional<std::string> only;
  std::optional<std::string> required;
  bool pristine = false;
  bool mask = false;

  // Of texts in which nothing is wrong.
  [[nodiscard]] run_arguments arguments(std::vector<std::string> command) const;
};

}  // namespace tacit::app
