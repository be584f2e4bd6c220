// A client's connection as its session reads and writes it: a socket, or TLS over one.
#pragma once

#include <optional>

#include "net/ready_socket.hpp"
#include "net/tls_identity.hpp"
#include "net/tls_session.hpp"

namespace tacit::net {

class stream final : private tls_transport {
 public:
  // Takes over the descriptor. `identity` null: no TLS.
  stream(socket_set& set, int descriptor, tls_identity const* identity);
  stream(stream const&) = delete;
  stream& operator=(stream const&) = delete;

  // TLS only. `done` before anything is read or written; `ended` for good.
  [[nodiscard]] io_state shake_hands() noexcept;
  // The client began with letters, as who speaks HTTP without TLS: go_plain() answers it.
  [[nodiscard]] bool is_spoken_to_plainly() const noexcept { return spoken_to_plainly_; }
  void go_plain() noexcept { tls_.reset(); }
  [[nodiscard]] std::string_view tls_fault() const noexcept {
    return tls_ ? tls_->fault() : std::string_view();
  }

  [[nodiscard]] bool has_tls() const noexcept { return tls_.has_value(); }

  // As of a socket (net/ready_socket.hpp), for what the client says and hears.
  [[nodiscard]] io_result read_some(std::span<char> into) noexcept;
  [[nodiscard]] io_result write_some(std::string_view from) noexcept {
    return tls_ ? tls_->write_some(from) : socket_.write_some(from);
  }
  [[nodiscard]] bool is_ready(readiness what) const noexcept;
  task<bool> wait(readiness what);
  task<void> yield() { return socket_.yield(); }
  void cancel() noexcept { socket_.cancel(); }

  // A piece of what the client says has arrived that cannot be read before the rest has.
  [[nodiscard]] bool holds_part() const noexcept { return tls_ && tls_->holds_part(); }

  void shutdown_send() noexcept;
  // After shutdown_send(): what the client still sends, as it comes.
  [[nodiscard]] ready_socket& raw() noexcept { return socket_; }

 private:
  [[nodiscard]] io_result carry_in(std::span<char> into) noexcept override;
  [[nodiscard]] io_result carry_out(std::string_view from) noexcept override;

  ready_socket socket_;
  std::optional<tls_session> tls_;
  std::size_t bytes_in_turn_ = 0;   // carried in since the session began to read
  bool begun_ = false;              // the first byte is known
  bool speaks_otherwise_ = false;   // than TLS
  bool spoken_to_plainly_ = false;  // as HTTP without TLS is
};

}  // namespace tacit::net
