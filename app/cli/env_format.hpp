// The formats of `tacit env` (docs/formats.md has their grammars for users). Each holds a value
// byte for byte, for the programs that it names, or refuses it: none is ever changed.
//
//   json     one object and a newline                                    RFC 8259
//   null     NAME=VALUE and a NUL, each                                  as env -0
//   shell    export NAME='VALUE' lines                                   POSIX sh, 2.2.2
//   dotenv   NAME=VALUE lines, quoted where that must be                 app/cli/env_dotenv.cpp
//   docker   NAME=VALUE lines, verbatim    docker/cli, pkg/kvfile/kvfile.go
//   podman   the same                      containers/podman, pkg/env/env.go (but 4.7.0 to 4.7.2)
//   systemd  NAME="VALUE" lines            core/environment_file.hpp
//   raw      the one value, and nothing else
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "core/secret.hpp"

namespace tacit::app {

enum class env_format { json, null, shell, dotenv, docker, podman, systemd, raw };

// In the order of their description above, with commas: "json,null,…".
[[nodiscard]] std::string env_format_names();
[[nodiscard]] std::optional<env_format> find_env_format(std::string_view name) noexcept;

// Why the format cannot hold the value, "" when it can. Never contains any of it.
[[nodiscard]] std::string_view env_format_fault(env_format format, std::string_view value) noexcept;

using env_entry = std::pair<std::string_view, std::string_view>;

// All of it. Names have the form of core::secret_name, and every value fits: one that does not is a
// bug, as more than one for raw is.
[[nodiscard]] core::secret_buffer format_env(env_format format, std::span<env_entry const> entries);

// Takes the pieces of a text, in order.
using text_sink = std::function<void(std::string_view)>;

// dotenv, in a file of its own.
[[nodiscard]] std::string_view dotenv_fault(std::string_view value) noexcept;
void put_dotenv(std::string_view value, text_sink const& put);

}  // namespace tacit::app
