// The settings of a server: built-in default < TOML file < environment < flag. Read once, at the
// start; nothing else in the program reads the environment or the file.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/limits.hpp"

namespace tacit::app {

// A start that cannot go on: one line that says what is wrong and what to do. It is printed as
// "tacit: LINE", and the program exits with 1. Never contains a secret.
class startup_error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

enum class sandbox_mode { on, off };
// Where HTTP without TLS may be spoken.
enum class plain_http_scope { loopback, anywhere };
enum class log_level { error, warn, info, debug };

// One [[delivery.allow]] entry: who else may read a project's values. At least one of uid, gid and
// unit is given.
struct delivery_allowance {
  std::string project;
  std::optional<std::uint32_t> uid;
  std::optional<std::uint32_t> gid;
  std::string unit;  // systemd unit name, "" when not given
};

// Times are in seconds, sizes in bytes.
struct settings {
  std::string data_dir;
  std::string key_file;
  std::string run_dir;
  std::vector<std::string> listen{"127.0.0.1:8787"};
  plain_http_scope plain_http = plain_http_scope::loopback;
  std::string tls_certificate;  // "": no TLS; then the next two are "" too
  std::string tls_key;
  std::string tls_client_ca;  // "": clients need no certificate
  unsigned threads = 1;
  std::string api_user;  // "" when not started as root
  sandbox_mode sandbox = sandbox_mode::on;
  log_level level = log_level::info;
  std::string unread_file;    // the system's settings file, when this user cannot read it; else ""
  std::string notify_socket;  // $NOTIFY_SOCKET, the service manager's; "" without one

  std::uint32_t reads_per_minute = core::limits::reads_per_minute_default;
  std::uint32_t writes_per_minute = core::limits::writes_per_minute_default;
  std::uint32_t failed_auth_per_minute = core::limits::failed_auth_per_minute;
  std::uint32_t secrets_per_project = core::limits::secrets_per_project_default;
  std::uint32_t last_four_min_length = core::limits::last_four_min_length_default;
  std::uint32_t head_bytes = core::limits::head_bytes_max;
  std::uint32_t body_bytes = core::limits::body_bytes_max;
  std::uint32_t head_seconds = core::limits::head_seconds_max;
  std::uint32_t body_seconds = core::limits::body_seconds_max;
  std::uint32_t idle_seconds = core::limits::idle_seconds_max;
  std::uint32_t connections = core::limits::connections_max;
  std::uint32_t list_cache_megabytes = 1;  // of all threads together

  std::vector<delivery_allowance> allow;
  std::vector<std::string> deliver_names;  // withheld names that are delivered all the same
};

// What flags gave; absent means not given.
struct setting_flags {
  std::optional<std::string> config_file;
  std::optional<std::string> data_dir;
  std::optional<std::string> key_file;
  std::optional<std::string> listen;
};

using environment = std::map<std::string, std::string, std::less<>>;

// What the settings rest on besides flags and file: read from the process once, so that a test
// passes its own.
struct surroundings {
  environment variables;
  bool root = false;              // the effective user is root
  unsigned cores = 1;             // that the process may run on
  unsigned memory_megabytes = 8;  // that the process may use
  std::string home;               // $HOME, else what the user database says; "" when neither does
  std::string system_config = "/etc/tacit/tacit.toml";  // read when it exists and can be read
  std::function<std::optional<std::uint32_t>(std::string const&)> find_user;   // name to uid
  std::function<std::optional<std::uint32_t>(std::string const&)> find_group;  // name to gid
};

[[nodiscard]] surroundings read_surroundings();

// The file is --config, else $TACIT_CONFIG, else the system's when it exists and can be read; one
// that is there and cannot is named in unread_file: an ordinary user may run a server of their own.
// Throws startup_error with the setting's name and, for a file, the line: unknown setting, wrong
// type, out of range, a file that cannot be read. Paths come back absolute.
[[nodiscard]] settings load_settings(setting_flags const& flags);
[[nodiscard]] settings load_settings(setting_flags const& flags, surroundings const& around);

// Where a client looks for the server's folder: --data, else $TACIT_DATA_DIR, else the default of
// data_dir. Clients read no settings file. Throws startup_error when there is no default.
[[nodiscard]] std::string find_data_dir(std::optional<std::string> const& flag,
                                        surroundings const& around);

}  // namespace tacit::app
