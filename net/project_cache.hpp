// What a core remembers of projects, so that reading one again costs no look-up: that it exists,
// and its list of secrets as rendered bytes. Everything is tagged with the store's generation at
// the time and used only while that has not changed. One thread. Holds labels: wiped when dropped.
#pragma once

#include <cstdint>
#include <list>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "core/error.hpp"
#include "core/secret.hpp"
#include "core/store.hpp"

namespace tacit::net {

// The body of a list's answer, and the revision that it shows.
struct rendered_list {
  explicit rendered_list(core::project_id const& of) : project(of) {}
  rendered_list(rendered_list const&) = delete;
  rendered_list& operator=(rendered_list const&) = delete;
  ~rendered_list() { core::wipe(body.data(), body.size()); }

  core::project_id project;
  std::uint64_t generation = 0;
  std::uint64_t revision = 0;
  std::string body;
};

class project_cache {
 public:
  // Keeps lists of `bytes` altogether, and drops those that were asked for least recently.
  project_cache(core::store const& store, std::size_t bytes) : store_(store), bytes_max_(bytes) {}

  // As store::find_project, remembered.
  [[nodiscard]] core::result<core::project_state> find(core::project_id const& id);

  // The rendered list when there is a current one; it is valid until the next call.
  [[nodiscard]] rendered_list const* list(core::project_id const& id);

  // Reads and renders the list, and keeps it when it may be kept. It is valid until the next call.
  [[nodiscard]] core::result<rendered_list const*> render(core::read_permit const& permit);

 private:
  using lists = std::list<rendered_list>;
  static constexpr std::size_t existing_max = 8192;

  void drop(lists::iterator which);
  void render_into(rendered_list& to, core::secret_list const& list);

  core::store const& store_;
  std::size_t bytes_max_;
  std::size_t bytes_ = 0;  // of lists_, about
  lists lists_;            // the one asked for last comes first
  std::unordered_map<core::project_id, lists::iterator> by_project_;
  std::string scratch_;  // where a list is rendered, as its size is not known before
  std::unordered_set<core::project_id> existing_;
  std::uint64_t existing_generation_ = 0;
};

}  // namespace tacit::net
