#include "bench/options.hpp"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <map>

#include "app/cli/command_line.hpp"

namespace tacit::bench {

namespace {

constexpr char const* description =
    "tacit-bench puts load on a tacit server, or any server of the same API, checks every answer\n"
    "and reports rate and latency. It makes its own projects and API keys and removes them.";

constexpr char const* footer =
    "Scenarios:\n"
    "  list           list the secrets of a project\n"
    "  upsert         overwrite secrets that exist\n"
    "  insert-delete  add a secret, then delete it\n"
    "  mixed          list, and --writes percent of upserts\n"
    "  auth-fail      list with an API key that nobody has: 401\n"
    "  delivery       read the values of a project over keeper.sock\n\n"
    "The admin API key comes from $TACIT_TOKEN or --key-file, never from the command line. With\n"
    "--data the server's api.sock is asked instead, as its owner or root may.\n\n"
    "The server must not limit the rate, or the limiter is what is measured:\n"
    "  TACIT_LIMITS_READS_PER_MINUTE=0 TACIT_LIMITS_WRITES_PER_MINUTE=0 tacit serve --data D\n"
    "  (auth-fail: TACIT_LIMITS_FAILED_AUTH_PER_MINUTE=0 too)\n\n"
    "Examples:\n"
    "  tacit-bench list --data D\n"
    "  tacit-bench mixed --data D --writes 20 --projects 1000 --choice zipf --html report.html\n"
    "  tacit-bench upsert --data D --rate 5000 --duration 60 --json -\n\n"
    "Exit status: 0 done and all answers right, 1 a wrong answer or no answer, 2 wrong usage,\n"
    "130 interrupted. Everything about the figures: docs/bench.md.";

std::map<std::string, scenario> const& scenarios() {
  static std::map<std::string, scenario> const all{
      {"list", scenario::list},           {"upsert", scenario::upsert},
      {"mixed", scenario::mixed},         {"insert-delete", scenario::insert_delete},
      {"auth-fail", scenario::auth_fail}, {"delivery", scenario::delivery}};
  return all;
}

class plain_help : public CLI::Formatter {
 public:
  plain_help() { column_width(26); }

