// One TLS connection above a transport that does not block: bytes of the one side in, bytes of the
// other out. Server's or client's, as its context is. Not for two threads at once.
#pragma once

#include <span>
#include <string_view>

#include "net/io.hpp"
#include "net/tls_library.hpp"

namespace tacit::net {

// What carries the encrypted bytes.
class tls_transport {
 public:
  virtual ~tls_transport() = default;
  [[nodiscard]] virtual io_result carry_in(std::span<char> into) noexcept = 0;
  [[nodiscard]] virtual io_result carry_out(std::string_view from) noexcept = 0;
};

class tls_session {
 public:
  // The session keeps what it needs of the context; the transport outlives it.
  tls_session(ssl_ctx_st* context, tls_side side, tls_transport& under);
  tls_session(tls_session const&) = delete;
  tls_session& operator=(tls_session const&) = delete;

  // `done` once reading and writing may begin. `ended` for good: see fault().
  [[nodiscard]] io_state shake_hands() noexcept;

  // As of a socket. A write that would block must be repeated with the bytes that it did not take,
  // which may have moved.
  [[nodiscard]] io_result read_some(std::span<char> into) noexcept;
  [[nodiscard]] io_result write_some(std::string_view from) noexcept;

  // Tells the peer that nothing more comes, as far as the transport takes it now.
  void say_end() noexcept;

  // What the transport must be for the step that would block to go on.
  [[nodiscard]] readiness waits_for() const noexcept { return waits_for_; }
  // A read gives more without anything new from the transport.
  [[nodiscard]] bool has_more() const noexcept { return more_; }
  // A piece of a record has arrived and waits for the rest.
  [[nodiscard]] bool holds_part() const noexcept;

  // Why it ended, in OpenSSL's words; "" when it did not, or the peer just left.
  [[nodiscard]] std::string_view fault() const noexcept { return fault_; }

  [[nodiscard]] ssl_st* native() const noexcept { return session_.get(); }

 private:
  [[nodiscard]] io_state came_of(int returned) noexcept;

  tls_session_ptr session_;
  std::string_view fault_;
  readiness waits_for_ = readiness::readable;
  bool more_ = false;
  bool broken_ = false;
};

}  // namespace tacit::net
