// What a core remembers of projects, so that reading one again costs no look-up: that it exists,
// and its list of secrets as rendered bytes. Everything is tagged with the store's generation at
// the time and used only while that has not changed. One thread. Holds labels: wiped when dropped.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "core/error.hpp"
#include "core/secret.hpp"
#include "core/store.hpp"

namespace tacit::net {

// The body of a list's answer, and the revision that it shows.
struct rendered_list {
  rendered_list() = default;
  rendered_list(rendered_list&&) = default;
  rendered_list& operator=(rendered_list&&) = delete;
  ~rendered_list() { core::wipe(body.data(), body.size()); }

  std::uint64_t generation = 0;
  std::uint64_t revision = 0;
  std::string body;
};

class project_cache {
 public:
  explicit project_cache(core::store const& store) : store_(store) {}

  // As store::find_project, remembered.
  [[nodiscard]] core::result<core::project_state> find(core::project_id const& id);

  // The rendered list when there is a current one; it is valid until the next call.
  [[nodiscard]] rendered_list const* list(core::project_id const& id) const;

  // Reads and renders the list, and keeps it when it may be kept.
  [[nodiscard]] core::result<rendered_list const*> render(core::read_permit const& permit);

 private:
  static constexpr std::size_t lists_max = 1024;
  static constexpr std::size_t list_bytes_max = 4u << 20;  // of all lists together
  static constexpr std::size_t existing_max = 8192;

  core::store const& store_;
  std::unordered_map<core::project_id, rendered_list> lists_;
  std::size_t list_bytes_ = 0;
  rendered_list not_kept_;
  std::unordered_set<core::project_id> existing_;
  std::uint64_t existing_generation_ = 0;
};

}  // namespace tacit::net
