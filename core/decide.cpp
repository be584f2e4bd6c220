#include "core/decide.hpp"

#include <algorithm>

namespace tacit::core {

result<upsert_decision> decide_upsert(std::optional<counter_row> const& project,
                                      secret_row const* existing, std::uint32_t secret_limit,
                                      write_moment const& moment) {
  if (!project) return errc::not_found;
  if (existing == nullptr && project->secrets >= secret_limit) return errc::secret_limit_exceeded;

  upsert_decision decided;
  decided.secret.version = moment.sequence;
  if (existing == nullptr) {
    decided.secret.created = moment.now;
    decided.secret.updated = moment.now;
  } else {
    decided.secret.created = existing->created;
    decided.secret.updated = std::max(moment.now, existing->updated);
  }
  decided.counters.secrets = project->secrets + (existing == nullptr ? 1 : 0);
  decided.counters.revision = moment.sequence;
  decided.counters.updated = std::max(moment.now, project->updated);
  return decided;
}

result<counter_row> decide_remove(std::optional<counter_row> const& project,
                                  secret_row const* existing, write_moment const& moment) {
  if (!project) return errc::not_found;
  counter_row counters = *project;
  if (existing == nullptr) return counters;
  if (counters.secrets == 0) return errc::corrupt;
  --counters.secrets;
  counters.revision = moment.sequence;
  counters.updated = std::max(moment.now, project->updated);
  return counters;
}

}  // namespace tacit::core
