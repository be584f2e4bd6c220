#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>

#include "app/cli/api.hpp"
#include "app/cli/delivery_source.hpp"
#include "app/cli/error.hpp"
#include "app/cli/identity.hpp"
#include "app/cli/output.hpp"
#include "app/cli/remote_source.hpp"
#include "net/client.hpp"

namespace tacit::app {

namespace {

constexpr std::string_view system_run_dir = "/run/tacit";
constexpr unsigned retry_seconds_max = 3600;

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
    case net::client_fault::stranger:
      return "another user than the folder's owner listens there";
    case net::client_fault::timed_out:
      return "no answer in time";
    case net::client_fault::not_http:
    case net::client_fault::too_large:
      return "what answered is no keeper";
    default:
      return "the connection broke";
  }
}

bool may_pass(net::client_failure const& failure) {
  return failure.fault != net::client_fault::path_too_long &&
         failure.fault != net::client_fault::stranger &&
         failure.fault != net::client_fault::not_http &&
         failure.fault != net::client_fault::too_large;
}

unsigned seconds_of(std::string const& text) {
  unsigned seconds = 0;
  auto const read = std::from_chars(text.data(), text.data() + text.size(), seconds);
  bool const whole = read.ec == std::errc() && read.ptr == text.data() + text.size();
  return whole ? std::min(seconds, retry_seconds_max) : 0;
}

// What the keeper's own errors say; another's answer with the same status does not.
std::string code_of(net::client_answer const& answer) {
  auto const document = json_document::parse(answer.body.reveal());
  return document ? std::string(document->root()["error"]["code"].text()) : "";
}

undelivered unreached(std::string const& tried, bool may_come) {
  return {may_come ? delivery_fault::unavailable : delivery_fault::not_understood,
          "unavailable: cannot reach the keeper (" + tried + ")", 0,
          "is the server running? Name its folder with --data DIR or TACIT_DATA_DIR (a data_dir "
          "set in a settings file must be given so too), or the socket's with --run-dir DIR or "
          "TACIT_RUN_DIR"};
}

std::string target_of(std::string const& project) {
  return "/v1/projects/" + encode_path_part(project) + "/env";
}

delivery_answer read_answer(net::client_answer answer, std::string const& project,
                            std::string const& socket) {
  if (answer.status == 200) {
    auto set = read_delivered(std::move(answer.body), project);
    if (set) return *std::move(set);
    return undelivered{delivery_fault::not_understood,
                       "unavailable: the keeper's answer was not understood"};
  }
  std::string const code = code_of(answer);
  if (answer.status == 403 && code == "FORBIDDEN") {
    return undelivered{
        delivery_fault::refused,
        "refused: " + this_user() + " may not read project " + project + " at " + socket, 0,
        "a [[delivery.allow]] entry in the server's settings allows it"};
  }
  if (answer.status == 404 && code == "NOT_FOUND") {
    return undelivered{delivery_fault::absent, "no such project: " + project + " at " + socket, 0,
                       "see what there is with: tacit project list"};
  }
  if (answer.status == 503) {
    unsigned const seconds = seconds_of(answer.retry_after);
    return undelivered{
        delivery_fault::unavailable,
        "unavailable: the keeper at " + socket + " cannot read values now", seconds,
        "try again " + (seconds == 0 ? "later" : "in " + std::to_string(seconds) + " s")};
  }
  return undelivered{delivery_fault::not_understood, "unavailable: unexpected answer (status " +
                                                         std::to_string(answer.status) + ") from " +
                                                         socket};
}

class keeper_source : public delivery_source {
 public:
  keeper_source(std::string project, std::vector<std::string> sockets)
      : project_(std::move(project)), sockets_(std::move(sockets)) {}

  delivery_answer ask() override {
    std::string const target = target_of(project_);
    std::string tried;
    bool passes = true;
    for (std::string const& socket : sockets_) {
      net::client_result got = net::exchange(net::unix_endpoint{socket}, {"GET", target, "", ""});
      if (got) return read_answer(*std::move(got), project_, socket);
      tried += (tried.empty() ? "" : "; ") + socket + ": " + reason_of(got.error());
      passes = may_pass(got.error());
      if (!leads_on(got.error())) break;
    }
    return unreached(tried, passes);
  }

  begun ask_for_change(std::int64_t revision, std::chrono::seconds at_most) override {
    std::string const target = target_of(project_) + "?wait=" + std::to_string(at_most.count());
    std::string const tag = "\"" + std::to_string(revision) + "\"";
    std::string tried;
    bool passes = true;
    for (std::string const& socket : sockets_) {
      auto began =
          net::pending_exchange::begin(net::unix_endpoint{socket}, {"GET", target, "", "", tag});
      if (began) return std::make_unique<pending>(project_, socket, *std::move(began));
      tried += (tried.empty() ? "" : "; ") + socket + ": " + reason_of(began.error());
      passes = may_pass(began.error());
      if (!leads_on(began.error())) break;
    }
    return unreached(tried, passes);
  }

  std::string origin() const override {
    std::string text = "keeper.sock";
    for (std::string const& socket : sockets_) {
      text += '\n' + std::filesystem::absolute(socket).lexically_normal().string();
    }
    return text;
  }

 private:
  class pending : public pending_delivery {
   public:
    pending(std::string project, std::string socket, net::pending_exchange exchange)
        : project_(std::move(project)),
          socket_(std::move(socket)),
          exchange_(std::move(exchange)) {}

    int descriptor() const noexcept override { return exchange_.descriptor(); }

    std::optional<outcome> advance() override {
      auto got = exchange_.advance();
      if (!got) return std::nullopt;
      if (!*got) {
        return unreached(socket_ + ": " + reason_of(got->error()), may_pass(got->error()));
      }
      if ((*got)->status == 304) return unchanged{};
      delivery_answer answer = read_answer(**std::move(got), project_, socket_);
      if (!answer) return answer.error();
      return *std::move(answer);
    }

   private:
    std::string project_;
    std::string socket_;
    net::pending_exchange exchange_;
  };

  std::string project_;
  std::vector<std::string> sockets_;
};

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

std::unique_ptr<delivery_source> make_keeper_source(std::string project,
                                                    std::vector<std::string> sockets) {
  return std::make_unique<keeper_source>(std::move(project), std::move(sockets));
}

std::unique_ptr<delivery_source> open_delivery_source(delivery_arguments const& from,
                                                      surroundings const& around) {
  require_project_id(from.project);
  if (!from.server) return make_keeper_source(from.project, keeper_sockets(from, around));
  if (!from.identity) {
    throw cli_error(exit_wrong_usage,
                    "--server needs --identity FILE; make one with: tacit runtime keygen");
  }
  identity known = read_identity_file(*from.identity);
  if (!known.server) {
    throw cli_error(exit_failed,
                    "the identity file " + *from.identity +
                        " trusts no server yet: tacit runtime pin --identity FILE --server-key KEY "
                        "(tacit runtime enrol prints the key on the server's machine)");
  }
  return make_remote_source(from.project,
                            {parse_server_url(*from.server, "--server", around), *known.server},
                            std::move(known.own));
}

}  // namespace tacit::app
