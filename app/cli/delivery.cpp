#include "app/cli/delivery.hpp"

#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "app/cli/error.hpp"
#include "app/cli/output.hpp"
#include "core/name.hpp"
#include "net/client.hpp"

namespace tacit::app {

namespace {

constexpr std::string_view system_run_dir = "/run/tacit";

[[noreturn]] void refuse(std::string const& line) { throw cli_error(exit_failed, line); }

std::string this_user() {
  passwd const* const entry = getpwuid(geteuid());
  std::string const number = "uid " + std::to_string(geteuid());
  return entry == nullptr ? number : "user " + std::string(entry->pw_name) + " (" + number + ")";
}

bool leads_on(net::client_failure const& failure) {
  return failure.fault == net::client_fault::cannot_connect &&
         (failure.reason == ENOENT || failure.reason == ENOTDIR || failure.reason == EACCES);
}

std::string reason_of(net::client_failure const& failure) {
  switch (failure.fault) {
    case net::client_fault::cannot_connect:
      return std::strerror(failure.reason);
    case net::client_fault::path_too_long:
      return "the path is too long for a socket";
    case net::client_fault::timed_out:
      return "no answer in time";
    default:
      return "the connection broke";
  }
}

struct socket_answer {
  net::client_answer answer;
  std::string socket;
};

socket_answer ask_keeper(std::vector<std::string> const& sockets, std::string const& project) {
  std::string const target = "/v1/projects/" + encode_path_part(project) + "/env";
  std::string tried;
  for (std::string const& socket : sockets) {
    net::client_result answer = net::exchange(net::unix_endpoint{socket}, {"GET", target, "", ""});
    if (answer) return {*std::move(answer), socket};
    tried += (tried.empty() ? "" : "; ") + socket + ": " + reason_of(answer.error());
    if (!leads_on(answer.error())) break;
  }
  refuse("unavailable: cannot reach the keeper (" + tried +
         "); is the server running? Name its folder with --data DIR or TACIT_DATA_DIR (a data_dir "
         "set in a settings file must be given so too), or the socket's with --run-dir DIR or "
         "TACIT_RUN_DIR");
}

[[noreturn]] void refuse_answer(socket_answer const& from, std::string const& project) {
  switch (from.answer.status) {
    case 403:
      refuse("refused: " + this_user() + " may not read project " + project + " at " + from.socket +
             "; a [[delivery.allow]] entry in the server's settings allows it");
    case 404:
      refuse("no such project: " + project + " at " + from.socket +
             "; see what there is with: tacit project list");
    case 503:
      refuse("unavailable: the keeper at " + from.socket + " cannot read values now; try again" +
             (from.answer.retry_after.empty() ? " later"
                                              : " in " + shown(from.answer.retry_after) + " s"));
    default:
      refuse("unavailable: unexpected answer (status " + std::to_string(from.answer.status) +
             ") from " + from.socket);
  }
}

void say_withheld(std::vector<std::string_view> const& names) {
  if (names.empty()) return;
  std::string list;
  for (std::string_view const name : names) list += (list.empty() ? "" : ", ") + shown(name);
  say("withheld, as they change how programs load code: " + list +
      " (delivery.deliver_names in the server's settings allows them)");
}

}  // namespace

std::vector<std::string> keeper_sockets(delivery_arguments const& from,
                                        surroundings const& around) {
  auto const socket_in = [](std::string const& folder) { return folder + "/keeper.sock"; };
  auto const variable = [&](std::string_view name) {
    auto const found = around.variables.find(name);
    return found == around.variables.end() ? std::string() : found->second;
  };
  std::string const run_dir = from.run_dir.value_or(variable("TACIT_RUN_DIR"));
  if (from.run_dir || !run_dir.empty()) return {socket_in(run_dir)};
  bool const is_named = from.data_dir || !variable("TACIT_DATA_DIR").empty();
  std::vector<std::string> sockets;
  if (is_named || around.root || !around.home.empty()) {
    sockets.push_back(socket_in(find_data_dir(from.data_dir, around) + "/run"));
  }
  if (!is_named) sockets.push_back(socket_in(std::string(system_run_dir)));
  return sockets;
}

delivered read_delivery(std::string_view body, std::string const& project) {
  std::string const fault = "unavailable: the keeper's answer was not understood";
  auto document = json_document::parse(body);
  if (!document) refuse(fault);
  json_node const data = document->root()["data"];
  json_node const env = data["env"];
  if (!env.is_object() || data["project"].text() != project) refuse(fault);
  delivered result{*std::move(document), {}, {}};
  for (auto const& [name, value] : env.members()) {
    bool const fits = core::secret_name::parse(name).has_value() && value.is_text() &&
                      value.text().find('\0') == std::string_view::npos;
    if (!fits) refuse(fault);
    result.values.emplace_back(name, value.text());
  }
  std::sort(result.values.begin(), result.values.end());
  for (json_node const name : data["withheld"].items()) result.withheld.push_back(name.text());
  return result;
}

delivered fetch_values(delivery_arguments const& from, surroundings const& around) {
  require_project_id(from.project);
  socket_answer const got = ask_keeper(keeper_sockets(from, around), from.project);
  if (got.answer.status != 200) refuse_answer(got, from.project);
  delivered values = read_delivery(got.answer.body.reveal(), from.project);
  say_withheld(values.withheld);
  return values;
}

}  // namespace tacit::app