  std::string make_usage(CLI::App const*, std::string) const override {
    return "\nUsage: tacit-bench SCENARIO [--url URL | --data DIR] [OPTIONS]\n";
  }
  std::string make_option_opts(CLI::Option const* option) const override {
    if (option->get_type_size() == 0 || option->get_positional()) return "";
    std::string const shown_default = option->get_default_str();
    return " " + option->get_type_name() +
           (shown_default.empty() ? "" : " (" + shown_default + ")");
  }
};

CLI::Validator range(double low, double high) {
  return CLI::Validator(
      [low, high](std::string& text) {
        char* end = nullptr;
        double const number = std::strtod(text.c_str(), &end);
        bool const good = !text.empty() && *end == '\0' && number >= low && number <= high;
        if (good) return std::string();
        return "must be from " + CLI::detail::to_string(low) + " to " +
               CLI::detail::to_string(high);
      },
      "");
}

void add_server(CLI::App& to, options& into) {
  to.add_option("--url", into.url, "The server; https: with TLS")
      ->type_name("URL")
      ->capture_default_str();
  to.add_option("--ca", into.ca_file, "Authorities of an https server, instead of the system's")
      ->type_name("FILE");
  to.add_flag("--insecure", into.insecure, "Take any certificate of an https server");
  to.add_option("--key-file", into.key_file, "Read the admin API key from there")
      ->type_name("FILE");
  to.add_option("--data", into.data_dir, "The server's data folder: no admin key is needed")
      ->type_name("DIR");
  to.add_option("--run-dir", into.run_dir, "Folder of keeper.sock, for delivery")->type_name("DIR");
  to.add_option("--server-pid", into.server_pids,
                "The server's processes: adds CPU seconds a request and memory")
      ->type_name("PID[,PID]")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->check(range(1, 1e9));
}

void add_data(CLI::App& to, options& into, std::string& choice) {
  to.add_option("--projects", into.projects, "Projects to make")
      ->type_name("N")
      ->capture_default_str()
      ->check(range(1, 10'000'000));
  to.add_option("--secrets", into.secrets, "Secrets to make in each")
      ->type_name("K")
      ->capture_default_str()
      ->check(range(1, 50'000));
  to.add_option("--value-bytes", into.value_bytes, "Size of a value")
      ->type_name("B")
      ->capture_default_str()
      ->check(range(4, 4096));
  to.add_option("--choice", choice, "Which project: uniform, or zipf (a few get most)")
      ->type_name("HOW")
      ->capture_default_str()
      ->check(CLI::IsMember({"uniform", "zipf"}).name(""));
  to.add_option("--zipf", into.zipf_exponent, "Exponent of zipf")
      ->type_name("S")
      ->capture_default_str()
      ->check(range(0, 10));
  to.add_option("--writes", into.writes_percent, "Share of writes of mixed")
      ->type_name("PERCENT")
      ->capture_default_str()
      ->check(range(0, 100));
  to.add_option("--seed", into.seed, "Of the random choices")
      ->type_name("N")
      ->capture_default_str();
}

void add_load(CLI::App& to, options& into) {
  to.add_option("--connections", into.connections, "Connections, kept open")
      ->type_name("N")
      ->capture_default_str()
      ->check(range(1, 100'000));
  to.add_option("--pipeline", into.depth, "Requests under way on each connection")
      ->type_name("D")
      ->capture_default_str()
      ->check(range(1, 1024));
  to.add_option("--rate", into.rate,
                "Open loop: so many requests a second; latency from when each was due")
      ->type_name("R")
      ->check(range(0.1, 1e7));
  to.add_option("--threads", into.threads, "Threads of tacit-bench")
      ->type_name("N")
      ->capture_default_str()
      ->check(range(1, 1024));
  to.add_option("--warm-up", into.warm_up_seconds, "Seconds before it is measured")
      ->type_name("S")
      ->capture_default_str()
      ->check(range(0, 86'400));
  to.add_option("--duration", into.duration_seconds, "Seconds that are measured")
      ->type_name("S")
      ->capture_default_str()
      ->check(range(0.1, 86'400));
  to.add_option("--timeout", into.timeout_seconds, "No answer for so many seconds fails the run")
      ->type_name("S")
      ->capture_default_str()
      ->check(range(0.1, 3600));
}

void add_output(CLI::App& to, options& into) {
  to.add_flag("--progress", into.progress, "A line a second on stderr (else: on a terminal)");
  to.add_option("--json", into.json_file, "Write the results as JSON (- for stdout, no table)")
      ->type_name("FILE");
  to.add_option("--html", into.html_file, "Write a page with the charts")->type_name("FILE");
}

std::string fault_of(options const& given) {
  if (given.threads > given.connections) return "--threads must not be more than --connections";
  if (given.what == scenario::insert_delete &&
      given.secrets + std::uint64_t{given.connections} * given.depth > 99'999) {
    return "--secrets and --connections times --pipeline must stay below 100,000: a project could "
           "have to hold them all";
  }
  if (given.json_file && given.html_file && *given.html_file == "-") return "--html needs a file";
  return "";
}

}  // namespace

char const* name_of(scenario what) noexcept {
  for (auto const& [name, one] : scenarios()) {
    if (one == what) return name.c_str();
  }
  return "";
}

std::variant<options, usage_text, usage_fault> parse_options(int argc, char** argv) {
  options given;
  std::string choice = "uniform";
  std::string wanted;
  CLI::App root(description, "tacit-bench");
  root.set_version_flag("--version", "tacit-bench " + std::string(app::version),
                        "Print the version");
  root.set_help_flag("-h,--help", "Print this help");
  root.formatter(std::make_shared<plain_help>());
  root.footer(footer);
  root.option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  root.add_option("SCENARIO", wanted, "What to ask, see below");
  add_server(root, given);
  add_data(root, given, choice);
  add_load(root, given);
  add_output(root, given);
  try {
    root.parse(argc, argv);
  } catch (CLI::CallForHelp const&) {
    return usage_text{root.help()};
  } catch (CLI::CallForVersion const&) {
    return usage_text{"tacit-bench " + std::string(app::version) + "\n"};
  } catch (CLI::ExtrasError const&) {
    return usage_fault{"unknown flag or too many arguments"};  // not repeated: it could be a key
  } catch (CLI::ParseError const& fault) {
    return usage_fault{fault.what()};
  }
  if (wanted.empty()) return usage_fault{"a scenario is missing, as in: tacit-bench list"};
  auto const known = scenarios().find(wanted);
  if (known == scenarios().end()) return usage_fault{"unknown scenario"};
  given.what = known->second;
  given.zipf = choice == "zipf";
  given.progress = given.progress || isatty(STDERR_FILENO) == 1;
  std::string const fault = fault_of(given);
  if (!fault.empty()) return usage_fault{fault};
  return given;
}

}  // namespace tacit::bench
