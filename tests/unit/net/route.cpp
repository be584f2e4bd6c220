#include "net/route.hpp"

#include <boost/test/unit_test.hpp>

namespace tacit::net {
namespace {

struct known_route {
  method verb;
  std::string_view target;
  endpoint to;
  std::string_view project;
  std::string_view name;
  std::string_view pattern;
  bool is_write;
  bool is_public;
};

constexpr auto get = method::get;
constexpr auto post = method::post;
constexpr auto del = method::del;

constexpr known_route routes[] = {
    {get, "/api/v1/projects/bot/secrets", endpoint::list_secrets, "bot", "",
     "/api/v1/projects/*/secrets", false, false},
    {post, "/api/v1/projects/bot/secrets", endpoint::upsert_secret, "bot", "",
     "/api/v1/projects/*/secrets", true, false},
    {del, "/api/v1/projects/bot/secrets/KEY", endpoint::remove_secret, "bot", "KEY",
     "/api/v1/projects/*/secrets/*", true, false},
    {get, "/api/v1/projects", endpoint::list_projects, "", "", "/api/v1/projects", false, false},
    {post, "/api/v1/projects", endpoint::create_project, "", "", "/api/v1/projects", true, false},
    {get, "/api/v1/projects/bot", endpoint::show_project, "bot", "", "/api/v1/projects/*", false,
     false},
    {del, "/api/v1/projects/bot", endpoint::delete_project, "bot", "", "/api/v1/projects/*", true,
     false},
    {get, "/api/v1/api-keys", endpoint::list_api_keys, "", "", "/api/v1/api-keys", false, false},
    {post, "/api/v1/api-keys", endpoint::create_api_key, "", "", "/api/v1/api-keys", true, false},
    {del, "/api/v1/api-keys/k1", endpoint::revoke_api_key, "", "k1", "/api/v1/api-keys/*", true,
     false},
    {get, "/api/v1/user/me", endpoint::show_self, "", "", "/api/v1/user/me", false, false},
    {post, "/api/v1/runtime", endpoint::runtime, "", "", "/api/v1/runtime", true, false},
    {get, "/livez", endpoint::livez, "", "", "/livez", false, true},
    {get, "/readyz", endpoint::readyz, "", "", "/readyz", false, true},
    {get, "/healthz", endpoint::healthz, "", "", "/healthz", false, true},
    // Pieces are not looked at here, and a query is passed over.
    {get, "/api/v1/projects/a%2Fb/secrets", endpoint::list_secrets, "a%2Fb", "",
     "/api/v1/projects/*/secrets", false, false},
    {get, "/api/v1/projects/*", endpoint::show_project, "*", "", "/api/v1/projects/*", false,
     false},
    {get, "/api/v1/projects/..", endpoint::show_project, "..", "", "/api/v1/projects/*", false,
     false},
    {get, "/api/v1/projects?limit=5", endpoint::list_projects, "", "", "/api/v1/projects", false,
     false},
    {get, "/api/v1/projects/bot/secrets?a=/b?c", endpoint::list_secrets, "bot", "",
     "/api/v1/projects/*/secrets", false, false},
    {get, "/livez?", endpoint::livez, "", "", "/livez", false, true},
};

constexpr std::string_view unknown[] = {
    "/",
    "/api",
    "/api/v1",
    "/api/v1/",
    "/api/v2/projects",
    "/API/v1/projects",
    "//api/v1/projects",
    "/api//v1/projects",
    "/api/v1/projects/",
    "/api/v1/projects//secrets",
    "/api/v1/projects/bot/",
    "/api/v1/projects/bot/secrets/",
    "/api/v1/projects/bot/secrets/KEY/",
    "/api/v1/projects/bot/secrets/KEY/x",
    "/api/v1/projects/bot/secret",
    "/api/v1/projects/bot/secretsX",
    "/api/v1/projects/bot/x",
    "/api/v1/projectsX",
    "/api/v1/api-keys/",
    "/api/v1/api-keys/k1/x",
    "/api/v1/user",
    "/api/v1/user/me/",
    "/api/v1/user/me2",
    "/livez/",
    "/livez#x",
    "/livezz",
    "/live",
    "/%6civez",
    "/metrics",
    "?/livez",
    "",
};

struct refused_method {
  std::string_view target;
  std::string_view allowed;
};

constexpr refused_method methods[] = {
    {"/api/v1/projects/bot/secrets", "GET, POST"},
    {"/api/v1/projects/bot/secrets/KEY", "DELETE"},
    {"/api/v1/projects", "GET, POST"},
    {"/api/v1/projects/bot", "GET, DELETE"},
    {"/api/v1/api-keys", "GET, POST"},
    {"/api/v1/api-keys/k1", "DELETE"},
    {"/api/v1/user/me", "GET"},
    {"/livez", "GET"},
    {"/readyz", "GET"},
    {"/healthz", "GET"},
};

std::string_view name_of(method verb) {
  return verb == get ? "GET" : verb == post ? "POST" : verb == del ? "DELETE" : "OTHER";
}

}  // namespace

BOOST_AUTO_TEST_SUITE(routing_table)

BOOST_AUTO_TEST_CASE(each_endpoint_is_found_with_its_pieces) {
  for (known_route const& one : routes) {
    BOOST_TEST_CONTEXT(one.target) {
      auto const found = find_route(one.verb, one.target);
      auto const* const to = std::get_if<route>(&found);
      BOOST_REQUIRE(to != nullptr);
      BOOST_TEST((to->to == one.to));
      if (one.to != endpoint::revoke_api_key) BOOST_TEST(to->project == one.project);
      BOOST_TEST(to->name == one.name);
      BOOST_TEST(route_pattern(to->to) == one.pattern);
      BOOST_TEST(is_write(to->to) == one.is_write);
      BOOST_TEST(is_public(to->to) == one.is_public);
    }
  }
}

BOOST_AUTO_TEST_CASE(a_path_that_is_not_in_the_list_is_unknown_with_every_method) {
  for (std::string_view const target : unknown) {
    for (auto const verb : {get, post, del, method::head, method::other}) {
      BOOST_TEST_CONTEXT(target) {
        auto const found = find_route(verb, target);
        BOOST_TEST(std::holds_alternative<unknown_route>(found));
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(a_known_path_with_another_method_says_which_are_allowed) {
  for (refused_method const& one : methods) {
    for (auto const verb : {get, post, del, method::head, method::other}) {
      BOOST_TEST_CONTEXT(name_of(verb) << " " << one.target) {
        auto const found = find_route(verb, one.target);
        bool const allowed = one.allowed.find(name_of(verb)) != std::string_view::npos;
        BOOST_TEST(std::holds_alternative<route>(found) == allowed);
        auto const* const refused = std::get_if<wrong_method>(&found);
        BOOST_TEST((refused != nullptr) == !allowed);
        if (refused != nullptr) BOOST_TEST(refused->allowed == one.allowed);
      }
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace tacit::net
