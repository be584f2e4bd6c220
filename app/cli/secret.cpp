#include <sys/prctl.h>

#include "app/cli/argument_faults.hpp"
#include "app/cli/commands.hpp"
#include "app/cli/error.hpp"
#include "app/cli/output.hpp"
#include "core/check.hpp"

namespace tacit::app {

namespace {

std::string target_of(std::string const& project) {
  return "/projects/" + encode_path_part(project) + "/secrets";
}

// {"key":"NAME","value":"..."}, written straight into wiped memory.
core::secret_buffer body_of(std::string const& name, std::string_view value) {
  constexpr std::string_view open = "{\"key\":";
  constexpr std::string_view middle = ",\"value\":";
  core::secret_buffer body(open.size() + json_string_bytes(name) + middle.size() +
                           json_string_bytes(value) + 1);
  CHECK(body.append(open));
  append_json_string(body, name);
  CHECK(body.append(middle));
  append_json_string(body, value);
  CHECK(body.append("}"));
  return body;
}

}  // namespace

int set_secret(secret_arguments const& arguments) {
  if (arguments.name.find('=') != std::string::npos) {  // KEY=VALUE, as elsewhere
    throw cli_error(exit_wrong_usage, value_as_argument());
  }
  require_secret_name(arguments.name);
  require_project_id(arguments.project);
  prctl(PR_SET_DUMPABLE, 0);  // a value is never in a core file
  core::secret_buffer value = read_value(arguments.source, arguments.name, read_surroundings());
  core::secret_buffer const body = body_of(arguments.name, value.reveal());
  value.clear();
  json_document const answer = ask_api(
      arguments.api,
      {"POST", target_of(arguments.project), body.reveal(), arguments.project, arguments.name});
  write_done({arguments.api.json, answer.root()["data"],
              "stored " + arguments.name + " in project " + arguments.project});
  return 0;
}

int list_secrets(id_arguments const& arguments) {
  require_project_id(arguments.id);
  json_document const answer =
      ask_api(arguments.api, {"GET", target_of(arguments.id), "", arguments.id, ""});
  json_node const data = answer.root()["data"];
  std::vector<json_node> const secrets = data["secrets"].items();
  if (arguments.api.json) {
    write_json(data);
  } else if (secrets.empty()) {
    say("project " + arguments.id + " has no secrets; add one with: tacit secret set NAME " +
        "--project " + arguments.id);
  } else {
    std::vector<table_row> rows{{"NAME", "ENDS WITH", "CREATED (UTC)", "UPDATED (UTC)"}};
    for (json_node const secret : secrets) {
      rows.push_back({shown(secret["key"].text()), shown(secret["lastFour"].text()),
                      shown_time(secret["createdAt"].text()),
                      shown_time(secret["updatedAt"].text())});
    }
    write_out(format_table(rows));
  }
  return 0;
}

int remove_secret(secret_arguments const& arguments) {
  require_secret_name(arguments.name);
  require_project_id(arguments.project);
  std::string const target = target_of(arguments.project) + "/" + encode_path_part(arguments.name);
  json_document const answer =
      ask_api(arguments.api, {"DELETE", target, "", arguments.project, arguments.name});
  json_node const data = answer.root()["data"];
  bool const existed = data["existed"].truth();
  write_done({arguments.api.json, data,
              (existed ? "removed " : "there was no ") + arguments.name + " in project " +
                  arguments.project});
  return 0;
}

}  // namespace tacit::app
