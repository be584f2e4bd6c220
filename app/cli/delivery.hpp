// How `run` and `env` get the delivered set, and what they make of it.
#pragma once

#include <chrono>
#include <memory>
#include <vector>

#include "app/cli/commands.hpp"
#include "app/cli/delivered.hpp"
#include "app/cli/delivery_source.hpp"
#include "app/settings/settings.hpp"
#include "core/secret.hpp"

namespace tacit::app {

// The source that the arguments name, with the cache that they name: what it answers is kept there,
// also what it answers to who follows changes. Throws as open_delivery_source().
[[nodiscard]] std::unique_ptr<delivery_source> open_cached_source(delivery_arguments const& from,
                                                                  surroundings const& around);

// The set from the source, which is asked as ask_patiently() does. Throws cli_error for every other
// answer. Says on stderr what was withheld, and where the set is from when it is not the keeper's.
[[nodiscard]] delivered fetch_values(delivery_source& source, std::chrono::milliseconds wait);

// Asks until the answer is another than unavailable, or `wait` is over: with growing delays, and a
// line on stderr when it begins to wait.
[[nodiscard]] delivery_answer ask_patiently(delivery_source& source,
                                            std::chrono::milliseconds wait);

// The environment of the child: what `own` has (NAME=VALUE), without TACIT_TOKEN and without what
// is delivered, then the delivered. Points into block and own, ends with a null pointer.
struct child_environment {
  core::secret_buffer block;
  std::vector<char*> entries;
};
[[nodiscard]] child_environment make_child_environment(char** own, delivered const& values);

}  // namespace tacit::app
