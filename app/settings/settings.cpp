#include "app/settings/settings.hpp"

#include <grp.h>
#include <pwd.h>
#include <sched.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <string_view>

#include "app/settings/table.hpp"

namespace tacit::app {

namespace {

// Variables of the command line, not of the server.
constexpr std::array<std::string_view, 6> client_variables{
    "TACIT_URL",        "TACIT_TOKEN", "TACIT_CA_FILE", "TACIT_CLIENT_CERTIFICATE",
    "TACIT_CLIENT_KEY", "TACIT_CONFIG"};

std::optional<std::string> variable(surroundings const& around, std::string_view name) {
  auto const found = around.variables.find(name);
  if (found == around.variables.end() || found->second.empty()) return std::nullopt;
  return found->second;
}

// systemd gives a list separated by colons.
std::optional<std::string> first_directory(surroundings const& around, std::string_view name) {
  std::optional<std::string> const list = variable(around, name);
  if (!list || list->front() == ':') return std::nullopt;
  return list->substr(0, list->find(':'));
}

std::string default_data_dir(surroundings const& around) {
  if (auto state = first_directory(around, "STATE_DIRECTORY")) return *std::move(state);
  if (around.root) return "/var/lib/tacit";
  std::optional<std::string> const xdg = variable(around, "XDG_DATA_HOME");
  if (xdg && xdg->front() == '/') return *xdg + "/tacit";
  if (around.home.empty()) {
    throw startup_error(
        "no folder for the data: neither HOME nor XDG_DATA_HOME is set; "
        "give one with --data DIR or TACIT_DATA_DIR");
  }
  return around.home + "/.local/share/tacit";
}

std::string default_api_user(surroundings const& around) {
  return around.find_user && around.find_user("tacit") ? "tacit" : "nobody";
}

void apply_environment(surroundings const& around, settings& into) {
  for (setting_row const& row : setting_rows()) {
    std::string const name = environment_name(row.name);
    auto const found = around.variables.find(name);
    if (found != around.variables.end()) assign_from_text(row, found->second, name, into);
  }
}

void refuse_unknown_variables(surroundings const& around) {
  constexpr std::string_view prefix = "TACIT_";
  for (auto at = around.variables.lower_bound(prefix);
       at != around.variables.end() && at->first.starts_with(prefix); ++at) {
    bool known = false;
    for (std::string_view const name : client_variables) known = known || at->first == name;
    for (setting_row const& row : setting_rows()) {
      known = known || at->first == environment_name(row.name);
    }
    if (at->first == "TACIT_DELIVERY_ALLOW") {
      throw startup_error("TACIT_DELIVERY_ALLOW: delivery.allow can be given in a file only");
    }
    if (!known) {
      throw startup_error("unknown setting in the environment: " + at->first +
                          ": correct its name, or unset it");
    }
  }
}

void apply_flag(std::optional<std::string> const& value, std::string_view setting,
                std::string const& flag, settings& into) {
  if (value) assign_from_text(*find_setting(setting), *value, flag, into);
}

void apply_config(setting_flags const& flags, surroundings const& around, settings& into) {
  if (flags.config_file) return apply_settings_file(*flags.config_file, around, into);
  if (auto const named = variable(around, "TACIT_CONFIG")) {
    return apply_settings_file(*named, around, into);
  }
  if (around.system_config.empty()) return;
  if (access(around.system_config.c_str(), R_OK) == 0) {
    apply_settings_file(around.system_config, around, into);
  } else if (errno != ENOENT && errno != ENOTDIR) {
    into.unread_file = around.system_config;
  }
}

void refuse_half_of_tls(settings const& loaded) {
  bool const has_certificate = !loaded.tls_certificate.empty();
  if (has_certificate && loaded.tls_key.empty()) {
    throw startup_error("tls.certificate is set, but tls.key is not: set both, or neither");
  }
  if (has_certificate) return;
  for (auto const& [file, name] :
       {std::pair(loaded.tls_key, "tls.key"), std::pair(loaded.tls_client_ca, "tls.client_ca")}) {
    if (file.empty()) continue;
    throw startup_error(std::string(name) +
                        " is set, but tls.certificate is not: set both, or neither");
  }
}

void refuse_plain_http_off_loopback(settings const& loaded) {
  if (loaded.plain_http == plain_http_scope::anywhere || !loaded.tls_certificate.empty()) return;
  for (std::string const& one : loaded.listen) {
    if (is_loopback(one)) continue;
    throw startup_error("listen = \"" + one +
                        "\": other machines reach that address, and plain HTTP shows API keys and "
                        "values to the network; set tls.certificate and tls.key, or keep to "
                        "127.0.0.1 or [::1], or, when something else protects the way, set "
                        "plain_http = \"anywhere\"");
  }
}

// What was not given follows from what was.
void complete(surroundings const& around, settings& into) {
  if (into.data_dir.empty()) into.data_dir = default_data_dir(around);
  if (into.key_file.empty()) into.key_file = into.data_dir + "/root.key";
  if (into.run_dir.empty()) {
    into.run_dir = first_directory(around, "RUNTIME_DIRECTORY").value_or(into.data_dir + "/run");
  }
  into.notify_socket = variable(around, "NOTIFY_SOCKET").value_or("");
  if (!around.root) {
    into.api_user.clear();
  } else if (into.api_user.empty()) {
    into.api_user = default_api_user(around);
  } else if (!around.find_user || !around.find_user(into.api_user)) {
    throw startup_error("api_user: this machine has no user " + into.api_user);
  }
}

// What the machine has, or the least that a cgroup above the process allows (cgroup v2,
// Documentation/admin-guide/cgroup-v2.rst, memory.max).
unsigned usable_megabytes() {
  constexpr std::uint64_t megabyte = 1u << 20;
  struct sysinfo machine{};
  std::uint64_t bytes = 64 * megabyte;
  if (::sysinfo(&machine) == 0) bytes = std::uint64_t{machine.totalram} * machine.mem_unit;
  std::ifstream cgroups("/proc/self/cgroup");
  for (std::string line; std::getline(cgroups, line);) {
    if (!line.starts_with("0::/")) continue;
    std::filesystem::path at = "/sys/fs/cgroup" + line.substr(3);
    for (; at.string().size() >= std::string_view("/sys/fs/cgroup").size(); at = at.parent_path()) {
      std::ifstream limit(at / "memory.max");
      std::uint64_t allowed = 0;
      if (limit >> allowed) bytes = std::min(bytes, allowed);
    }
  }
  return static_cast<unsigned>(bytes / megabyte);
}

unsigned usable_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) == 0) {
    return static_cast<unsigned>(CPU_COUNT(&set));
  }
  long const online = sysconf(_SC_NPROCESSORS_ONLN);
  return online < 1 ? 1 : static_cast<unsigned>(online);
}

