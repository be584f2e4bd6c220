#include "net/project_cache.hpp"

#include <iterator>
#include <utility>

#include "net/answer.hpp"

namespace tacit::net {

using core::project_state;
using core::result;

namespace {

bool is_settled(std::uint64_t generation) { return generation % 2 == 0; }

// Of what was read while a change was being written: shown once. No generation comes this far.
constexpr std::uint64_t never_current = UINT64_MAX;

// Of a kept list: its bytes, its node, its place in the index.
std::size_t cost_of(rendered_list const& list) {
  return list.body.capacity() + sizeof list + 2 * sizeof(core::project_id);
}

}  // namespace

result<project_state> project_cache::find(core::project_id const& id) {
  std::uint64_t const generation = store_.project_set_generation();
  if (generation != existing_generation_) {
    existing_.clear();
    existing_generation_ = generation;
  }
  if (existing_.contains(id)) return project_state::present;  // none while it is odd
  auto const state = store_.find_project(id);
  if (state && *state == project_state::present && is_settled(generation)) {
    if (existing_.size() >= existing_max) existing_.clear();
    existing_.insert(id);
  }
  return state;
}

rendered_list const* project_cache::list(core::project_id const& id) {
  auto const known = by_project_.find(id);
  if (known == by_project_.end()) return nullptr;
  rendered_list const& kept = *known->second;
  if (kept.generation != store_.project_generation(id)) return nullptr;
  if (known->second != lists_.begin()) lists_.splice(lists_.begin(), lists_, known->second);
  return &kept;
}

result<rendered_list const*> project_cache::render(core::read_permit const& permit) {
  core::project_id const& id = permit.project();
  std::uint64_t const generation = store_.project_generation(id);
  auto const read = store_.list_secrets(permit);
  if (!read) return read.error();

  auto const known = by_project_.find(id);
  if (known != by_project_.end()) drop(known->second);
  rendered_list& to = lists_.emplace_front(id);
  by_project_.emplace(id, lists_.begin());
  to.generation = is_settled(generation) ? generation : never_current;
  to.revision = read->revision;
  render_into(to, *read);
  bytes_ += cost_of(to);
  while (bytes_ > bytes_max_ && lists_.size() > 1) drop(std::prev(lists_.end()));
  return &to;
}

void project_cache::render_into(rendered_list& to, core::secret_list const& list) {
  constexpr std::size_t bytes_per_secret_max = 216;
  // Growing would leave labels behind.
  scratch_.reserve(64 + list.secrets.size() * bytes_per_secret_max);
  append_secret_list_body(scratch_, list);
  to.body.assign(scratch_);
  core::wipe(scratch_.data(), scratch_.size());
  scratch_.clear();
}

void project_cache::drop(lists::iterator which) {
  bytes_ -= cost_of(*which);
  by_project_.erase(which->project);
  lists_.erase(which);
}

}  // namespace tacit::net
