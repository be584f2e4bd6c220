#include <sys/prctl.h>

#include "app/cli/delivery.hpp"
#include "app/cli/env_format.hpp"
#include "app/cli/error.hpp"
#include "app/cli/output.hpp"

namespace tacit::app {

int write_env(delivery_arguments const& from, env_format format) {
  prctl(PR_SET_DUMPABLE, 0);  // a value is never in a core file
  delivered const set = fetch_values(from, read_surroundings());
  std::string faults;
  for (auto const& [name, value] : set.values) {
    std::string_view const fault = env_format_fault(format, value);
    if (fault.empty()) continue;
    faults += (faults.empty() ? "" : "; ") + std::string(name) + " " + std::string(fault);
  }
  if (!faults.empty()) {
    throw cli_error(exit_failed, "nothing is written, as this format cannot hold: " + faults +
                                     "; json, null and shell hold every value");
  }
  write_out(format_env(format, set.values).reveal());
  return 0;
}

}  // namespace tacit::app
