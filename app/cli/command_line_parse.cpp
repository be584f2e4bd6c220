#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>

#include "app/cli/argument_faults.hpp"
#include "app/cli/command_line.hpp"
#include "app/cli/commands.hpp"
#include "app/cli/error.hpp"
#include "app/cli/output.hpp"
#include "app/cli/plain_help.hpp"
#include "app/cli/recover_command.hpp"
#include "app/cli/runtime_commands.hpp"
#include "app/run/options.hpp"
#include "app/startup.hpp"
#include "core/duration.hpp"
#include "core/limits.hpp"

namespace tacit::app {

namespace {

// Every command's flags and arguments end in the members; the command that is given sets chosen_.
class command_line {
 public:
  command_line() {
    root_.require_subcommand(1);
    root_.set_version_flag("--version", "tacit " + std::string(version), "Print the version");
    root_.set_help_flag("-h,--help", "Print this help");
    root_.formatter(std::make_shared<plain_help>());
    root_.footer(
        "Each command has its own help: tacit COMMAND --help, or: tacit help COMMAND\n\n"
        "First steps:\n"
        "  tacit serve &\n"
        "  tacit project create Demo --id demo\n"
        "  printf %s \"$PASSWORD\" | tacit secret set DB_PASSWORD --project demo\n"
        "  tacit run --project demo -- ./app");
    add_serve();
    add_projects();
    add_keys();
    add_secrets();
    add_delivery();
    add_deliveries();
    add_runtimes();
    add_tools();
  }

  command_action parse(std::vector<std::string> arguments) {
    if (!arguments.empty() && arguments.front() == "run") cut_command(arguments);
    std::reverse(arguments.begin(), arguments.end());  // as CLI11 wants them
    try {
      root_.parse(std::move(arguments));
    } catch (CLI::CallForHelp const&) {
      return print(deepest()->help());
    } catch (CLI::CallForAllHelp const&) {
      return print(root_.help("", CLI::AppFormatMode::All));
    } catch (CLI::CallForVersion const&) {
      return print("tacit " + std::string(version) + "\n");
    } catch (CLI::ParseError const& fault) {
      throw cli_error(exit_wrong_usage, usage_fault(fault));
    }
    if (run_->parsed() && command_.empty()) throw cli_error(exit_wrong_usage, command_missing());
    return chosen_;
  }

  // names are the command and subcommand whose help is asked for; none: the program's.
  command_action help(std::vector<std::string> const& names) {
    CLI::App* at = &root_;
    for (std::string const& name : names) {
      auto const found =
          at->get_subcommands([&](CLI::App const* one) { return one->get_name() == name; });
      if (found.empty()) {
        throw cli_error(exit_wrong_usage,
                        unknown_command(name) + "; see: " + path_of(*at) + " --help");
      }
      at = found.front();
    }
    return print(at->help());
  }

 private:
  static command_action print(std::string text) {
    return [text = std::move(text)] {
      write_out(text);
      return 0;
    };
  }

  // What is behind the first "--" is the command that run starts, untouched.
  void cut_command(std::vector<std::string>& arguments) {
    auto const mark = std::find(arguments.begin(), arguments.end(), "--");
    if (mark == arguments.end()) return;
    command_.assign(mark + 1, arguments.end());
    arguments.erase(mark, arguments.end());
  }

  CLI::App* group(CLI::App* parent, std::string const& name, std::string const& text,
                  std::string const& example) {
    CLI::App* const made = parent->add_subcommand(name, text);
    made->set_help_flag("-h,--help", "Print this help");
    made->footer("Example:\n  " + example);
    return made;
  }

  // A command: act makes what is to be done from the members, once they are set.
  CLI::App* command(CLI::App* parent, std::string const& name, std::string const& text,
                    std::string const& example, std::function<int()> act) {
    CLI::App* const made = group(parent, name, text, example);
    made->callback([this, act = std::move(act)] { chosen_ = act; });
    return made;
  }

  void add_api_flags(CLI::App* to, api_flags& flags) {
    to->add_flag("--json", flags.json, "Print the API's data as JSON, for programs");
    to->add_option("--data", flags.data_dir, "Folder of the server on this machine")
        ->type_name("DIR");
  }

  void add_serve() {
    CLI::App* const serve =
        command(&root_, "serve", "Run the server in the foreground",
                "tacit serve --data ./tacit-data --listen 127.0.0.1:8787",
                [flags = &setting_flags_] { return run_serve(load_settings(*flags)); });
    add_config(serve);
    serve->add_option("--data", setting_flags_.data_dir, "Folder of everything that is kept")
        ->type_name("DIR");
    serve->add_option("--listen", setting_flags_.listen, "Where to listen (port 0: a free one)")
        ->type_name("ADDR:PORT");
    serve->add_option("--key-file", setting_flags_.key_file, "The root key (DATA/root.key)")
        ->type_name("FILE");
  }

