#include "net/session.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <utility>

#include "net/held_input.hpp"
#include "net/lone_answer.hpp"

namespace tacit::net {

namespace asio = boost::asio;

namespace {

// Answers are sent when this much has gathered, so that a flood of pipelined requests is bounded.
constexpr std::size_t output_bytes_max = 256 * 1024;
// And after so many requests the core's other connections have their turn.
constexpr std::size_t requests_in_turn_max = 32;
constexpr std::size_t lingering_bytes_max = 256 * 1024;
constexpr std::size_t held_first_bytes = 1024;

// Links a connection into its worker for as long as the session runs.
class linked {
 public:
  linked(worker& at, connection& one) : at_(at), one_(one) { at_.link(one_); }
  ~linked() { at_.unlink(one_); }
  linked(linked const&) = delete;
  linked& operator=(linked const&) = delete;

 private:
  worker& at_;
  connection& one_;
};

enum class end_of { batch, connection, input };

// What came of the bytes at hand.
struct progress {
  std::size_t consumed = 0;
  std::unique_ptr<pending_write> write;  // to be committed before the next request is looked at
  std::unique_ptr<pending_relay> relay;  // to be answered by the keeper before that
  bool keep_alive = true;
  std::size_t requests = 0;
  bool full = false;  // the output must be sent, and others have their turn, before more is taken
  waiting_for next = waiting_for::request;
  std::size_t bytes_needed = 0;   // of the request at hand, when known
  bool expects_continue = false;  // the client waits for a word before it sends the body

