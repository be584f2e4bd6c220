// How help looks. For the one file that knows CLI11.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

namespace tacit::app {

// The command with those above it: "tacit secret set".
inline std::string path_of(CLI::App const& app) {
  std::string path = app.get_name();
  for (CLI::App const* up = app.get_parent(); up != nullptr; up = up->get_parent()) {
    path = up->get_name() + " " + path;
  }
  return path;
}

// Help that says what to type: the whole command, what it needs, and no more than a flag's kind.
class plain_help : public CLI::Formatter {
 public:
  plain_help() { column_width(24); }

  std::string make_usage(CLI::App const* app, std::string) const override {
    std::string line = "\nUsage: " + path_of(*app);
    for (CLI::Option const* const option : app->get_options()) {
      if (!option->get_required()) continue;
      line += " " + option->get_name();
      if (!option->get_positional()) line += " " + option->get_type_name();
    }
    if (!app->get_subcommands(nullptr).empty()) return line + " COMMAND\n";
    return line + " [OPTIONS]" + (app->get_name() == "run" ? " -- CMD [ARG...]\n" : "\n");
  }

  std::string make_option_opts(CLI::Option const* option) const override {
    if (option->get_type_size() == 0 || option->get_positional()) return "";
    return " " + option->get_type_name() + (option->get_required() ? " (required)" : "");
  }
};

}  // namespace tacit::app