  void add_config(CLI::App* to) {
    to->add_option("--config", setting_flags_.config_file,
                   "Settings file ($TACIT_CONFIG, else /etc/tacit/tacit.toml when there is one)")
        ->type_name("FILE");
  }

  void add_projects() {
    CLI::App* const projects = group(&root_, "project", "Make, list, show and delete projects",
                                     "tacit project create \"My shop\" --id shop");
    projects->require_subcommand(1);
    CLI::App* const create = command(projects, "create", "Make a project; prints its id",
                                     "tacit project create \"My shop\" --id shop --limit 50",
                                     [given = &project_create_] { return create_project(*given); });
    create->add_option("NAME", project_create_.name, "What people call it")->required();
    create->add_option("--id", project_create_.id, "What programs call it (else a UUID)")
        ->type_name("ID");
    create->add_option("--limit", project_create_.limit, "The most secrets that it holds")
        ->type_name("N")
        ->check(limit_fault);
    add_api_flags(create, project_create_.api);
    add_api_flags(command(projects, "list", "List the projects", "tacit project list",
                          [given = &id_.api] { return list_projects(*given); }),
                  id_.api);
    add_id(command(projects, "show", "Show one project", "tacit project show shop",
                   [given = &id_] { return show_project(*given); }),
           "The project");
    add_id(command(projects, "delete", "Delete a project and all of its secrets, without asking",
                   "tacit project delete shop", [given = &id_] { return delete_project(*given); }),
           "The project");
  }

  void add_id(CLI::App* to, std::string const& text) {
    to->add_option("ID", id_.id, text)->required();
    add_api_flags(to, id_.api);
  }

  void add_keys() {
    CLI::App* const keys = group(&root_, "key", "Make, list and revoke API keys",
                                 "TACIT_TOKEN=$(tacit key create deploy --project shop)");
    keys->require_subcommand(1);
    CLI::App* const create =
        command(keys, "create", "Make an API key; prints it, this one time",
                "TACIT_TOKEN=$(tacit key create deploy --project shop --expires 2027-01-31)",
                [given = &key_create_] { return create_key(*given); });
    create->add_option("NAME", key_create_.name, "What people call it")->required();
    CLI::Option* const project =
        create
            ->add_option("--project", key_create_.projects,
                         "May use this project (repeatable; without it: all)")
            ->type_name("ID")
            ->allow_extra_args(false);
    CLI::Option* const read_only =
        create->add_flag("--read-only", key_create_.read_only, "May list, not change");
    create->add_flag("--admin", key_create_.admin, "May also manage projects and API keys")
        ->excludes(project)
        ->excludes(read_only);
    create
        ->add_option("--expires", key_create_.expires,
                     "Not valid from then on: 2027-01-31 (UTC) or 2027-01-31T18:00:00Z")
        ->type_name("DATE");
    add_api_flags(create, key_create_.api);
    add_api_flags(command(keys, "list", "List the API keys", "tacit key list",
                          [given = &id_.api] { return list_keys(*given); }),
                  id_.api);
    add_id(command(keys, "revoke", "Make an API key worthless, at once",
                   "tacit key revoke ID    (the id is in: tacit key list)",
                   [given = &id_] { return revoke_key(*given); }),
           "The id of the API key, not the key");
  }

  void add_secrets() {
    CLI::App* const secrets = group(&root_, "secret", "Set, list and remove secrets",
                                    "printf %s \"$PASSWORD\" | tacit secret set DB_PASSWORD "
                                    "--project shop");
    secrets->require_subcommand(1);
    set_ = command(secrets, "set", "Store a value; it is read from stdin to its end",
                   "printf %s \"$PASSWORD\" | tacit secret set DB_PASSWORD --project shop\n"
                   "  tacit secret set TLS_KEY --project shop --from-file key.pem",
                   [given = &secret_] { return set_secret(*given); });
    set_->add_option("KEY", secret_.name, "The name, as DB_PASSWORD")->required();
    add_project(set_, secret_.project);
    CLI::Option* const file = set_->add_option("--from-file", secret_.source.file,
                                               "Take the value from a file, byte for byte");
    file->type_name("FILE");
    set_->add_option("--from-env", secret_.source.variable,
                     "Take the value from an environment variable")
        ->type_name("NAME")
        ->excludes(file);
    set_->add_flag("--trim-newline", secret_.source.trim_newline,
                   "Drop one newline at the end (always done on a terminal)");
    add_api_flags(set_, secret_.api);
    CLI::App* const list = command(
        secrets, "list", "List names and last characters; values never come back",
        "tacit secret list --project shop", [given = &id_] { return list_secrets(*given); });
    add_project(list, id_.id);
    add_api_flags(list, id_.api);
    CLI::App* const remove = command(secrets, "rm", "Remove a secret, without asking",
                                     "tacit secret rm DB_PASSWORD --project shop",
                                     [given = &secret_] { return remove_secret(*given); });
    remove->add_option("KEY", secret_.name, "The name, as DB_PASSWORD")->required();
    add_project(remove, secret_.project);
    add_api_flags(remove, secret_.api);
  }

