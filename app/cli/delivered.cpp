#include "app/cli/delivered.hpp"

#include <algorithm>

#include "core/name.hpp"

namespace tacit::app {

namespace {

bool can_stand(std::string_view name, json_node value) {
  return core::secret_name::parse(name).has_value() && value.is_text() &&
         value.text().find('\0') == std::string_view::npos;
}

}  // namespace

std::optional<delivered> read_delivered(core::secret_buffer body, std::string_view project) {
  auto document = json_document::parse(body.reveal());
  if (!document) return std::nullopt;
  json_node const data = document->root()["data"];
  json_node const env = data["env"];
  if (!env.is_object() || data["project"].text() != project) return std::nullopt;
  delivered set{std::move(body), *std::move(document), data["revision"].number(), {}, {}};
  for (auto const& [name, value] : env.members()) {
    if (!can_stand(name, value)) return std::nullopt;
    set.values.emplace_back(name, value.text());
  }
  std::sort(set.values.begin(), set.values.end());
  for (json_node const name : data["withheld"].items()) set.withheld.push_back(name.text());
  return set;
}

}  // namespace tacit::app
