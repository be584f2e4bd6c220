#include "net/if_none_match.hpp"

#include <algorithm>
#include <string>

namespace tacit::net {

bool names_version(std::string_view if_none_match, std::uint64_t version) {
  std::string const tag = '"' + std::to_string(version) + '"';
  while (!if_none_match.empty()) {
    std::string_view item = if_none_match.substr(0, if_none_match.find(','));
    if_none_match.remove_prefix(std::min(item.size() + 1, if_none_match.size()));
    std::size_t const from = item.find_first_not_of(" \t");
    if (from == std::string_view::npos) continue;
    item = item.substr(from, item.find_last_not_of(" \t") - from + 1);
    if (item.starts_with("W/")) item.remove_prefix(2);
    if (item == "*" || item == tag) return true;
  }
  return false;
}

}  // namespace tacit::net
