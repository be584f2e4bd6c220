#include "net/tls_session.hpp"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <new>

#include "core/check.hpp"

namespace tacit::net {

namespace {

tls_transport& transport_of(BIO* bytes) {
  return *static_cast<tls_transport*>(BIO_get_data(bytes));
}

// As BIO_meth_set_read_ex and _write_ex want it.
int bio_outcome(BIO* bytes, io_result const& moved, int retry, std::size_t* count) {
  BIO_clear_retry_flags(bytes);
  *count = moved.bytes;
  if (moved.state == io_state::would_block) BIO_set_flags(bytes, retry | BIO_FLAGS_SHOULD_RETRY);
  return moved.state == io_state::done ? 1 : 0;
}

int bio_read(BIO* bytes, char* into, std::size_t room, std::size_t* count) {
  io_result const moved = transport_of(bytes).carry_in({into, room});
  if (moved.state == io_state::ended) BIO_set_flags(bytes, BIO_FLAGS_IN_EOF);
  return bio_outcome(bytes, moved, BIO_FLAGS_READ, count);
}

int bio_write(BIO* bytes, char const* from, std::size_t size, std::size_t* count) {
  return bio_outcome(bytes, transport_of(bytes).carry_out({from, size}), BIO_FLAGS_WRITE, count);
}

long bio_control(BIO* bytes, int command, long, void*) {
  if (command == BIO_CTRL_FLUSH) return 1;
  if (command == BIO_CTRL_EOF) return BIO_test_flags(bytes, BIO_FLAGS_IN_EOF) != 0 ? 1 : 0;
  return 0;
}

BIO_METHOD* make_method() {
  BIO_METHOD* const method =
      BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "tacit transport");
  CHECK(method != nullptr);
  CHECK(BIO_meth_set_read_ex(method, bio_read) == 1);
  CHECK(BIO_meth_set_write_ex(method, bio_write) == 1);
  CHECK(BIO_meth_set_ctrl(method, bio_control) == 1);
  return method;
}

BIO* make_bio(tls_transport& under) {
  static BIO_METHOD const* const method = make_method();
  BIO* const bytes = BIO_new(method);
  if (bytes == nullptr) throw std::bad_alloc();
  BIO_set_data(bytes, &under);
  BIO_set_init(bytes, 1);
  return bytes;
}

// Its queue is the thread's, for all sessions: what an earlier call left there is not this one's.
void forget_errors() noexcept {
  if (ERR_peek_error() != 0) ERR_clear_error();
}

std::string_view reason_of(unsigned long error) {
  char const* const text = ERR_reason_error_string(error);
  return text == nullptr ? std::string_view() : std::string_view(text);
}

}  // namespace

tls_session::tls_session(ssl_ctx_st* context, tls_side side, tls_transport& under)
    : session_(SSL_new(context)) {
  if (session_ == nullptr) throw std::bad_alloc();
  BIO* const bytes = make_bio(under);
  SSL_set_bio(session_.get(), bytes, bytes);
  side == tls_side::server ? SSL_set_accept_state(session_.get())
                           : SSL_set_connect_state(session_.get());
}

io_state tls_session::came_of(int returned) noexcept {
  switch (SSL_get_error(session_.get(), returned)) {
    case SSL_ERROR_WANT_READ:
      waits_for_ = readiness::readable;
      return io_state::would_block;
    case SSL_ERROR_WANT_WRITE:
      waits_for_ = readiness::writable;
      return io_state::would_block;
    case SSL_ERROR_ZERO_RETURN:  // the peer has said that it sends no more
      return io_state::ended;
    default:
      broken_ = true;
      fault_ = reason_of(ERR_peek_error());
      ERR_clear_error();
      return io_state::ended;
  }
}

io_state tls_session::shake_hands() noexcept {
  if (broken_) return io_state::ended;
  forget_errors();
  int const returned = SSL_do_handshake(session_.get());
  if (returned != 1) return came_of(returned);
  more_ = holds_part();  // the first words may have come with the last of the handshake
  return io_state::done;
}

io_result tls_session::read_some(std::span<char> into) noexcept {
  std::size_t total = 0;
  waits_for_ = readiness::readable;
  while (!broken_ && total < into.size()) {
    forget_errors();
    std::size_t got = 0;
    int const returned =
        SSL_read_ex(session_.get(), into.data() + total, into.size() - total, &got);
    total += got;
    if (returned == 1) continue;
    io_state const state = came_of(returned);
    more_ = state == io_state::ended;  // which the next read will say
    return total > 0 ? io_result{io_state::done, total} : io_result{state, 0};
  }
  more_ = true;
  return broken_ ? io_result{} : io_result{io_state::done, total};
}

io_result tls_session::write_some(std::string_view from) noexcept {
  std::size_t total = 0;
  waits_for_ = readiness::readable;
  while (!broken_ && total < from.size()) {
    forget_errors();
    std::size_t put = 0;
    int const returned =
        SSL_write_ex(session_.get(), from.data() + total, from.size() - total, &put);
    total += put;
    if (returned == 1) continue;
    io_state const state = came_of(returned);
    if (total == 0 || state == io_state::ended) return {state, total};
    break;
  }
  return broken_ ? io_result{io_state::ended, total} : io_result{io_state::done, total};
}

void tls_session::say_end() noexcept {
  if (broken_ || SSL_is_init_finished(session_.get()) != 1) return;
  forget_errors();
  SSL_shutdown(session_.get());
  ERR_clear_error();
}

bool tls_session::holds_part() const noexcept { return SSL_has_pending(session_.get()) == 1; }

}  // namespace tacit::net
