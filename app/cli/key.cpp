#include <unistd.h>

#include "app/cli/commands.hpp"
#include "app/cli/error.hpp"
#include "app/cli/output.hpp"
#include "core/api_key.hpp"
#include "core/timestamp.hpp"

namespace tacit::app {

namespace {

std::string joined(json_node list) {
  std::string text;
  for (json_node const item : list.items()) {
    text += (text.empty() ? "" : ", ") + shown(item.text());
  }
  return text;
}

table_row row_of(json_node key) {
  json_node const projects = key["scopes"]["projects"];
  return {shown(key["id"].text()),
          shown(key["name"].text()),
          shown(key["keyPrefix"].text()) + "...",
          projects.is_text() ? "all" : joined(projects),
          joined(key["scopes"]["permissions"]),
          shown_time(key["createdAt"].text()),
          shown_time(key["lastUsedAt"].text()),
          shown_time(key["expiresAt"].text())};
}

std::string body_of(key_create_arguments const& arguments) {
  json_body body;
  body.add("name", arguments.name);
  for (std::string const& project : arguments.projects) require_project_id(project);
  if (!arguments.projects.empty()) body.add("projects", arguments.projects);
  using list = std::vector<std::string>;
  if (arguments.admin) body.add("permissions", list{"admin"});
  if (arguments.read_only) body.add("permissions", list{"read"});
  if (arguments.expires) {
    auto const when = core::parse_timestamp(*arguments.expires);
    if (!when) {
      throw cli_error(exit_wrong_usage,
                      "--expires takes a date, as 2027-01-31 (midnight UTC), or "
                      "a time, as 2027-01-31T18:00:00Z");
    }
    auto const text = core::format_timestamp(*when);
    body.add("expiresAt", std::string_view(text.data(), text.size()));
  }
  return body.text();
}

void print_key(json_node data) {
  core::secret_buffer line(data["rawKey"].text().size() + 1);
  if (!line.append(data["rawKey"].text()) || !line.append("\n")) return;
  std::string const id = shown(data["id"].text());
  say("made API key " + id +
      "; this is the only time that it is shown, so keep it now. "
      "Use it as TACIT_TOKEN; take it back with: tacit key revoke " +
      id);
  write_out(line.reveal());
}

}  // namespace

int create_key(key_create_arguments const& arguments) {
  std::string const body = body_of(arguments);
  json_document const answer = ask_api(arguments.api, {"POST", "/api-keys", body, "", ""});
  json_node const data = answer.root()["data"];
  if (arguments.api.json) {
    write_done({true, data,
                "made API key " + shown(data["id"].text()) +
                    ", whose text is not shown again (tacit key revoke takes the id)"});
  } else {
    print_key(data);
  }
  return 0;
}

int list_keys(api_flags const& flags) {
  json_document const answer = ask_api(flags, {"GET", "/api-keys", "", "", ""});
  json_node const data = answer.root()["data"];
  std::vector<json_node> const keys = data["keys"].items();
  if (flags.json) {
    write_json(data);
  } else if (keys.empty()) {
    say("no API keys; make one with: tacit key create NAME");
  } else {
    std::vector<table_row> rows{{"ID", "NAME", "KEY", "PROJECTS", "PERMISSIONS", "CREATED (UTC)",
                                 "LAST USED (UTC)", "EXPIRES (UTC)"}};
    for (json_node const key : keys) rows.push_back(row_of(key));
    write_out(format_table(rows));
  }
  return 0;
}

int revoke_key(id_arguments const& arguments) {
  // A key does not belong into an address, nor into the log of what is between.
  if (arguments.id.starts_with(core::api_key_prefix)) {
    throw cli_error(exit_wrong_usage,
                    "that is an API key, not its id; find the id with: tacit "
                    "key list");
  }
  if (!core::api_key_id::parse(arguments.id)) {
    throw cli_error(exit_wrong_usage,
                    "that is not the id of an API key; find it with: tacit key "
                    "list");
  }
  std::string const target = "/api-keys/" + encode_path_part(arguments.id);
  json_document const answer = ask_api(arguments.api, {"DELETE", target, "", "", arguments.id});
  write_done({arguments.api.json, answer.root()["data"], "revoked API key " + arguments.id});
  return 0;
}

}  // namespace tacit::app
