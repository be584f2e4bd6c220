// A core's share of the api process: one thread, one io_context, its connections, its service.
// Nothing of it is shared with other cores on a request's path.
#pragma once

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <memory>
#include <string>

#include "core/secret.hpp"
#include "core/store.hpp"
#include "net/service.hpp"
#include "net/stream.hpp"

namespace tacit::net {

struct connection_limits {
  std::uint32_t head_seconds = core::limits::head_seconds_max;
  std::uint32_t body_seconds = core::limits::body_seconds_max;
  std::uint32_t idle_seconds = core::limits::idle_seconds_max;
};

// What a connection waits for: decides how long it may, and what it hears when it was too long.
enum class waiting_for : std::uint8_t { handshake, request, head, body, commit, client };

// A connection as its worker knows it: linked into the worker's list for as long as its session
// runs. Owned by the session; touched by the worker's thread only.
struct connection {
  connection(socket_set& set, int accepted, tls_identity const* identity)
      : socket(set, accepted, identity) {}

  stream socket;
  waiting_for state = waiting_for::request;
  std::int64_t since_seconds = 0;  // when it came into this state, monotonic
  head_memory last_head;
  remembered_key api_key;
  bool timed_out = false;
  bool told_to_continue = false;  // of the request at hand
  connection* previous = nullptr;
  connection* next = nullptr;
};

// A connected, non-blocking socket, not yet taken over.
struct accepted_socket {
  int descriptor = -1;
  peer from;
  bool speaks_tls = false;
};

class worker final : public core::completion_port {
 public:
  worker(service_parts const& parts, connection_limits const& limits);
  ~worker() override;

  // The thread's whole life: runs sessions until drain() was called and the last one has ended.
  void run();

  // From any thread: takes the socket over. `open` counts the connections of all workers; the
  // session counts itself out when it ends.
  void adopt(accepted_socket const& accepted, std::atomic<std::uint32_t>& open);

  // From any thread: who the server is from the next connection on. Before the first that speaks
  // TLS.
  void take_identity(std::shared_ptr<tls_identity const> identity);

  // From any thread: no request is begun any more; what is under way is answered, then every
  // connection is closed; after `patience_seconds` also those that do not read their answer.
  void drain(std::uint32_t patience_seconds);

  void complete(core::change* first) noexcept override;
  // From any thread: goes on with the session that waits for it.
  void resume(pending_relay& relayed) noexcept;

  // For sessions, on the worker's thread.
  [[nodiscard]] socket_set& sockets() noexcept { return sockets_; }
  [[nodiscard]] service& requests() noexcept { return service_; }
  [[nodiscard]] core::secret_buffer& scratch() noexcept { return scratch_; }
  [[nodiscard]] std::string& output() noexcept { return output_; }
  [[nodiscard]] tls_identity const* identity() const noexcept { return identity_.get(); }
  [[nodiscard]] core::log& log() const noexcept { return log_; }
  [[nodiscard]] bool draining() const noexcept { return draining_; }
  void enter(connection& one, waiting_for state) noexcept;
  void link(connection& one) noexcept;
  void unlink(connection& one) noexcept;

 private:
  task<void> keep_time();
  void check_deadlines();

  boost::asio::io_context context_{1};
  socket_set sockets_;
  boost::asio::steady_timer tick_;
  connection_limits limits_;
  service service_;
  core::secret_buffer scratch_;  // what was just read; empty between two reads
  std::shared_ptr<tls_identity const> identity_;
  core::log& log_;
  std::string output_;  // answers of what was just read; empty between two reads
  connection* first_ = nullptr;
  std::int64_t now_seconds_ = 0;
  std::int64_t drain_until_seconds_ = 0;
  bool draining_ = false;
};

}  // namespace tacit::net