std::optional<std::uint32_t> uid_of(std::string const& name) {
  passwd const* const entry = getpwnam(name.c_str());
  if (entry == nullptr) return std::nullopt;
  return entry->pw_uid;
}

std::optional<std::uint32_t> gid_of(std::string const& name) {
  group const* const entry = getgrnam(name.c_str());
  if (entry == nullptr) return std::nullopt;
  return entry->gr_gid;
}

}  // namespace

surroundings read_surroundings() {
  surroundings around;
  for (char** at = environ; at != nullptr && *at != nullptr; ++at) {
    std::string_view const entry = *at;
    std::size_t const equals = entry.find('=');
    if (equals != entry.npos)
      around.variables.emplace(entry.substr(0, equals), entry.substr(equals + 1));
  }
  around.root = geteuid() == 0;
  around.cores = usable_cores();
  around.memory_megabytes = usable_megabytes();
  if (auto const home = variable(around, "HOME")) {
    around.home = *home;
  } else if (passwd const* const entry = getpwuid(geteuid())) {
    around.home = entry->pw_dir;
  }
  around.find_user = uid_of;
  around.find_group = gid_of;
  return around;
}

settings load_settings(setting_flags const& flags) {
  return load_settings(flags, read_surroundings());
}

settings load_settings(setting_flags const& flags, surroundings const& around) {
  setting_row const* const threads = find_setting("threads");
  setting_row const* const cache = find_setting("limits.list_cache_megabytes");
  settings loaded;
  loaded.threads = std::clamp(around.cores, threads->least, threads->most);
  loaded.list_cache_megabytes = std::clamp(around.memory_megabytes / 8, cache->least, cache->most);
  refuse_unknown_variables(around);
  apply_config(flags, around, loaded);
  apply_environment(around, loaded);
  apply_flag(flags.data_dir, "data_dir", "--data", loaded);
  apply_flag(flags.key_file, "key_file", "--key-file", loaded);
  apply_flag(flags.listen, "listen", "--listen", loaded);
  complete(around, loaded);
  refuse_half_of_tls(loaded);
  refuse_plain_http_off_loopback(loaded);
  return loaded;
}

std::string find_data_dir(std::optional<std::string> const& flag, surroundings const& around) {
  settings found;
  if (auto const named = variable(around, "TACIT_DATA_DIR")) {
    assign_from_text(*find_setting("data_dir"), *named, "TACIT_DATA_DIR", found);
  }
  apply_flag(flag, "data_dir", "--data", found);
  return found.data_dir.empty() ? default_data_dir(around) : found.data_dir;
}

}  // namespace tacit::app
