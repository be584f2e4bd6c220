#include "app/cli/env_format.hpp"

#include <algorithm>
#include <array>

#include "app/cli/json.hpp"
#include "core/check.hpp"
#include "core/environment_file.hpp"

namespace tacit::app {

namespace {

constexpr std::array<std::pair<std::string_view, env_format>, 8> formats{{
    {"json", env_format::json},
    {"null", env_format::null},
    {"shell", env_format::shell},
    {"dotenv", env_format::dotenv},
    {"docker", env_format::docker},
    {"podman", env_format::podman},
    {"systemd", env_format::systemd},
    {"raw", env_format::raw},
}};

// Everything stands for itself between single quotes, but a single quote ends them: '\''.
void put_shell(std::string_view value, text_sink const& put) {
  put("'");
  while (!value.empty()) {
    std::size_t const plain = std::min(value.find('\''), value.size());
    put(value.substr(0, plain));
    if (plain == value.size()) break;
    put("'\\''");
    value.remove_prefix(plain + 1);
  }
  put("'");
}

// Go's bufio.ScanLines drops one CR at the end of a line; all else of it is the value.
std::string_view env_file_fault(std::string_view value) {
  if (value.find('\n') != value.npos) return "holds a newline, and a value ends with its line";
  if (value.ends_with('\r')) return "ends with a carriage return, which is taken for its line's";
  return "";
}

void put_line(env_format format, env_entry const& entry, text_sink const& put) {
  auto const& [name, value] = entry;
  if (format == env_format::shell) put("export ");
  put(name);
  put("=");
  switch (format) {
    case env_format::shell:
      put_shell(value, put);
      break;
    case env_format::dotenv:
      put_dotenv(value, put);
      break;
    default:
      put(value);
  }
  put(format == env_format::null ? std::string_view("\0", 1) : std::string_view("\n"));
}

core::secret_buffer format_lines(env_format format, std::span<env_entry const> entries) {
  std::size_t bytes = 0;
  text_sink const count = [&bytes](std::string_view piece) { bytes += piece.size(); };
  for (env_entry const& entry : entries) put_line(format, entry, count);
  core::secret_buffer out(bytes);
  text_sink const append = [&out](std::string_view piece) { CHECK(out.append(piece)); };
  for (env_entry const& entry : entries) put_line(format, entry, append);
  return out;
}

core::secret_buffer format_json(std::span<env_entry const> entries) {
  std::size_t bytes = 3;  // {} and the newline
  for (auto const& [name, value] : entries) {
    bytes += json_string_bytes(name) + json_string_bytes(value) + 2;
  }
  core::secret_buffer out(bytes);
  CHECK(out.append("{"));
  bool first = true;
  for (auto const& [name, value] : entries) {
    CHECK(first || out.append(","));
    first = false;
    append_json_string(out, name);
    CHECK(out.append(":"));
    append_json_string(out, value);
  }
  CHECK(out.append("}\n"));
  return out;
}

core::secret_buffer copy_of_one(std::span<env_entry const> entries) {
  CHECK(entries.size() == 1);
  std::string_view const value = entries.front().second;
  core::secret_buffer out(value.size());
  CHECK(out.append(value));
  return out;
}

}  // namespace

std::string env_format_names() {
  std::string names;
  for (auto const& [name, format] : formats)
    names += (names.empty() ? "" : ",") + std::string(name);
  return names;
}

std::optional<env_format> find_env_format(std::string_view name) noexcept {
  for (auto const& [known, format] : formats) {
    if (known == name) return format;
  }
  return std::nullopt;
}

std::string_view env_format_fault(env_format format, std::string_view value) noexcept {
  switch (format) {
    case env_format::json:
    case env_format::null:
    case env_format::shell:
    case env_format::raw:
      return "";
    case env_format::dotenv:
      return dotenv_fault(value);
    case env_format::docker:
    case env_format::podman:
      return env_file_fault(value);
    case env_format::systemd:
      return core::fits_environment_file(value) ? "" : "holds what systemd takes for no character";
  }
  return "is asked for in an unknown format";
}

core::secret_buffer format_env(env_format format, std::span<env_entry const> entries) {
  for (auto const& [name, value] : entries) CHECK(env_format_fault(format, value).empty());
  switch (format) {
    case env_format::json:
      return format_json(entries);
    case env_format::systemd:
      return core::encode_environment_file(entries);
    case env_format::raw:
      return copy_of_one(entries);
    default:
      return format_lines(format, entries);
  }
}

}  // namespace tacit::app