  void add_project(CLI::App* to, std::string& id) {
    to->add_option("--project", id, "The project")->required()->type_name("ID");
  }

  void add_delivery() {
    run_ = command(&root_, "run", "Start a command with a project's secrets in its environment",
                   "tacit run --project shop -- ./app --port 8080",
                   [this] { return run_command(delivery_, run_options_.arguments(command_)); });
    add_keeper(run_);
    add_run_options();
    CLI::App* const env = command(&root_, "env", "Write a project's secrets to stdout",
                                  "tacit env --project shop --format json > secrets.json\n"
                                  "  eval \"$(tacit env --project shop --format shell)\"",
                                  [this] {
                                    env_.format = *find_env_format(format_);
                                    return write_env(delivery_, env_);
                                  });
    add_keeper(env);
    env->add_option("--format", format_, env_format_names() + " (docs/formats.md)")
        ->required()
        ->type_name("FORMAT")
        ->check(format_fault);
    env->add_option("--key", env_.keys, "This secret alone (repeatable; without it: all)")
        ->type_name("KEY")
        ->allow_extra_args(false);
  }

  void add_deliveries() {
    CLI::App* const deliveries = command(
        &root_, "deliveries", "Show which versions were delivered, to whom and when",
        "tacit deliveries --project shop", [given = &id_] { return list_deliveries(*given); });
    add_project(deliveries, id_.id);
    add_api_flags(deliveries, id_.api);
  }

  void add_runtimes() {
    CLI::App* const runtimes = group(&root_, "runtime", "Let runtimes on other machines in",
                                     "tacit runtime enrol --project shop --public-key KEY");
    auto const make = [this](auto&&... of) { return command(of...); };
    add_runtime_commands(runtimes, make, runtime_);
  }

  void add_run_options() {
    auto const add = [this](char const* flag, std::optional<std::string>& to, char const* text,
                            char const* kind, std::string (*fault)(std::string const&)) {
      run_->add_option(flag, to, text)->type_name(kind)->check(fault);
    };
    run_options& of = run_options_;
    add("--only", of.only, "Deliver these secrets alone", "KEY,KEY", names_fault);
    add("--require", of.required,
        "Do not start without these (nor without those in the file tacit.required)", "KEY,KEY",
        names_fault);
    run_->add_flag("--pristine", of.pristine, "Start from an empty environment");
    run_->add_flag("--mask", of.mask, "Replace delivered values in the output by ***");
    add("--on-change", of.on_change, "none, restart, or signal:NAME, as signal:HUP", "WHAT",
        change_fault);
    add("--debounce", of.debounce, "Act when nothing has changed for so long (2s)", "TIME",
        duration_fault);
    add("--stop-signal", of.stop_signal, "Ends the command for a restart (TERM)", "NAME",
        signal_fault);
    add("--stop-timeout", of.stop_timeout, "Then it is killed (10s)", "TIME", duration_fault);
  }

  void add_keeper(CLI::App* to) {
    add_project(to, delivery_.project);
    to->add_option("--data", delivery_.data_dir, "Folder of the server")->type_name("DIR");
    to->add_option("--run-dir", delivery_.run_dir, "Folder of keeper.sock ($TACIT_RUN_DIR)")
        ->type_name("DIR");
    CLI::Option* const server =
        to->add_option("--server", delivery_.server, "A server on another machine, over HTTP");
    server->type_name("URL");
    to->add_option("--identity", delivery_.identity, "Who asks there (tacit runtime keygen)")
        ->type_name("FILE")
        ->needs(server);
    CLI::Option* const cache =
        to->add_option("--cache", delivery_.cache_dir,
                       "Keep the set in this folder, encrypted, for when nobody answers");
    cache->type_name("DIR");
    to->add_option("--cache-key-file", delivery_.cache_key_file,
                   "32 bytes, the cache's key (without it: one bound to this machine)")
        ->type_name("FILE")
        ->needs(cache);
    add_duration(to, "--cache-max-age", delivery_.cache_age_max, "How old it may be (24h)")
        ->needs(cache);
    add_duration(to, "--wait", delivery_.wait, "How long to ask again when nobody answers (5s)");
  }

