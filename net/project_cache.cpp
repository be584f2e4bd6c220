#include "net/project_cache.hpp"

#include <utility>

#include "net/answer.hpp"

namespace tacit::net {

using core::project_state;
using core::result;

namespace {

bool is_settled(std::uint64_t generation) { return generation % 2 == 0; }

}  // namespace

result<project_state> project_cache::find(core::project_id const& id) {
  std::uint64_t const generation = store_.project_set_generation();
  if (generation != existing_generation_) {
    existing_.clear();
    existing_generation_ = generation;
  }
  if (is_settled(generation) && existing_.contains(id)) return project_state::present;
  auto const state = store_.find_project(id);
  if (state && *state == project_state::present && is_settled(generation)) {
    if (existing_.size() >= existing_max) existing_.clear();
    existing_.insert(id);
  }
  return state;
}

rendered_list const* project_cache::list(core::project_id const& id) const {
  auto const kept = lists_.find(id);
  if (kept == lists_.end()) return nullptr;
  return kept->second.generation == store_.project_generation(id) ? &kept->second : nullptr;
}

result<rendered_list const*> project_cache::render(core::read_permit const& permit) {
  core::project_id const& id = permit.project();
  std::uint64_t const generation = store_.project_generation(id);
  auto const list = store_.list_secrets(permit);
  if (!list) return list.error();

  bool const full = lists_.size() >= lists_max || list_bytes_ >= list_bytes_max;
  if (full) {
    lists_.clear();
    list_bytes_ = 0;
  }
  rendered_list& to = is_settled(generation) ? lists_[id] : not_kept_;
  if (&to != &not_kept_) list_bytes_ -= to.body.size();
  core::wipe(to.body.data(), to.body.size());
  to.body.clear();
  to.generation = generation;
  to.revision = list->revision;
  constexpr std::size_t bytes_per_secret_max = 216;
  to.body.reserve(64 + list->secrets.size() * bytes_per_secret_max);  // growing would leave labels
  append_secret_list_body(to.body, *list);
  if (&to != &not_kept_) list_bytes_ += to.body.size();
  return &to;
}

}  // namespace tacit::net
