#include "app/cli/commands.hpp"
#include "app/cli/output.hpp"

namespace tacit::app {

namespace {

std::string shown_version(json_node version) {
  return version.number() == 0 ? "-" : std::to_string(version.number());  // there is no version 0
}

// "uid:1000/shop.service@host", "runtime:edge-1@host", or "-" for nobody.
std::string consumer_of(json_node consumer) {
  if (!consumer.is_object()) return "-";
  std::string const host = "@" + shown(consumer["host"].text());
  json_node const runtime = consumer["runtime"];
  if (runtime.is_text()) return "runtime:" + shown(runtime.text()) + host;
  json_node const unit = consumer["unit"];
  return "uid:" + std::to_string(consumer["uid"].number()) +
         (unit.is_text() ? "/" + shown(unit.text()) : "") + host;
}

table_row row_of(json_node line) {
  std::string const state = shown(line["state"].text());
  return {shown(line["key"].text()),
          shown_version(line["storedVersion"]),
          shown_version(line["deliveredVersion"]),
          state == "stale" ? "STALE" : state,
          consumer_of(line["consumer"]),
          shown_time(line["lastDeliveredAt"].text())};
}

}  // namespace

int list_deliveries(id_arguments const& arguments) {
  require_project_id(arguments.id);
  std::string const target = "/projects/" + encode_path_part(arguments.id) + "/deliveries";
  json_document const answer = ask_api(arguments.api, {"GET", target, "", arguments.id, ""});
  json_node const data = answer.root()["data"];
  std::vector<json_node> const lines = data["deliveries"].items();
  if (arguments.api.json) {
    write_json(data);
  } else if (lines.empty()) {
    say("project " + arguments.id + " has no secrets and no deliveries");
  } else {
    std::vector<table_row> rows{{"KEY", "STORED", "DELIVERED", "STATE", "TO", "WHEN (UTC)"}};
    for (json_node const line : lines) rows.push_back(row_of(line));
    write_out(format_table(rows));
    auto const omitted = data["omittedConsumers"].number();
    if (omitted > 0) {
      say(std::to_string(omitted) + " more consumers, of older deliveries, are not shown");
    }
  }
  return 0;
}

}  // namespace tacit::app
