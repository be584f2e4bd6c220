// The path router. For every method and target: a route that is found renders to the same path, a
// method that is refused has one beside it that is taken, an unknown path is unknown to all.
#include "net/route.hpp"

#include <array>
#include <string>

#include "tests/fuzz/target.hpp"

namespace {

using namespace tacit;
using net::method;

std::string rendered(net::route const& found) {
  bool const key_id = found.to == net::endpoint::revoke_api_key;
  std::array const pieces{key_id ? found.name : found.project, found.name};
  std::string path;
  std::size_t next = 0;
  for (char const c : net::route_pattern(found.to)) {
    if (c != '*') {
      path.push_back(c);
      continue;
    }
    std::string_view const piece = pieces.at(next++);
    CHECK(!piece.empty() && piece.find_first_of("/?") == piece.npos);
    path.append(piece);
  }
  return path;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  constexpr std::array<std::pair<method, std::string_view>, 5> verbs{{{method::get, "GET"},
                                                                      {method::head, "HEAD"},
                                                                      {method::post, "POST"},
                                                                      {method::del, "DELETE"},
                                                                      {method::other, "PUT"}}};
  std::string_view const target = fuzz::as_text(data, size);
  std::string_view const path = target.substr(0, target.find('?'));
  std::size_t found = 0, refused = 0, unknown = 0;
  std::string taken;    // the methods that have a route here
  std::string allowed;  // as a refusal states them
  for (auto const& [verb, name] : verbs) {
    net::routing const routed = net::find_route(verb, target);
    if (auto const* const one = std::get_if<net::route>(&routed)) {
      ++found;
      CHECK(rendered(*one) == path);
      CHECK(net::is_write(one->to) == (verb != method::get));
      CHECK(verb == method::get || !net::is_public(one->to));
      taken += (taken.empty() ? "" : ", ") + std::string(name);
    } else if (auto const* const wrong = std::get_if<net::wrong_method>(&routed)) {
      ++refused;
      allowed = wrong->allowed;
    } else {
      ++unknown;
    }
  }
  CHECK(unknown == 0 || unknown == verbs.size());
  CHECK(refused == 0 || (found > 0 && allowed == taken));
  return 0;
}
