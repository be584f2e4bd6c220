// Who may read a project's values, and which names are kept back. Plain decisions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/name.hpp"

namespace tacit::core {

// A peer of keeper.sock as the kernel describes it.
struct delivery_peer {
  std::uint32_t uid = 0;
  std::vector<std::uint32_t> groups;  // primary and supplementary
  std::string unit;                   // its systemd unit, "" when it has none or none was asked for
};

// One who may read one project: every condition that is given must hold.
struct delivery_grant {
  project_id project;
  bool has_uid = false;
  std::uint32_t uid = 0;
  bool has_gid = false;
  std::uint32_t gid = 0;
  std::string unit;
};

class delivery_policy {
 public:
  // `owner` is the uid that started tacit; it and root may read every project.
  // `deliver_names` are names that would be withheld but are delivered.
  delivery_policy(std::uint32_t owner, std::vector<delivery_grant> grants,
                  std::vector<std::string> deliver_names);

  // Whether there is any project that the peer may read: if not, it is refused before anything
  // that it sent is looked at.
  [[nodiscard]] bool may_read_any(delivery_peer const& peer) const noexcept;
  [[nodiscard]] bool may_read(delivery_peer const& peer, std::string_view project) const noexcept;
  // Root, and who started tacit: they alone say which runtimes of other machines are let in.
  [[nodiscard]] bool is_owner(delivery_peer const& peer) const noexcept {
    return peer.uid == 0 || peer.uid == owner_;
  }
  // The projects, each once, of the grants that state this unit and nothing else: what systemd may
  // load for it. (All that a grant states must hold, and the uid that asks here is systemd's.)
  [[nodiscard]] std::vector<project_id> projects_of_unit(std::string_view unit) const;
  // Whether a grant names a unit: only then is the peer's looked up.
  [[nodiscard]] bool asks_for_unit() const noexcept;

  // Names that change how programs load code.
  [[nodiscard]] bool withholds(std::string_view name) const noexcept;

 private:
  std::uint32_t owner_;
  std::vector<delivery_grant> grants_;
  std::vector<std::string> deliver_names_;
};

}  // namespace tacit::core
