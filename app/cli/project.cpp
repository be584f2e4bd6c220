#include "app/cli/commands.hpp"
#include "app/cli/output.hpp"

namespace tacit::app {

namespace {

table_row row_of(json_node project) {
  return {shown(project["id"].text()), shown(project["name"].text()),
          std::to_string(project["secretCount"].number()) + " of " +
              std::to_string(project["secretLimit"].number()),
          shown_time(project["createdAt"].text()), shown_time(project["updatedAt"].text())};
}

std::string table_of(std::vector<json_node> const& projects) {
  std::vector<table_row> rows{{"ID", "NAME", "SECRETS", "CREATED (UTC)", "UPDATED (UTC)"}};
  for (json_node const project : projects) rows.push_back(row_of(project));
  return format_table(rows);
}

std::string target_of(std::string const& id) { return "/projects/" + encode_path_part(id); }

}  // namespace

int create_project(project_create_arguments const& arguments) {
  json_body body;
  body.add("name", arguments.name);
  if (arguments.id) {
    require_project_id(*arguments.id);
    body.add("id", *arguments.id);
  }
  if (arguments.limit) body.add("secretLimit", std::int64_t{*arguments.limit});
  std::string const text = body.text();
  json_document const answer =
      ask_api(arguments.api, {"POST", "/projects", text, arguments.id.value_or(""), ""});
  json_node const data = answer.root()["data"];
  std::string const id = shown(data["project"]["id"].text());
  if (arguments.api.json) {
    write_done({true, data, "made project " + id});
  } else {
    say("made project " + id + "; next: tacit secret set NAME --project " + id);
    write_out(id + "\n");
  }
  return 0;
}

int list_projects(api_flags const& flags) {
  json_document const answer = ask_api(flags, {"GET", "/projects", "", "", ""});
  json_node const data = answer.root()["data"];
  if (flags.json) {
    write_json(data);
  } else if (data.items().empty()) {
    say("no projects; make one with: tacit project create NAME");
  } else {
    write_out(table_of(data.items()));
  }
  return 0;
}

int show_project(id_arguments const& arguments) {
  require_project_id(arguments.id);
  json_document const answer =
      ask_api(arguments.api, {"GET", target_of(arguments.id), "", arguments.id, ""});
  json_node const data = answer.root()["data"];
  if (arguments.api.json) {
    write_json(data);
  } else {
    write_out(table_of({data["project"]}));
  }
  return 0;
}

int delete_project(id_arguments const& arguments) {
  require_project_id(arguments.id);
  json_document const answer =
      ask_api(arguments.api, {"DELETE", target_of(arguments.id), "", arguments.id, ""});
  json_node const data = answer.root()["data"];
  bool const existed = data["existed"].truth();
  write_done({arguments.api.json, data,
              (existed ? "deleted project " : "there was no project ") + arguments.id});
  return 0;
}

}  // namespace tacit::app
