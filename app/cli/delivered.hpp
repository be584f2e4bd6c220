// The delivered set: a project's secrets as the keeper gave them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "app/cli/json.hpp"
#include "core/secret.hpp"

namespace tacit::app {

// Names and values are views into the document, which is wiped memory. The body is what they were
// read from, for who keeps a copy.
struct delivered {
  core::secret_buffer body;
  json_document document;
  std::int64_t revision = 0;
  std::vector<std::pair<std::string_view, std::string_view>> values;  // sorted by name
  std::vector<std::string_view> withheld;
};

// Reads the body of a 200 (docs/delivery.md). Nothing unless every name and value can stand in an
// environment and the answer is about that project: a set is understood whole or not at all.
[[nodiscard]] std::optional<delivered> read_delivered(core::secret_buffer body,
                                                      std::string_view project);

}  // namespace tacit::app
