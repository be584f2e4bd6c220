#include "app/cli/commands.hpp"
#include "app/cli/output.hpp"

namespace tacit::app {

int check_settings(setting_flags const& flags) {
  settings const loaded = load_settings(flags);  // throws what is wrong
  if (!loaded.unread_file.empty()) {
    say("this user cannot read " + loaded.unread_file + ": serve would go without it");
  }
  write_out("ok\n");
  return 0;
}

}  // namespace tacit::app
