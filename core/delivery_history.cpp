#include "core/delivery_history.hpp"

#include <algorithm>

namespace tacit::core {

bool delivery_history::accepts(project_id const& project, std::uint64_t revision,
                               std::vector<std::uint64_t> record_ids) {
  std::sort(record_ids.begin(), record_ids.end());
  for (std::uint64_t const id : record_ids) {
    if (replaced_.contains(id)) return false;
  }
  auto const known = sets_.find(project);
  if (known == sets_.end()) {
    // One more for the project itself, so that empty ones are bounded too.
    if (delivered_ + record_ids.size() + 1 > most_.delivered) return true;
    delivered_ += record_ids.size() + 1;
    sets_.emplace(project, last_set{revision, std::move(record_ids)});
    return true;
  }
  last_set& last = known->second;
  if (revision < last.revision) return false;
  if (revision == last.revision) return record_ids == last.ids;
  for (std::uint64_t const id : last.ids) {
    if (!std::binary_search(record_ids.begin(), record_ids.end(), id)) note_replaced(id);
  }
  delivered_ -= last.ids.size();
  if (delivered_ + record_ids.size() > most_.delivered) {
    delivered_ -= 1;
    sets_.erase(known);
    return true;
  }
  delivered_ += record_ids.size();
  last = {revision, std::move(record_ids)};
  return true;
}

void delivery_history::note_replaced(std::uint64_t id) {
  if (!replaced_.insert(id).second) return;
  replaced_order_.push_back(id);
  if (replaced_order_.size() <= most_.replaced) return;
  replaced_.erase(replaced_order_.front());
  replaced_order_.pop_front();
}

}  // namespace tacit::core
