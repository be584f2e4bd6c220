#include "net/stream.hpp"

namespace tacit::net {

namespace {

// What a client can have decrypted before others have their turn.
constexpr std::size_t bytes_in_turn_max = 128 * 1024;
constexpr char handshake_record = 22;  // RFC 8446 section 5.1

}  // namespace

stream::stream(socket_set& set, int descriptor, tls_identity const* identity)
    : socket_(set, descriptor) {
  tls_transport& under = *this;
  if (identity != nullptr) tls_.emplace(identity->context(), tls_side::server, under);
}

io_state stream::shake_hands() noexcept {
  bytes_in_turn_ = 0;
  return tls_ ? tls_->shake_hands() : io_state::ended;
}

io_result stream::read_some(std::span<char> into) noexcept {
  if (!tls_) return socket_.read_some(into);
  bytes_in_turn_ = 0;
  return tls_->read_some(into);
}

bool stream::is_ready(readiness what) const noexcept {
  if (!tls_ || what == readiness::writable) return socket_.is_ready(what);
  return tls_->has_more() || socket_.is_ready(tls_->waits_for());
}

task<bool> stream::wait(readiness what) {
  bool const as_tls_says = tls_ && what == readiness::readable;
  return socket_.wait(as_tls_says ? tls_->waits_for() : what);
}

void stream::shutdown_send() noexcept {
  if (tls_) tls_->say_end();
  socket_.shutdown_send();
}

io_result stream::carry_in(std::span<char> into) noexcept {
  bool const others_turn = bytes_in_turn_ >= bytes_in_turn_max;
  if (others_turn || !socket_.is_ready(readiness::readable)) return {io_state::would_block, 0};
  io_result const got = socket_.read_some(into);
  bytes_in_turn_ += got.bytes;
  if (begun_ || got.state != io_state::done) return got;
  begun_ = true;
  char const first = into.front();
  speaks_otherwise_ = first != handshake_record;
  spoken_to_plainly_ = first >= 'A' && first <= 'Z';
  return speaks_otherwise_ ? io_result{} : got;
}

io_result stream::carry_out(std::string_view from) noexcept {
  if (speaks_otherwise_) return {};  // an alert would be noise
  if (!socket_.is_ready(readiness::writable)) return {io_state::would_block, 0};
  return socket_.write_some(from);
}

}  // namespace tacit::net
