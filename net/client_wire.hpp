// A client's connection: to a Unix socket, over TCP, or over TCP with TLS. Private to
// net/client*.cpp.
#pragma once

#include <memory>
#include <optional>
#include <utility>

#include "net/client.hpp"
#include "net/tls_session.hpp"

namespace tacit::net {

enum class client_waiting { each_call, never };

struct client_call {
  client_waiting how = client_waiting::each_call;
  client_stop const* stop = nullptr;
};

// A socket that can be stopped for as long as this is there; it goes before the socket does.
class stoppable {
 public:
  stoppable(client_stop const* by, int socket);
  stoppable(stoppable const&) = delete;
  stoppable& operator=(stoppable const&) = delete;
  ~stoppable();

  [[nodiscard]] bool is_stopped() const;

 private:
  std::shared_ptr<client_stop::state> state_;
  int socket_;
};

class client_wire final : private tls_transport {
 public:
  using opened = boost::system::result<std::unique_ptr<client_wire>, client_failure>;

  // Connects, and shakes hands when it is to be TLS. Each call waits client_timeout_seconds at
  // most; or `never`, from then on, and to connect to a Unix socket neither.
  [[nodiscard]] static opened open(unix_endpoint const& endpoint, client_call const& how);
  [[nodiscard]] static opened open(tcp_endpoint const& endpoint, client_call const& how);

  client_wire(client_wire const&) = delete;
  client_wire& operator=(client_wire const&) = delete;
  ~client_wire() override;

  [[nodiscard]] int descriptor() const noexcept { return descriptor_; }

  // As of a socket. would_block: the time is up, or nothing is there now.
  [[nodiscard]] io_result read_some(std::span<char> into) noexcept;
  [[nodiscard]] io_result write_some(std::string_view from) noexcept;
  // Of the last one that did not move bytes: errno, 0 when it was none of the kernel's.
  [[nodiscard]] int reason() const noexcept { return reason_; }
  // After a read that ended: the server has closed, and over TLS said so, or anybody on the way
  // could have cut the answer off.
  [[nodiscard]] bool has_closed() const noexcept { return reason_ == 0 && tls_fault().empty(); }
  // The server did not take us (TLS 1.3 says so after the handshake). In OpenSSL's words.
  [[nodiscard]] bool was_turned_away() const noexcept;
  [[nodiscard]] std::string_view tls_fault() const noexcept;

 private:
  client_wire(int descriptor, client_stop const* stop)
      : descriptor_(descriptor), under_way_(std::in_place, stop, descriptor) {}
  static opened connect(int family, void const* address, unsigned bytes, client_call const& how);
  std::optional<client_failure> begin_tls(tcp_endpoint const& endpoint);
  [[nodiscard]] bool is_stopped() const { return under_way_ && under_way_->is_stopped(); }
  // False when the time is up.
  [[nodiscard]] bool wait(readiness what) noexcept;
  [[nodiscard]] io_result carry_in(std::span<char> into) noexcept override;
  [[nodiscard]] io_result carry_out(std::string_view from) noexcept override;

  int descriptor_;
  std::optional<stoppable> under_way_;
  client_waiting how_ = client_waiting::each_call;
  int reason_ = 0;
  tls_context_ptr context_;
  std::optional<tls_session> tls_;
};

}  // namespace tacit::net
