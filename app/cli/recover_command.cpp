#include "app/cli/recover_command.hpp"

#include <CLI/CLI.hpp>

#include "app/recover.hpp"

namespace tacit::app {

void add_recover_command(CLI::App* root, command_maker const& make, recover_arguments& given) {
  CLI::App* const made = make(
      root, "recover", "Show what a damaged store has lost; with --drop, go on without it",
      "tacit recover --data ./tacit-data\n  tacit recover --data ./tacit-data --drop", [&given] {
        return run_recover(load_settings(given.settings),
                           given.drop ? recovery::drop : recovery::look);
      });
  made->add_flag("--drop", given.drop, "Make a new store of what is left; the old one is kept");
  made->add_option("--config", given.settings.config_file, "Settings file, as for serve")
      ->type_name("FILE");
  made->add_option("--data", given.settings.data_dir, "Folder of the server")->type_name("DIR");
  made->add_option("--key-file", given.settings.key_file, "The root key (DATA/root.key)")
      ->type_name("FILE");
}

}  // namespace tacit::app
