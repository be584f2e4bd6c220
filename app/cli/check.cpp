#include "app/cli/commands.hpp"
#include "app/cli/output.hpp"

namespace tacit::app {

int check_settings(setting_flags const& flags) {
  static_cast<void>(load_settings(flags));  // throws what is wrong
  write_out("ok\n");
  return 0;
}

}  // namespace tacit::app