  CLI::Option* add_duration(CLI::App* to, std::string const& flag, std::chrono::milliseconds& into,
                            std::string const& text) {
    return to
        ->add_option_function<std::string>(
            flag, [&into](std::string const& given) { into = *core::parse_duration(given); }, text)
        ->type_name("TIME")
        ->check([](std::string const& given) {
          return core::parse_duration(given) ? "" : "takes a time, as 500ms, 2s, 5m, 24h or 7d";
        });
  }

  void add_tools() {
    add_recover_command(&root_, [this](auto&&... of) { return command(of...); }, recover_);
    add_config(command(&root_, "check", "Check the settings as serve would read them",
                       "tacit check --config /etc/tacit/tacit.toml",
                       [given = &setting_flags_] { return check_settings(*given); }));
    CLI::App* const completion =
        group(&root_, "completion", "Print a completion script", "source <(tacit completion bash)");
    completion->require_subcommand(1);
    command(completion, "bash", "For bash", "tacit completion bash > /etc/bash_completion.d/tacit",
            [] {
              write_out(bash_completion());
              return 0;
            });
  }

  // The command as far as it was understood.
  CLI::App* deepest() {
    CLI::App* at = &root_;
    while (!at->get_subcommands().empty()) at = at->get_subcommands().front();
    return at;
  }

  std::string usage_fault(CLI::ParseError const& fault) {
    CLI::App const& at = *deepest();
    return what_is_wrong(at, fault) + "; see: " + path_of(at) + " --help";
  }

  // Arguments that nothing asked for are not repeated unless they are plain words or flags: one
  // could be a value.
  std::string what_is_wrong(CLI::App const& at, CLI::ParseError const& fault) const {
    std::vector<std::string> const rest = at.remaining();
    auto const flag = std::find_if(rest.begin(), rest.end(), [](std::string const& word) {
      return word.starts_with("-") && word != "--";
    });
    bool const is_group = !at.get_subcommands(nullptr).empty();
    // Before the flags: they may well be right, of a command that there is not.
    bool const is_unknown = is_group && !rest.empty() && flag != rest.begin();
    if (is_unknown) return unknown_command(rest.front()) + instead_of(at.get_name(), rest.front());
    if (flag != rest.end()) return "unknown flag " + shown(flag->substr(0, flag->find('=')));
    if (is_group) return "a command is missing";
    if (&at == set_ && !rest.empty()) return value_as_argument();
    if (&at == run_ && !rest.empty()) return command_missing();
    if (!rest.empty()) return "too many arguments";
    return reason_of(at, fault);
  }

  // CLI11's own words, but where they would repeat the argument.
  static std::string reason_of(CLI::App const& at, CLI::ParseError const& fault) {
    std::string text = fault.what();
    if (dynamic_cast<CLI::ValidationError const*>(&fault) != nullptr) {  // "FLAG: FAULT"
      std::size_t const colon = text.find(':');
      return colon == std::string::npos ? text : text.erase(colon, 1);
    }
    if (dynamic_cast<CLI::ConversionError const*>(&fault) == nullptr) return text;
    for (CLI::Option const* const option : at.get_options()) {
      bool const meant = text.starts_with("Could not convert: " + option->get_name() + " = ");
      if (meant) return option->get_name() + " takes no value";
    }
    return "a flag has a value that it does not take";
  }

  static std::string command_missing() {
    return "the command to run goes behind --, as in: tacit run --project ID -- CMD ARG";
  }

  CLI::App root_{
      "tacit keeps secrets: they go in over an HTTP API, and come out only inside the\n"
      "runtime of the project that they belong to.",
      "tacit"};
  CLI::App* run_ = nullptr;
  CLI::App* set_ = nullptr;
  std::function<int()> chosen_;
  std::vector<std::string> command_;

  setting_flags setting_flags_;
  project_create_arguments project_create_;
  id_arguments id_;
  key_create_arguments key_create_;
  secret_arguments secret_;
  delivery_arguments delivery_;
  runtime_arguments runtime_;
  recover_arguments recover_;
  env_arguments env_;
  std::string format_;
  run_options run_options_;
};

}  // namespace

command_action parse_command_line(std::vector<std::string> arguments) {
  auto const parsed = std::make_shared<command_line>();
  bool const asks_help = !arguments.empty() && arguments.front() == "help";
  if (asks_help) {
    std::erase_if(arguments, [](std::string const& word) {
      return word == "help" || word == "--help" || word == "-h";
    });
  }
  command_action act = asks_help ? parsed->help(arguments) : parsed->parse(std::move(arguments));
  return [parsed, act = std::move(act)] { return act(); };
}

}  // namespace tacit::app