  // More must come from the client before anything goes on.
  [[nodiscard]] bool needs_input() const noexcept { return !full && !write && !relay; }
};

void wipe_part(std::string_view part) { core::wipe(const_cast<char*>(part.data()), part.size()); }

// Takes complete requests from the front of `input` until one must wait for its commit, the output
// is full or the rest is not complete.
progress take_requests(worker& at, connection& one, std::string_view input, peer const& from,
                       std::string& out) {
  progress done;
  while (done.keep_alive && done.write == nullptr && done.relay == nullptr) {
    std::string_view const rest = input.substr(done.consumed);
    if (rest.empty()) return done;
    if (out.size() >= output_bytes_max || done.requests == requests_in_turn_max) {
      done.full = true;
      return done;
    }
    auto const parsed = at.requests().parse_head(one.last_head, rest);
    if (!parsed) {
      at.requests().refuse_bytes(parsed.error(), rest, out);
      done.keep_alive = false;
      return done;
    }
    std::optional<request_head> const& complete = *parsed;
    if (!complete) {
      done.next = waiting_for::head;
      return done;
    }
    request_head head = *complete;
    std::size_t const whole = head.head_bytes + head.body_bytes;
    if (rest.size() < whole) {
      done.next = waiting_for::body;
      done.bytes_needed = whole;
      done.expects_continue = head.expects_continue;
      return done;
    }
    if (at.draining()) head.keep_alive = false;
    std::string_view const body = rest.substr(head.head_bytes, head.body_bytes);
    handled came_of = at.requests().handle(head, body, from, one.api_key, out);
    wipe_part(body);
    done.consumed += whole;
    ++done.requests;
    done.keep_alive = came_of.keep_alive;
    done.write = std::move(came_of.write);
    done.relay = std::move(came_of.relay);
  }
  return done;
}

// Sends what is in the worker's output and wipes it. False when the connection is of no use any
// more.
task<bool> send_output(worker& at, connection& one) {
  std::string& shared = at.output();
  if (shared.empty()) co_return true;
  io_result sent = one.socket.write_some(shared);
  if (sent.bytes == shared.size()) {
    core::wipe(shared.data(), shared.size());
    shared.clear();
    co_return true;
  }
  // The client reads slowly: the rest is kept here, so that others can use the shared output.
  std::string rest = shared.substr(sent.bytes);
  core::wipe(shared.data(), shared.size());
  shared.clear();
  std::string_view left = rest;
  while (sent.state != io_state::ended && !left.empty()) {
    if (!one.socket.is_ready(readiness::writable)) {
      at.enter(one, waiting_for::client);
      bool const writable = co_await one.socket.wait(readiness::writable);
      if (!writable) break;
    }
    sent = one.socket.write_some(left);
    left.remove_prefix(sent.bytes);
  }
  bool const complete = left.empty();
  core::wipe(rest.data(), rest.size());
  co_return complete;
}

// Waits for the commit of a change. Never fails: the outcome is in the change.
task<void> commit(worker& at, connection& one, pending_write& write) {
  auto const submit = [](auto handler, pending_write* asked, core::store* store) {
    asked->resume.emplace(std::move(handler));
    auto const taken = store->submit(*asked);
    if (taken) return;
    asked->came_of = taken.error();
    asked->home.complete(asked);
  };
  at.enter(one, waiting_for::commit);
  pending_write* const asked = &write;
  core::store* const store = &at.requests().store();
  use_task token;
  co_await asio::async_initiate<use_task, void()>(submit, token, asked, store);
}

// Waits for the keeper's reply. Never fails: without one it is empty.
task<void> pass_on(worker& at, connection& one, pending_relay& relayed) {
  auto const submit = [](auto handler, pending_relay* asked, worker* home) {
    asked->resume.emplace(std::move(handler));
    asked->done = [asked, home] { home->resume(*asked); };
    if (!home->requests().to_keeper().submit(*asked)) asked->done();
  };
  at.enter(one, waiting_for::commit);
  pending_relay* const asked = &relayed;
  worker* const home = &at;
  use_task token;
  co_await asio::async_initiate<use_task, void()>(submit, token, asked, home);
}

// Ends the connection so that what was sent arrives: closing with unread bytes in the kernel would
// make it reset the connection and drop them (RFC 9112 section 9.6).
task<void> close_gently(connection& one) {
  one.socket.shutdown_send();
  ready_socket& raw = one.socket.raw();
  std::size_t seen = 0;
  std::array<char, 4096> ignored;
  while (!one.timed_out && seen < lingering_bytes_max) {
    if (!raw.is_ready(readiness::readable)) {
      bool const readable = co_await raw.wait(readiness::readable);
      if (!readable) break;
    }
    io_result const got = raw.read_some(ignored);
    if (got.state == io_state::ended) break;
    core::wipe(ignored.data(), got.bytes);
    seen += got.bytes;
  }
}

// False when the client did not get through it in time.
task<bool> shake_hands(worker& at, connection& one) {
  at.enter(one, waiting_for::handshake);
  io_state state = one.socket.shake_hands();
  while (state == io_state::would_block) {
    if (one.socket.is_ready(readiness::readable)) {
      co_await one.socket.yield();
    } else {
      bool const goes_on = co_await one.socket.wait(readiness::readable);
      if (!goes_on) co_return false;
    }
    state = one.socket.shake_hands();
  }
  co_return state == io_state::done;
}

// The handshake failed: the client has its time, and no more, to hear why.
task<void> turn_away(worker& at, connection& one) {
  if (one.socket.is_spoken_to_plainly()) {
    one.socket.go_plain();
    std::string const answer =
        make_lone_answer(core::errc::malformed_request, "This port speaks TLS: use https://");
    static_cast<void>(one.socket.write_some(answer));
  } else if (at.log().wants(core::severity::debug)) {
    at.log().write(core::severity::debug, "a TLS handshake failed",
                   {{"reason", one.socket.tls_fault()}});
  }
  co_await close_gently(one);
}

// Most requests fit here: a wait then costs a connection no more than this.
using first_bytes = std::array<char, 1024>;

struct received {
  io_state state = io_state::ended;  // would_block: the wait was cancelled
  std::string_view input{};          // to be looked at: what was held, and what came
};

// Waits for bytes: into the session's own buffer when it holds a piece of a request, else into
// `first`, and what does not fit there into the worker's scratch.
task<received> receive(worker& at, connection& one, held_input& held, first_bytes& first) {
  std::span<char> const space = held.empty() ? std::span<char>(first) : held.free_space();
  io_result got{io_state::would_block, 0};
  while (got.state == io_state::would_block) {
    if (one.socket.is_ready(readiness::readable)) {
      // One that sends without a pause lets the others have their turn.
      co_await one.socket.yield();
    } else {
      bool const begins = one.state == waiting_for::request && one.socket.holds_part();
      if (begins) at.enter(one, waiting_for::head);
      bool const readable = co_await one.socket.wait(readiness::readable);
      if (!readable) co_return received{io_state::would_block};
    }
    got = one.socket.read_some(space);
  }
  if (got.state == io_state::ended) co_return received{};
  if (!held.empty()) {
    held.grow_by(got.bytes);
    co_return received{io_state::done, held.view()};
  }
  if (got.bytes < first.size()) {
    co_return received{io_state::done, {first.data(), got.bytes}};
  }
  // There may be more: all of it in one piece.
  core::secret_buffer& scratch = at.scratch();
  scratch.resize(scratch.capacity());
  std::span<char> const all = scratch.reveal_storage();
  std::memcpy(all.data(), first.data(), got.bytes);
  io_result const more = one.socket.read_some(all.subspan(got.bytes));
  scratch.resize(got.bytes + more.bytes);
  co_return received{io_state::done, scratch.reveal()};
}

// Keeps what is left of the input in the session's own buffer, and makes room for what is missing,
// if anything is.
void keep_rest(worker& at, held_input& held, std::string_view input, progress const& done) {
  if (held.empty()) {
    held.append(input.substr(done.consumed));
    at.scratch().clear();
  } else {
    held.consume(done.consumed);
  }
  if (held.empty() || !done.needs_input()) return;
  std::size_t const wanted = done.bytes_needed > 0
                                 ? done.bytes_needed
                                 : std::max(held_first_bytes, held.view().size() * 2);
  held.reserve(std::max(wanted, held.view().size() + 1));
}

// RFC 9110 section 10.1.1: tells a client that asks for it to send the body, once.
void encourage(connection& one, progress const& done, std::string& out) {
  if (done.consumed > 0) one.told_to_continue = false;
  if (!done.expects_continue || one.told_to_continue) return;
  out.append("HTTP/1.1 100 Continue\r\n\r\n");
  one.told_to_continue = true;
}

// Answers everything that can be answered of `input`. False when the connection ends.
task<bool> serve_input(worker& at, connection& one, peer const& from, held_input& held,
                       std::string_view input) {
  while (true) {
    progress done = take_requests(at, one, input, from, at.output());
    keep_rest(at, held, input, done);
    encourage(one, done, at.output());
    bool const sent = co_await send_output(at, one);
    if (!sent) co_return false;
    if (done.write != nullptr) {
      co_await commit(at, one, *done.write);
      done.keep_alive = at.requests().finish(*done.write, at.output()) && !at.draining();
      done.write.reset();
      bool const answered = co_await send_output(at, one);
      if (!answered) co_return false;
    } else if (done.relay != nullptr) {
      co_await pass_on(at, one, *done.relay);
      done.keep_alive = at.requests().finish(*done.relay, at.output()) && !at.draining();
      done.relay.reset();
      bool const answered = co_await send_output(at, one);
      if (!answered) co_return false;
    } else if (done.needs_input()) {
      // A request's time begins with its first byte, not anew with every piece of it.
      bool const begins = done.consumed > 0 || one.state != done.next;
      if (done.keep_alive && begins) at.enter(one, done.next);
      co_return done.keep_alive;
    }
    if (!done.keep_alive) co_return false;
    if (done.full) co_await one.socket.yield();
    input = held.view();
    if (input.empty()) {
      at.enter(one, waiting_for::request);
      co_return true;
    }
  }
}

// A drain found the connection idle. What the client has sent in the same moment is still answered.
// False when there is nothing, so that the connection can be closed at once.
task<bool> serve_last_input(worker& at, connection& one, peer const& from, held_input& held,
                            first_bytes& first) {
  io_result const got = one.socket.read_some(first);
  if (got.state != io_state::done) co_return false;
  std::string_view const input(first.data(), got.bytes);
  [[maybe_unused]] bool const goes_on = co_await serve_input(at, one, from, held, input);
  core::wipe(first.data(), input.size());
  co_return true;
}

}  // namespace

task<void> run_session(worker& at, accepted_socket accepted) {
  peer const& from = accepted.from;
  tls_identity const* identity = nullptr;
  if (accepted.speaks_tls) {
    identity = at.identity();
    CHECK(identity != nullptr);  // or the connection would be plain
  }
  connection one(at.sockets(), accepted.descriptor, identity);
  linked const link(at, one);
  if (one.socket.has_tls()) {
    bool const shaken = co_await shake_hands(at, one);
    if (!shaken) {
      if (!one.timed_out && !at.draining()) co_await turn_away(at, one);
      co_return;
    }
  }
  held_input held;
  first_bytes first;
  at.enter(one, waiting_for::request);

  bool gently = true;
  while (!at.draining() || !held.empty()) {
    received const got = co_await receive(at, one, held, first);
    if (got.state != io_state::done) {
      bool const in_request = one.state == waiting_for::head || one.state == waiting_for::body;
      // Else the client has closed, the connection is broken, or it was idle for too long.
      gently = false;
      if (at.draining() && got.state == io_state::would_block && !in_request) {
        gently = co_await serve_last_input(at, one, from, held, first);
      }
      if (one.timed_out && in_request) {
        at.requests().refuse_bytes(core::errc::request_timeout, held.view(), at.output());
        one.timed_out = false;
        gently = co_await send_output(at, one);
      }
      break;
    }
    bool const goes_on = co_await serve_input(at, one, from, held, got.input);
    core::wipe(first.data(), std::min(first.size(), got.input.size()));
    if (!goes_on) break;
  }
  if (!gently) co_return;
  at.enter(one, waiting_for::client);
  co_await close_gently(one);
}

}  // namespace tacit::net
