#include "app/run/options.hpp"

#include "app/run/selection.hpp"
#include "app/run/signal_name.hpp"
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

run_arguments run_options::arguments(std::vector<std::string> command) const {
  run_arguments how;
  how.command = std::move(command);
  how.pristine = pristine;
  how.mask = mask;
  if (only) how.only = parse_names(*only);
  if (required) how.required = parse_names(*required).value();
  if (on_change == "restart") how.action = change_action::restart;
  if (on_change && on_change->starts_with(signal_prefix)) {
    how.action = change_action::signal;
    how.change_signal = parse_signal(on_change->substr(signal_prefix.size())).value();
  }
  if (debounce) how.debounce = core::parse_duration(*debounce).value();
  if (stop_signal) how.stop_signal = parse_signal(*stop_signal).value();
  if (stop_timeout) how.stop_timeout = core::parse_duration(*stop_timeout).value();
  return how;
}

}  // namespace tacit::app
