// What each command of the command line does. All throw cli_error or startup_error; what they
// return is the exit status. The arguments are as parsed, not yet checked.
#pragma once

#include <chrono>
#include <csignal>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "app/cli/api.hpp"
#include "app/cli/value.hpp"

namespace tacit::app {

struct project_create_arguments {
  api_flags api;
  std::string name;
  std::optional<std::string> id;
  std::optional<std::uint32_t> limit;
};
// show and delete of a project, revoke of an API key, list of secrets and of deliveries.
struct id_arguments {
  api_flags api;
  std::string id;
};
struct key_create_arguments {
  api_flags api;
  std::string name;
  std::vector<std::string> projects;  // empty: all
  bool admin = false;
  bool read_only = false;
  std::optional<std::string> expires;
};
struct secret_arguments {
  api_flags api;
  std::string name;
  std::string project;
  value_source source;
};

// Where run and env find the keeper's socket.
struct delivery_arguments {
  std::string project;
  std::optional<std::string> data_dir;
  std::optional<std::string> run_dir;
};

int create_project(project_create_arguments const& arguments);
int list_projects(api_flags const& flags);
int show_project(id_arguments const& arguments);
int delete_project(id_arguments const& arguments);

int create_key(key_create_arguments const& arguments);
int list_keys(api_flags const& flags);
int revoke_key(id_arguments const& arguments);

int set_secret(secret_arguments const& arguments);
int list_secrets(id_arguments const& arguments);
int remove_secret(secret_arguments const& arguments);

int list_deliveries(id_arguments const& arguments);

enum class change_action { none, restart, signal };
// What `run` is given beside the project.
struct run_arguments {
  std::vector<std::string> command;
  change_action action = change_action::none;
  int change_signal = 0;  // when the action is a signal
  std::chrono::milliseconds debounce{2000};
  int stop_signal = SIGTERM;
  std::chrono::milliseconds stop_timeout{10'000};
  std::optional<std::vector<std::string>> only;
  std::vector<std::string> required;
  bool pristine = false;
  bool mask = false;
};
// Becomes the command when nothing is to be watched over; else returns its exit status, or ends
// with its signal. Throws cli_error (126, 127) when it could not be started.
int run_command(delivery_arguments const& from, run_arguments const& how);

enum class env_format { json, null, shell };
int write_env(delivery_arguments const& from, env_format format);

int check_settings(setting_flags const& flags);

// conf/tacit.bash, byte for byte (a test holds it).
[[nodiscard]] std::string_view bash_completion() noexcept;

}  // namespace tacit::app
