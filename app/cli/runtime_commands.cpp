#include "app/cli/runtime_commands.hpp"

#include <CLI/CLI.hpp>

namespace tacit::app {

namespace {

void add_identity(CLI::App* to, runtime_arguments& given) {
  to->add_option("--identity", given.identity, "The runtime's identity file")
      ->required()
      ->type_name("FILE");
}

void add_keeper(CLI::App* to, runtime_arguments& given) {
  to->add_flag("--json", given.json, "Print the keeper's data as JSON, for programs");
  to->add_option("--data", given.keeper.data_dir, "Folder of the server")->type_name("DIR");
  to->add_option("--run-dir", given.keeper.run_dir, "Folder of keeper.sock ($TACIT_RUN_DIR)")
      ->type_name("DIR");
}

}  // namespace

void add_runtime_commands(CLI::App* to, command_maker const& make, runtime_arguments& given) {
  to->require_subcommand(1);
  add_identity(make(to, "keygen", "Make a runtime's identity file; prints its public key",
                    "tacit runtime keygen --identity web.identity",
                    [&given] { return make_runtime_identity(given); }),
               given);
  CLI::App* const pin = make(to, "pin", "Trust this server's keeper, and no other",
                             "tacit runtime pin --identity web.identity --server-key KEY",
                             [&given] { return pin_server(given); });
  add_identity(pin, given);
  pin->add_option("--server-key", given.server_key, "What enrol printed on the server's machine")
      ->required()
      ->type_name("KEY");

  CLI::App* const enrol = make(to, "enrol", "Let a runtime read a project; prints the server's key",
                               "tacit runtime enrol --project shop --public-key KEY --name web-1",
                               [&given] { return enrol_runtime(given); });
  enrol->add_option("--project", given.project, "The project")->required()->type_name("ID");
  enrol->add_option("--public-key", given.public_key, "What keygen printed")
      ->required()
      ->type_name("KEY");
  enrol->add_option("--name", given.name, "The enrolment's id (else one is made)")->type_name("ID");
  enrol
      ->add_option("--expires", given.expires,
                   "Not valid from then on: 2027-01-31 (UTC) or 2027-01-31T18:00:00Z (1 year)")
      ->type_name("DATE");
  add_keeper(enrol, given);
  add_keeper(make(to, "list", "List the enrolled runtimes", "tacit runtime list",
                  [&given] { return list_runtimes(given); }),
             given);
  CLI::App* const revoke =
      make(to, "revoke", "Let a runtime in no more, at once", "tacit runtime revoke web-1",
           [&given] { return revoke_runtime(given); });
  revoke->add_option("ID", given.id, "The enrolment's id")->required();
  add_keeper(revoke, given);
  add_keeper(make(to, "reset", "Revoke all runtimes, without asking", "tacit runtime reset",
                  [&given] { return reset_runtimes(given); }),
             given);
}

}  // namespace tacit::app
