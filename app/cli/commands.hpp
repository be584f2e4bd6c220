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
#include "app/cli/env_format.hpp"
#include "app/cli/value.hpp"
#include "core/limits.hpp"

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

// Where run and env get the delivered set from, and what when nobody answers.
struct delivery_arguments {
  std::string project;
  std::optional<std::string> data_dir{};
  std::optional<std::string> run_dir{};
  std::optional<std::string> cache_dir{};
  std::optional<std::string> cache_key_file{};
  std::chrono::milliseconds cache_age_max{core::limits::cache_age_milliseconds_default};
  std::chrono::milliseconds wait{core::limits::wait_milliseconds_default};
  std::optional<std::string> server{};    // the URL of a server on another machine
  std::optional<std::string> identity{};  // the file that says who asks there
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

struct env_arguments {
  env_format format = env_format::json;
  std::vector<std::string> keys;  // these alone; empty: all
};
int write_env(delivery_arguments const& from, env_arguments const& wanted);

// Which keeper of this machine is meant.
struct keeper_flags {
  std::optional<std::string> data_dir{};
  std::optional<std::string> run_dir{};
};
// Of all commands of `tacit runtime`; each uses some.
struct runtime_arguments {
  keeper_flags keeper;
  bool json = false;
  std::string identity;
  std::string server_key;
  std::string project;
  std::string public_key;
  std::string id;
  std::optional<std::string> name;
  std::optional<std::string> expires;
};
int make_runtime_identity(runtime_arguments const& arguments);
int pin_server(runtime_arguments const& arguments);
int enrol_runtime(runtime_arguments const& arguments);
int list_runtimes(runtime_arguments const& arguments);
int revoke_runtime(runtime_arguments const& arguments);
int reset_runtimes(runtime_arguments const& arguments);

int check_settings(setting_flags const& flags);

// conf/tacit.bash, byte for byte (a test holds it).
[[nodiscard]] std::string_view bash_completion() noexcept;

}  // namespace tacit::app
