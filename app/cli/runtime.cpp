// Runtimes on other machines: their identities, and who is enrolled. What is ordered here the
// keeper itself carries out, over keeper.sock.
#include <string>

#include "app/cli/commands.hpp"
#include "app/cli/delivery_source.hpp"
#include "app/cli/error.hpp"
#include "app/cli/identity.hpp"
#include "app/cli/output.hpp"
#include "core/name.hpp"
#include "core/timestamp.hpp"
#include "net/client.hpp"

namespace tacit::app {

namespace {

[[noreturn]] void refuse(json_node error, unsigned status) {
  std::string const code(error["code"].text());
  if (status == 403) {
    throw cli_error(exit_failed,
                    "refused: only the user that started the server, and root, may ask or tell the "
                    "keeper about runtimes");
  }
  if (code == "NOT_FOUND") {
    throw cli_error(exit_failed, "no such enrolment; see what there is with: tacit runtime list");
  }
  std::string line = shown(error["message"].text());
  for (json_node const one : error["details"].items()) {
    line += "; " + shown(one["field"].text()) + " " + shown(one["issue"].text());
  }
  if (line.empty()) line = "unexpected answer (status " + std::to_string(status) + ")";
  if (code == "ENROLMENTS_IN_DOUBT") line += " with: tacit runtime reset";
  if (code == "CONFLICT") line += "; see what there is with: tacit runtime list";
  if (code == "SERVICE_UNAVAILABLE") line += "; try again in a moment";
  throw cli_error(exit_failed, line);
}

json_document order(keeper_flags const& flags, std::string_view method, std::string const& target) {
  delivery_arguments from;
  from.data_dir = flags.data_dir;
  from.run_dir = flags.run_dir;
  std::string tried;
  for (std::string const& socket : keeper_sockets(from, read_surroundings())) {
    auto const got = net::exchange(net::unix_endpoint{socket}, {method, target, "", ""});
    if (!got) {
      tried += (tried.empty() ? "" : ", ") + socket;
      continue;
    }
    auto document = json_document::parse(got->body.reveal());
    bool const success = got->status >= 200 && got->status < 300;
    if (document && success && document->root()["data"].is_object()) return *std::move(document);
    refuse(document ? document->root()["error"] : json_node(), got->status);
  }
  throw cli_error(exit_failed, "cannot reach the keeper (" + tried +
                                   "): is the server running? Name its folder with --data DIR, or "
                                   "the socket's with --run-dir DIR");
}

std::string expiry_of(std::string const& text) {
  auto const when = core::parse_timestamp(text);
  if (!when) {
    throw cli_error(exit_wrong_usage,
                    "--expires takes a date, as 2027-01-31 (midnight UTC), or a time, as "
                    "2027-01-31T18:00:00Z");
  }
  auto const written = core::format_timestamp(*when);
  return {written.data(), written.size()};
}

void require_runtime_id(std::string const& text, std::string const& flag) {
  if (core::runtime_id::parse(text)) return;
  throw cli_error(exit_wrong_usage,
                  flag + " is 1 to 64 letters, digits, _ and -, not _ or - first");
}

}  // namespace

int make_runtime_identity(runtime_arguments const& arguments) {
  identity const made = make_identity_file(arguments.identity);
  say("made " + arguments.identity +
      "; keep it secret. On the server's machine: tacit runtime enrol --project ID --public-key "
      "KEY");
  write_out(core::encode_base64(core::public_half(made.own).bytes) + "\n");
  return 0;
}

int pin_server(runtime_arguments const& arguments) {
  pin_server_key(arguments.identity, parse_public_key(arguments.server_key, "--server-key"));
  write_out("pinned in " + arguments.identity + "\n");
  return 0;
}

int enrol_runtime(runtime_arguments const& arguments) {
  require_project_id(arguments.project);
  static_cast<void>(parse_public_key(arguments.public_key, "--public-key"));
  std::string target =
      "/v1/runtimes?project=" + arguments.project + "&publicKey=" + arguments.public_key;
  if (arguments.name) {
    require_runtime_id(*arguments.name, "--name");
    target += "&id=" + *arguments.name;
  }
  if (arguments.expires) target += "&expiresAt=" + expiry_of(*arguments.expires);
  json_document const answer = order(arguments.keeper, "POST", target);
  json_node const data = answer.root()["data"];
  std::string const id = shown(data["runtime"]["id"].text());
  if (arguments.json) {
    write_done({true, data, "enrolled " + id + " for project " + arguments.project});
    return 0;
  }
  say("enrolled " + id + " for project " + arguments.project + " until " +
      shown_time(data["runtime"]["expiresAt"].text()) +
      " UTC. On the runtime's machine: tacit runtime pin --identity FILE --server-key KEY");
  write_out(shown(data["serverKey"].text()) + "\n");
  return 0;
}

int list_runtimes(runtime_arguments const& arguments) {
  json_document const answer = order(arguments.keeper, "GET", "/v1/runtimes");
  json_node const data = answer.root()["data"];
  if (arguments.json) {
    write_json(data);
    return 0;
  }
  if (data["inDoubt"].truth()) {
    say("the keeper's file of enrolled runtimes is missing or older than the store: nobody is let "
        "in until it is restored, or: tacit runtime reset");
  }
  std::vector<table_row> rows{{"ID", "PROJECT", "PUBLIC KEY", "CREATED (UTC)", "EXPIRES (UTC)"}};
  for (json_node const one : data["runtimes"].items()) {
    rows.push_back({shown(one["id"].text()), shown(one["project"].text()),
                    shown(one["publicKey"].text()), shown_time(one["createdAt"].text()),
                    shown_time(one["expiresAt"].text())});
  }
  if (rows.size() == 1) {
    say("no runtimes of other machines are enrolled");
  } else {
    write_out(format_table(rows));
  }
  say("the server's key: " + shown(data["serverKey"].text()));
  return 0;
}

int revoke_runtime(runtime_arguments const& arguments) {
  require_runtime_id(arguments.id, "an id");
  json_document const answer = order(arguments.keeper, "DELETE", "/v1/runtimes/" + arguments.id);
  write_done({arguments.json, answer.root()["data"], "revoked " + arguments.id});
  return 0;
}

int reset_runtimes(runtime_arguments const& arguments) {
  json_document const answer = order(arguments.keeper, "DELETE", "/v1/runtimes");
  write_done({arguments.json, answer.root()["data"], "revoked all runtimes"});
  return 0;
}

}  // namespace tacit::app
