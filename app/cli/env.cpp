#include <sys/prctl.h>

#include <algorithm>

#include "app/cli/delivery.hpp"
#include "app/cli/output.hpp"
#include "core/check.hpp"

namespace tacit::app {

namespace {

// Everything stands for itself between single quotes, but a single quote ends them: '\''.
constexpr std::string_view quoted_quote = "'\\''";

std::size_t shell_bytes(std::string_view value) {
  auto const quotes = static_cast<std::size_t>(std::count(value.begin(), value.end(), '\''));
  return value.size() + quotes * (quoted_quote.size() - 1) + 2;
}

void append_shell(core::secret_buffer& out, std::string_view value) {
  CHECK(out.append("'"));
  for (char const c : value) {
    CHECK(out.append(c == '\'' ? quoted_quote : std::string_view(&c, 1)));
  }
  CHECK(out.append("'"));
}

core::secret_buffer format_json(delivered const& from) {
  std::size_t bytes = 3;  // {} and the newline
  for (auto const& [name, value] : from.values) {
    bytes += json_string_bytes(name) + json_string_bytes(value) + 2;
  }
  core::secret_buffer out(bytes);
  CHECK(out.append("{"));
  bool first = true;
  for (auto const& [name, value] : from.values) {
    CHECK(first || out.append(","));
    first = false;
    append_json_string(out, name);
    CHECK(out.append(":"));
    append_json_string(out, value);
  }
  CHECK(out.append("}\n"));
  return out;
}

core::secret_buffer format_null(delivered const& from) {
  std::size_t bytes = 0;
  for (auto const& [name, value] : from.values) bytes += name.size() + value.size() + 2;
  core::secret_buffer out(bytes);
  for (auto const& [name, value] : from.values) {
    CHECK(out.append(name) && out.append("=") && out.append(value));
    CHECK(out.append(std::string_view("\0", 1)));
  }
  return out;
}

core::secret_buffer format_shell(delivered const& from) {
  constexpr std::string_view command = "export ";
  std::size_t bytes = 0;
  for (auto const& [name, value] : from.values) {
    bytes += command.size() + name.size() + shell_bytes(value) + 2;
  }
  core::secret_buffer out(bytes);
  for (auto const& [name, value] : from.values) {
    CHECK(out.append(command) && out.append(name) && out.append("="));
    append_shell(out, value);
    CHECK(out.append("\n"));
  }
  return out;
}

}  // namespace

core::secret_buffer format_env(delivered const& values, env_format format) {
  switch (format) {
    case env_format::json:
      return format_json(values);
    case env_format::null:
      return format_null(values);
    case env_format::shell:
      return format_shell(values);
  }
  return core::secret_buffer(0);
}

int write_env(delivery_arguments const& from, env_format format) {
  prctl(PR_SET_DUMPABLE, 0);  // a value is never in a core file
  delivered const values = fetch_values(from, read_surroundings());
  write_out(format_env(values, format).reveal());
  return 0;
}

}  // namespace tacit::app
