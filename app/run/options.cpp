#include "app/run/options.hpp"

#include "app/run/selection.hpp"
#include "app/run/signal_name.hpp"
#include "core/check.hpp"
#include "core/duration.hpp"

namespace tacit::app {

namespace {

constexpr std::string_view signal_prefix = "signal:";

// Whether it names a signal that a program can hear.
bool passable(std::string const& name) {
  auto const number = parse_signal(name);
  return number && *number != SIGKILL && *number != SIGSTOP;
}

}  // namespace

std::string change_fault(std::string const& text) {
  if (text == "none" || text == "restart") return "";
  if (text.starts_with(signal_prefix) && passable(text.substr(signal_prefix.size()))) return "";
  return "takes none, restart, or signal:NAME with a signal's name, as signal:HUP";
}

std::string signal_fault(std::string const& text) {
  return parse_signal(text) ? "" : "takes a signal's name, as TERM";
}

std::string duration_fault(std::string const& text) {
  auto const parsed = core::parse_duration(text);
  if (parsed && *parsed <= std::chrono::hours(1)) return "";
  return "takes a length of time up to an hour with its unit, as 500ms, 2s or 1m";
}

std::string names_fault(std::string const& text) {
  return parse_names(text) ? "" : "takes names of secrets with commas between, as DB_URL,API_KEY";
}

namespace {

// What the command line has looked at already.
template <typename T>
T checked(std::optional<T> value) {
  CHECK(value.has_value());
  return *std::move(value);
}

}  // namespace

run_arguments run_options::arguments(std::vector<std::string> command) const {
  run_arguments how;
  how.command = std::move(command);
  how.pristine = pristine;
  how.mask = mask;
  if (only) how.only = parse_names(*only);
  if (required) how.required = checked(parse_names(*required));
  if (on_change == "restart") how.action = change_action::restart;
  if (on_change && on_change->starts_with(signal_prefix)) {
    how.action = change_action::signal;
    how.change_signal = checked(parse_signal(on_change->substr(signal_prefix.size())));
  }
  if (debounce) how.debounce = checked(core::parse_duration(*debounce));
  if (stop_signal) how.stop_signal = checked(parse_signal(*stop_signal));
  if (stop_timeout) how.stop_timeout = checked(core::parse_duration(*stop_timeout));
  return how;
}

}  // namespace tacit::app
