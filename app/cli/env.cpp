#include <sys/prctl.h>

#include <algorithm>
#include <iterator>

#include "app/cli/api.hpp"
#include "app/cli/delivery.hpp"
#include "app/cli/env_format.hpp"
#include "app/cli/error.hpp"
#include "app/cli/output.hpp"

namespace tacit::app {

namespace {

// The entries that are asked for, each once, in the set's order. Throws cli_error for one that is
// not in it: a file without it would be taken for whole.
std::vector<env_entry> choose(delivered const& set, std::vector<std::string> const& keys,
                              std::string const& project) {
  if (keys.empty()) return set.values;
  auto const is_wanted = [&keys](env_entry const& entry) {
    return std::find(keys.begin(), keys.end(), entry.first) != keys.end();
  };
  std::vector<env_entry> chosen;
  std::copy_if(set.values.begin(), set.values.end(), std::back_inserter(chosen), is_wanted);
  for (std::string const& key : keys) {
    bool const found = std::any_of(chosen.begin(), chosen.end(),
                                   [&key](env_entry const& entry) { return entry.first == key; });
    if (!found) {
      throw cli_error(exit_failed,
                      "nothing is written, as project " + project + " has no secret " + key +
                          " that is delivered; see: tacit secret list --project " + project);
    }
  }
  return chosen;
}

void refuse_what_does_not_fit(env_format format, std::vector<env_entry> const& entries) {
  std::string faults;
  for (auto const& [name, value] : entries) {
    std::string_view const fault = env_format_fault(format, value);
    if (fault.empty()) continue;
    faults += (faults.empty() ? "" : "; ") + std::string(name) + " " + std::string(fault);
  }
  if (faults.empty()) return;
  throw cli_error(exit_failed, "nothing is written, as this format cannot hold: " + faults +
                                   "; json, null and shell hold every value");
}

}  // namespace

int write_env(delivery_arguments const& from, env_arguments const& wanted) {
  prctl(PR_SET_DUMPABLE, 0);  // a value is never in a core file
  for (std::string const& key : wanted.keys) require_secret_name(key);
  if (wanted.format == env_format::raw && wanted.keys.size() != 1) {
    throw cli_error(exit_wrong_usage,
                    "--format raw writes one value: name it with --key KEY; see: tacit env --help");
  }
  delivered const set = fetch_values(*open_cached_source(from, read_surroundings()), from.wait);
  std::vector<env_entry> const entries = choose(set, wanted.keys, from.project);
  refuse_what_does_not_fit(wanted.format, entries);
  write_out(format_env(wanted.format, entries).reveal());
  return 0;
}

}  // namespace tacit::app
