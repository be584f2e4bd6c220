// The server as its admin sees it: where it is, and the API keys of a run. Blocking, one request at
// a time; everything in bulk goes through the load instead.
#pragma once

#include <chrono>
#include <stdexcept>
#include <string>

#include "bench/load.hpp"
#include "bench/options.hpp"
#include "net/client.hpp"

namespace tacit::bench {

inline constexpr std::chrono::seconds limiter_wait{2};  // a write a token, by default

// A run that cannot go on: one line, never with a key or a value in it.
class run_fault : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// The server answered 429.
class run_limited : public run_fault {
 public:
  using run_fault::run_fault;
};

// Where the server is, by the options and the environment, and the API key of a run. With --data
// the admin is the local owner, over api.sock; else the one whose key was given. Its functions
// throw run_fault, the constructor also app::cli_error when the URL is wrong.
class account {
 public:
  // `run` names the key. It expires after a day, should nobody get to revoke it.
  account(options const& asked, std::string run);
  account(account const&) = delete;
  account& operator=(account const&) = delete;
  ~account();

  void make_key();
  // Waits for the limiter when it must. False when the key is left behind.
  [[nodiscard]] bool revoke_key() noexcept;
  // The answer to GET /projects.
  [[nodiscard]] std::string list_projects() const;

  [[nodiscard]] std::string const& host() const noexcept { return host_; }
  [[nodiscard]] std::string const& prefix() const noexcept { return prefix_; }
  [[nodiscard]] std::string const& admin_token() const noexcept { return admin_token_; }
  [[nodiscard]] std::string const& load_token() const noexcept { return load_token_; }
  [[nodiscard]] std::string const& load_key_id() const noexcept { return load_key_id_; }
  [[nodiscard]] net::client_endpoint const& server() const noexcept { return server_; }
  // Where the admin is listened to; admin_token() is "" there when that is api.sock.
  [[nodiscard]] net::client_endpoint const& admin_server() const noexcept { return admin_server_; }
  // Of delivery: the first keeper.sock that is there.
  [[nodiscard]] net::client_endpoint keeper() const;

 private:
  struct question {
    std::string method;
    std::string target;  // behind prefix
    std::string body;
    unsigned wanted;  // the only status that is not a fault
  };
  [[nodiscard]] std::string ask(question const& what) const;
  void find_admin_key();

  options const& asked_;
  std::string run_;
  std::string host_;
  std::string prefix_;
  net::client_endpoint server_;
  net::client_endpoint admin_server_;
  std::string admin_token_;
  std::string load_token_;
  std::string load_key_id_;  // "" while there is none
};

// Looks the name up. Throws run_fault.
[[nodiscard]] load_endpoint resolve(net::client_endpoint const& endpoint);
// The endpoint when it speaks TLS.
[[nodiscard]] std::optional<net::tcp_endpoint> tls_of(net::client_endpoint const& endpoint);

}  // namespace tacit::bench
