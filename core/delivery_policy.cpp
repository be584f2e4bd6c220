#include "core/delivery_policy.hpp"

#include <algorithm>
#include <array>

namespace tacit::core {

namespace {

constexpr std::array<std::string_view, 19> withheld_names{
    "PATH",
    "IFS",
    "ENV",
    "BASH_ENV",
    "SHELLOPTS",
    "BASHOPTS",
    "GCONV_PATH",
    "NODE_OPTIONS",
    "NODE_PATH",
    "PYTHONPATH",
    "PYTHONHOME",
    "PYTHONSTARTUP",
    "PERL5LIB",
    "PERL5OPT",
    "RUBYLIB",
    "RUBYOPT",
    "JAVA_TOOL_OPTIONS",
    "JDK_JAVA_OPTIONS",
    "_JAVA_OPTIONS",
};
constexpr std::array<std::string_view, 2> withheld_prefixes{"LD_", "DYLD_"};

bool matches(delivery_grant const& grant, delivery_peer const& peer) {
  if (!grant.has_uid && !grant.has_gid && grant.unit.empty()) return false;
  if (grant.has_uid && grant.uid != peer.uid) return false;
  if (grant.has_gid &&
      std::find(peer.groups.begin(), peer.groups.end(), grant.gid) == peer.groups.end()) {
    return false;
  }
  return grant.unit.empty() || grant.unit == peer.unit;
}

}  // namespace

delivery_policy::delivery_policy(std::uint32_t owner, std::vector<delivery_grant> grants,
                                 std::vector<std::string> deliver_names)
    : owner_(owner), grants_(std::move(grants)), deliver_names_(std::move(deliver_names)) {}

bool delivery_policy::may_read_any(delivery_peer const& peer) const noexcept {
  return peer.uid == 0 || peer.uid == owner_ ||
         std::any_of(grants_.begin(), grants_.end(),
                     [&](delivery_grant const& grant) { return matches(grant, peer); });
}

bool delivery_policy::may_read(delivery_peer const& peer, std::string_view project) const noexcept {
  return peer.uid == 0 || peer.uid == owner_ ||
         std::any_of(grants_.begin(), grants_.end(), [&](delivery_grant const& grant) {
           return grant.project.text() == project && matches(grant, peer);
         });
}

std::vector<project_id> delivery_policy::projects_of_unit(std::string_view unit) const {
  std::vector<project_id> projects;
  for (delivery_grant const& grant : grants_) {
    if (grant.unit.empty() || grant.unit != unit || grant.has_uid || grant.has_gid) continue;
    if (std::find(projects.begin(), projects.end(), grant.project) != projects.end()) continue;
    projects.push_back(grant.project);
  }
  return projects;
}

bool delivery_policy::asks_for_unit() const noexcept {
  return std::any_of(grants_.begin(), grants_.end(),
                     [](delivery_grant const& grant) { return !grant.unit.empty(); });
}

bool delivery_policy::withholds(std::string_view name) const noexcept {
  auto const is = [&](std::string_view other) { return name == other; };
  auto const begins = [&](std::string_view prefix) { return name.starts_with(prefix); };
  bool const listed = std::any_of(withheld_names.begin(), withheld_names.end(), is) ||
                      std::any_of(withheld_prefixes.begin(), withheld_prefixes.end(), begins);
  return listed && std::none_of(deliver_names_.begin(), deliver_names_.end(), is);
}

}  // namespace tacit::core
