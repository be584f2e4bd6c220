#include "bench/account.hpp"

#include <sys/stat.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fstream>
#include <thread>

#include "app/cli/api.hpp"
#include "app/cli/delivery_source.hpp"
#include "app/cli/error.hpp"
#include "app/cli/output.hpp"
#include "app/settings/settings.hpp"
#include "net/tls_library.hpp"

namespace tacit::bench {

namespace {

namespace asio = boost::asio;

constexpr std::time_t key_life_seconds = 24 * 60 * 60;
constexpr int revoke_tries = 60;
constexpr std::size_t few_more_sessions = 256;  // for what comes before and after the load

std::string address_of(net::client_endpoint const& endpoint) {
  if (auto const* const local = std::get_if<net::unix_endpoint>(&endpoint)) return local->path;
  auto const& remote = std::get<net::tcp_endpoint>(endpoint);
  bool const is_ipv6 = remote.host.find(':') != std::string::npos;
  return (is_ipv6 ? "[" + remote.host + "]" : remote.host) + ":" + remote.port;
}

std::string tomorrow() {
  std::time_t const when = std::time(nullptr) + key_life_seconds;
  std::tm parts{};
  gmtime_r(&when, &parts);
  std::array<char, 32> text{};
  std::size_t const length =
      std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S.000Z", &parts);
  return std::string(text.data(), length);
}

std::string read_key_file(std::string const& path) {
  std::ifstream file(path);
  std::string line;
  if (!file || !std::getline(file, line)) throw run_fault("cannot read an API key from " + path);
  while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.pop_back();
  return line;
}

std::string explain(net::client_failure const& failure, std::string const& address) {
  std::string const reason =
      failure.fault == net::client_fault::cannot_connect ? std::strerror(failure.reason)
      : failure.fault == net::client_fault::timed_out    ? "no answer in time"
      : failure.fault == net::client_fault::no_such_host ? "no such host"
      : failure.fault == net::client_fault::untrusted
          ? "its certificate is not trusted (--ca FILE names who is, --insecure takes any)"
      : failure.fault == net::client_fault::bad_ca_file ? "--ca is no file with certificates in PEM"
      : failure.fault == net::client_fault::no_handshake
          ? "no TLS connection (" + std::string(failure.detail) + ")"
          : "what came is not an answer";
  return "cannot reach the server at " + address + ": " + reason +
         "; name it with --url, or its folder with --data";
}

}  // namespace

account::account(options const& asked, std::string run) : asked_(asked), run_(std::move(run)) {
  app::surroundings around = app::read_surroundings();
  around.variables["TACIT_URL"] = asked.url;
  around.variables["TACIT_TOKEN"] = "any";
  if (asked.ca_file) around.variables["TACIT_CA_FILE"] = *asked.ca_file;
  try {
    app::api_address const found = app::find_api({}, around);
    server_ = found.endpoint;
    auto* const remote = std::get_if<net::tcp_endpoint>(&server_);
    if (remote != nullptr && remote->tls) {
      net::init_tls(asked.connections + few_more_sessions);
      if (asked.insecure) remote->tls->check = net::server_check::none;
    }
    prefix_ = found.prefix;
  } catch (app::cli_error const& fault) {
    std::string line = fault.what();  // begins with the variable
    throw app::cli_error(exit_wrong_usage, line.replace(0, std::strlen("TACIT_URL"), "--url"));
  }
  host_ = address_of(server_);
  admin_server_ = server_;
  if (asked.data_dir) admin_server_ = net::unix_endpoint{*asked.data_dir + "/store/api.sock"};
  if (!asked.data_dir) find_admin_key();
}

account::~account() {
  core::wipe(admin_token_);
  core::wipe(load_token_);
}

void account::find_admin_key() {
  char const* const given = std::getenv("TACIT_TOKEN");
  if (asked_.key_file) {
    admin_token_ = read_key_file(*asked_.key_file);
  } else if (given != nullptr) {
    admin_token_ = given;
  }
  if (admin_token_.empty()) {
    throw run_fault(
        "an admin API key is missing: set TACIT_TOKEN, or name a file with --key-file, "
        "or the server's folder with --data");
  }
  for (char const c : admin_token_) {
    if (c <= ' ' || c > '~') throw run_fault("the admin API key has a character that none has");
  }
}

std::string account::ask(question const& what) const {
  std::string const target = prefix_ + what.target;
  net::client_result const got =
      net::exchange(admin_server_, {what.method, target, admin_token_, what.body});
  if (!got) throw run_fault(explain(got.error(), address_of(admin_server_)));
  if (got->status == what.wanted) return std::string(got->body.reveal());
  if (got->status == 429) throw run_limited(limiter_advice);
  if (got->status == 401 || got->status == 403) {
    throw run_fault("the server refuses the API key (" + std::to_string(got->status) +
                    "): it must be a valid one with the admin permission");
  }
  throw run_fault("the server answered " + std::to_string(got->status) + " to " + what.method +
                  " " + target);
}

void account::make_key() {
  std::string const body = R"({"name":")" + run_ + R"(","permissions":["read","write"],)" +
                           R"("expiresAt":")" + tomorrow() + R"("})";
  std::string answered = ask({"POST", "/api-keys", body, 201});
  auto const document = app::json_document::parse(answered);
  core::wipe(answered);
  if (!document) throw run_fault("the answer that makes an API key is not JSON");
  app::json_node const data = document->root()["data"];
  load_key_id_ = data["id"].text();
  load_token_ = data["rawKey"].text();
  if (load_key_id_.empty() || load_token_.empty()) {
    throw run_fault("the answer that makes an API key has no id or no rawKey");
  }
}

bool account::revoke_key() noexcept {
  for (int tries = 0; !load_key_id_.empty() && tries < revoke_tries; ++tries) {
    try {
      static_cast<void>(
          ask({"DELETE", "/api-keys/" + app::encode_path_part(load_key_id_), "", 200}));
      load_key_id_.clear();
    } catch (run_limited const&) {
      std::this_thread::sleep_for(limiter_wait);
    } catch (std::exception const&) {
      return false;
    }
  }
  return load_key_id_.empty();
}

std::string account::list_projects() const { return ask({"GET", "/projects", "", 200}); }

net::client_endpoint account::keeper() const {
  app::delivery_arguments const where{"", asked_.data_dir, asked_.run_dir};
  for (std::string const& path : app::keeper_sockets(where, app::read_surroundings())) {
    struct stat found{};
    if (stat(path.c_str(), &found) == 0 && S_ISSOCK(found.st_mode)) return net::unix_endpoint{path};
  }
  throw run_fault("there is no keeper.sock: name the server's folder with --data or --run-dir");
}

std::optional<net::tcp_endpoint> tls_of(net::client_endpoint const& endpoint) {
  auto const* const remote = std::get_if<net::tcp_endpoint>(&endpoint);
  if (remote == nullptr || !remote->tls) return std::nullopt;
  return *remote;
}

load_endpoint resolve(net::client_endpoint const& endpoint) {
  if (auto const* const local = std::get_if<net::unix_endpoint>(&endpoint)) {
    return asio::local::stream_protocol::endpoint(local->path);
  }
  auto const& remote = std::get<net::tcp_endpoint>(endpoint);
  asio::io_context context;
  asio::ip::tcp::resolver resolver(context);
  boost::system::error_code error;
  auto const found = resolver.resolve(remote.host, remote.port, error);
  if (error || found.empty()) throw run_fault("no such host: " + remote.host);
  for (auto const& one : found) {
    asio::ip::tcp::socket trial(context);
    trial.connect(one.endpoint(), error);
    if (!error) return one.endpoint();
  }
  throw run_fault("cannot connect to " + address_of(endpoint) + ": " + error.message());
}

}  // namespace tacit::bench
