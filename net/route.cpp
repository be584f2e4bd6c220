#include "net/route.hpp"

#include <array>
#include <optional>

namespace tacit::net {

namespace {

// '*' stands for one piece of the path. The rows of one path stand together.
struct row {
  std::string_view path;
  method verb;
  endpoint to;
  std::string_view allowed;
};

constexpr std::string_view get_post = "GET, POST";
constexpr std::string_view get_delete = "GET, DELETE";

constexpr std::array rows{
    row{"/api/v1/projects/*/secrets", method::get, endpoint::list_secrets, get_post},
    row{"/api/v1/projects/*/secrets", method::post, endpoint::upsert_secret, get_post},
    row{"/api/v1/projects/*/secrets/*", method::del, endpoint::remove_secret, "DELETE"},
    row{"/api/v1/projects", method::get, endpoint::list_projects, get_post},
    row{"/api/v1/projects", method::post, endpoint::create_project, get_post},
    row{"/api/v1/projects/*", method::get, endpoint::show_project, get_delete},
    row{"/api/v1/projects/*", method::del, endpoint::delete_project, get_delete},
    row{"/api/v1/projects/*/deliveries", method::get, endpoint::list_deliveries, "GET"},
    row{"/api/v1/api-keys", method::get, endpoint::list_api_keys, get_post},
    row{"/api/v1/api-keys", method::post, endpoint::create_api_key, get_post},
    row{"/api/v1/api-keys/*", method::del, endpoint::revoke_api_key, "DELETE"},
    row{"/api/v1/user/me", method::get, endpoint::show_self, "GET"},
    row{"/api/v1/runtime", method::post, endpoint::runtime, "POST"},
    row{"/livez", method::get, endpoint::livez, "GET"},
    row{"/readyz", method::get, endpoint::readyz, "GET"},
    row{"/healthz", method::get, endpoint::healthz, "GET"},
};

// The piece up to the next '/'; path then begins with it.
std::string_view take_piece(std::string_view& path) {
  std::string_view const piece = path.substr(0, path.find('/'));
  path.remove_prefix(piece.size());
  return piece;
}

struct captured {
  std::array<std::string_view, 2> pieces;
  std::size_t count = 0;
};

std::optional<captured> match(std::string_view pattern, std::string_view path) {
  captured found;
  while (!pattern.empty() && !path.empty()) {
    if (pattern.front() == '*') {
      std::string_view const piece = take_piece(path);
      if (piece.empty()) return std::nullopt;
      found.pieces[found.count++] = piece;
      pattern.remove_prefix(1);
    } else {
      if (pattern.front() != path.front()) return std::nullopt;
      pattern.remove_prefix(1);
      path.remove_prefix(1);
    }
  }
  if (!pattern.empty() || !path.empty()) return std::nullopt;
  return found;
}

}  // namespace

routing find_route(method verb, std::string_view target) noexcept {
  std::string_view const path = target.substr(0, target.find('?'));
  wrong_method other;
  for (row const& one : rows) {
    auto const found = match(one.path, path);
    if (!found) continue;
    if (one.verb != verb) {
      other = {one.allowed, one.path};
      continue;
    }
    route to{one.to, found->pieces[0], found->pieces[1]};
    if (one.to == endpoint::revoke_api_key) to.name = found->pieces[0];
    return to;
  }
  if (!other.allowed.empty()) return other;
  return unknown_route{};
}

std::string_view route_pattern(endpoint to) noexcept {
  for (row const& one : rows) {
    if (one.to == to) return one.path;
  }
  return "";
}

bool is_public(endpoint to) noexcept {
  return to == endpoint::livez || to == endpoint::readyz || to == endpoint::healthz;
}

bool is_write(endpoint to) noexcept {
  for (row const& one : rows) {
    if (one.to == to) return one.verb != method::get;
  }
  return true;
}

}  // namespace tacit::net
