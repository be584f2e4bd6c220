#include "net/credential_answer.hpp"

#include <algorithm>

#include "core/environment_file.hpp"
#include "core/sealing.hpp"
#include "net/delivery_answer.hpp"

namespace tacit::net {

using core::errc;
using core::result;

result<core::secret_buffer> make_single_credential(core::keeper_share const& keys,
                                                   core::delivery_policy const& policy,
                                                   core::project_id const& project,
                                                   sealed_set const& set,
                                                   core::secret_name const& name) {
  if (policy.withholds(name.text())) return errc::forbidden;
  auto const found =
      std::find_if(set.records.begin(), set.records.end(),
                   [&](core::record_message const& record) { return record.name == name; });
  if (found == set.records.end()) return errc::not_found;
  core::secret_buffer value(found->sealed.size());
  core::value_opener opener(keys);
  core::value_place const place{project, found->name, found->record_id};
  if (!opener.open(found->sealed, place, value)) return errc::corrupt;
  return value;
}

result<core::secret_buffer> make_whole_credential(core::keeper_share const& keys,
                                                  core::delivery_policy const& policy,
                                                  core::project_id const& project,
                                                  sealed_set const& set) {
  auto const opened = open_set(keys, policy, project, set);
  if (!opened) return opened.error();
  for (auto const& [name, value] : opened->entries) {
    if (!core::fits_environment_file(value)) return errc::validation;
  }
  core::secret_buffer const lines = core::encode_environment_file(opened->entries);
  core::secret_buffer whole(lines.size() + whole_set_end.size());
  CHECK(whole.append(lines.reveal()) && whole.append(whole_set_end));
  return whole;
}

}  // namespace tacit::net
