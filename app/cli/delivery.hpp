// Asks the keeper for the values of a project, over keeper.sock. Refused, absent, unavailable and
// empty are four answers, and none is ever turned into another.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "app/cli/commands.hpp"
#include "app/cli/json.hpp"
#include "app/settings/settings.hpp"
#include "core/secret.hpp"

namespace tacit::app {

// Names and values are views into the document, which is wiped memory.
struct delivered {
  json_document document;
  std::vector<std::pair<std::string_view, std::string_view>> values;  // sorted by name
  std::vector<std::string_view> withheld;
};

// The sockets to try in turn. A server that is named is the only one: --run-dir or $TACIT_RUN_DIR,
// else <data_dir>/run of --data or $TACIT_DATA_DIR. Else <data_dir>/run of the default, then
// /run/tacit. Only a socket that is not there, or that cannot be reached, leads to the next.
[[nodiscard]] std::vector<std::string> keeper_sockets(delivery_arguments const& from,
                                                      surroundings const& around);

// Throws cli_error for all but a 200 that is understood whole. Says on stderr what was withheld.
[[nodiscard]] delivered fetch_values(delivery_arguments const& from, surroundings const& around);

// Reads a 200's body. Throws cli_error ("unavailable") unless every name and value can stand in an
// environment and the answer is about that project.
[[nodiscard]] delivered read_delivery(std::string_view body, std::string const& project);

// What `tacit env` writes. json: one object and a newline. null: NAME=VALUE and a NUL, each. shell:
// `export NAME='VALUE'` lines, safe to eval whatever the value holds.
[[nodiscard]] core::secret_buffer format_env(delivered const& values, env_format format);

// The environment of the child: what `own` has (NAME=VALUE), without TACIT_TOKEN and without what
// is delivered, then the delivered. Points into block and own, ends with a null pointer.
struct child_environment {
  core::secret_buffer block;
  std::vector<char*> entries;
};
[[nodiscard]] child_environment make_child_environment(char** own, delivered const& values);

}  // namespace tacit::app
