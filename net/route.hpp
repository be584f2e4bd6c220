// Which endpoint a request is for: an allow-list of methods and paths.
#pragma once

#include <cstdint>
#include <string_view>
#include <variant>

#include "core/error.hpp"
#include "net/framing.hpp"

namespace tacit::net {

enum class endpoint : std::uint8_t {
  list_secrets,
  upsert_secret,
  remove_secret,
  list_projects,
  create_project,
  show_project,
  delete_project,
  list_deliveries,
  list_api_keys,
  create_api_key,
  revoke_api_key,
  show_self,
  runtime,  // a sealed request of another machine, for the keeper
  livez,
  readyz,
  healthz,
};

// An endpoint and the pieces of the path that name something, not yet validated.
struct route {
  endpoint to;
  std::string_view project;
  std::string_view name;  // a secret's name, an API key's id
};

// A known path asked for with another method.
struct wrong_method {
  std::string_view allowed;  // for the Allow field: "GET, POST"
  std::string_view pattern;  // of the path, for the log
};

struct unknown_route {};

using routing = std::variant<route, wrong_method, unknown_route>;

// `target` in origin form; a query is passed over.
[[nodiscard]] routing find_route(method verb, std::string_view target) noexcept;

// The route as it stands in a log: no name of anything.
[[nodiscard]] std::string_view route_pattern(endpoint to) noexcept;

// Health checks have no API key and no limits. (What comes for the keeper has no API key either: it
// knows whom it is from.)
[[nodiscard]] bool is_public(endpoint to) noexcept;
// Reads and writes have separate rate limits.
[[nodiscard]] bool is_write(endpoint to) noexcept;

}  // namespace tacit::net
