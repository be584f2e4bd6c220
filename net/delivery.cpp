#include "net/delivery.hpp"

#include <array>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <charconv>
#include <memory>
#include <optional>
#include <string>

#include "net/answer.hpp"
#include "net/framing.hpp"
#include "net/if_none_match.hpp"
#include "net/now.hpp"
#include "net/peer_credentials.hpp"
#include "net/runtime_orders.hpp"
#include "net/session_deadline.hpp"

namespace tacit::net {

namespace asio = boost::asio;
using boost::system::error_code;
using core::errc;
using core::result;

namespace {

using stream = asio::local::stream_protocol::socket;

constexpr std::chrono::seconds stranger_seconds_max{2};
constexpr std::chrono::seconds session_seconds_max{60};
constexpr std::chrono::seconds drain_seconds_max{5};
constexpr framing_limits request_limits{core::limits::head_bytes_max, 0};

// The project's id in /v1/projects/{id}/env, when the target is that.
std::optional<std::string_view> project_of(std::string_view target) {
  constexpr std::string_view before = "/v1/projects/";
  constexpr std::string_view after = "/env";
  std::string_view path = target.substr(0, target.find('?'));
  if (!path.starts_with(before) || !path.ends_with(after)) return std::nullopt;
  if (path.size() <= before.size() + after.size()) return std::nullopt;
  path = path.substr(before.size(), path.size() - before.size() - after.size());
  if (path.find('/') != std::string_view::npos) return std::nullopt;
  return path;
}

// The seconds of ?wait=SECONDS, none when it is not there. Other parameters are passed over.
result<std::chrono::seconds> wait_of(std::string_view target) {
  constexpr std::string_view name = "wait=";
  std::size_t const mark = target.find('?');
  std::string_view rest = mark == std::string_view::npos ? "" : target.substr(mark + 1);
  while (!rest.empty()) {
    std::string_view const one = rest.substr(0, rest.find('&'));
    rest.remove_prefix(std::min(rest.size(), one.size() + 1));
    if (!one.starts_with(name)) continue;
    std::string_view const text = one.substr(name.size());
    unsigned seconds = 0;
    auto const [end, fault] = std::from_chars(text.data(), text.data() + text.size(), seconds);
    bool const whole = fault == std::errc() && end == text.data() + text.size();
    if (!whole || seconds > core::limits::wait_seconds_max) return errc::validation;
    return std::chrono::seconds(seconds);
  }
  return std::chrono::seconds(0);
}

// One answer: its head, and its body in memory for secrets, its own or one that others send too.
struct delivery_reply {
  std::string head;
  core::secret_buffer own{0};
  shared_set shared;
  unsigned status = 0;
  bool keep_alive = true;
  std::optional<core::receipt> receipt{};  // of the values in it: noted once it is sent

  [[nodiscard]] std::string_view body() const noexcept {
    return shared ? shared->body.reveal() : own.reveal();
  }
};

std::string make_request_id(request_head const* head) {
  if (head != nullptr && head->request_id) return std::string(*head->request_id);
  constexpr std::string_view hex = "0123456789abcdef";
  std::string id;
  for (std::uint64_t bits = core::random_u64(), i = 0; i < 16; ++i, bits >>= 4) {
    id.push_back(hex[bits & 15u]);
  }
  return id;
}

void write_head(delivery_reply& reply, answer_head const& head, std::size_t body_bytes) {
  reply.keep_alive = head.keep_alive;
  reply.status = head.status;
  append_answer_head(reply.head, head, format_http_date(now_of_day()), body_bytes);
}

delivery_reply reply_with(answer_head const& head, shared_set set) {
  delivery_reply reply;
  write_head(reply, head, set ? set->body.size() : 0);
  reply.shared = std::move(set);
  return reply;
}

delivery_reply reply_text(answer_head const& head, std::string_view text) {
  delivery_reply reply;
  write_head(reply, head, text.size());
  if (!head.has_body) return reply;
  reply.own = core::secret_buffer(text.size());
  CHECK(reply.own.append(text));
  return reply;
}

delivery_reply reply_error(answer_head head, errc error) {
  error_face face = face_of(error);
  if (error == errc::forbidden) face.message = "This user may not read the project";
  if (error == errc::unavailable) head.retry_seconds = 1;
  if (error == errc::method_not_allowed) head.allowed = "GET";
  if (face.ends_connection) head.keep_alive = false;
  head.status = face.status;
  std::string text;
  append_error_body(text, face, std::nullopt);
  return reply_text(head, text);
}

// What a whole request head asks for, checked in order: the peer, the method and route, the peer's
// right to this project.
result<core::project_id> admit(core::delivery_policy const& policy, core::delivery_peer const& peer,
                               request_head const& head) {
  auto const project = project_of(head.target);
  // Not 404: that says that the project is gone, and a consumer may delete what it has.
  if (!project) return errc::validation;
  if (head.verb != method::get) return errc::method_not_allowed;
  if (!policy.may_read(peer, *project)) return errc::forbidden;
  auto const id = core::project_id::parse(*project);
  if (!id) return errc::not_found;
  return *id;
}

delivery_reply refuse(errc why, std::string_view request_id) {
  answer_head head;
  head.request_id = request_id;
  head.keep_alive = false;
  return reply_error(head, why);
}

asio::awaitable<bool> send(stream& to, delivery_reply const& reply) {
  error_code error;
  std::array<asio::const_buffer, 2> const parts{asio::buffer(reply.head),
                                                asio::buffer(reply.body())};
  auto token = asio::redirect_error(asio::use_awaitable, error);
  co_await asio::async_write(to, parts, token);
  co_return !error;
}

// Reads what there is; nothing at the end. The room for it is there only meanwhile: many sessions
// wait for long.
asio::awaitable<std::size_t> read_some(stream& from, std::string& input) {
  error_code error = asio::error::would_block;
  std::array<char, 4096> chunk;
  std::size_t got = 0;
  while (error == asio::error::would_block) {
    auto token = asio::redirect_error(asio::use_awaitable, error);
    co_await from.async_wait(asio::socket_base::wait_read, token);
    if (!error) got = from.read_some(asio::buffer(chunk), error);
  }
  if (error) co_return 0;
  input.append(chunk.data(), got);
  co_return got;
}

// Reads what the peer still sends until it closes or the deadline closes for it, so that it sees
// the answer before the end.
asio::awaitable<void> linger(stream& with) {
  error_code error;
  with.shutdown(asio::socket_base::shutdown_send, error);
  std::array<char, 1024> ignored;
  while (!error) {
    auto token = asio::redirect_error(asio::use_awaitable, error);
    co_await with.async_read_some(asio::buffer(ignored), token);
  }
}

// One who waits, as long as the socket's peer is there.
struct patience {
  patience(asio::io_context& context, std::chrono::seconds at_most) : timer(context, at_most) {}
  asio::steady_timer timer;
  bool peer_gone = false;
};

// Wakes when the peer closes its end (or both its directions): nobody is there to be answered. One
// that has only ended its sending still listens.
void watch_peer(stream& socket, std::shared_ptr<patience> const& waiting) {
  socket.async_wait(asio::socket_base::wait_error, [waiting](error_code cancelled) {
    if (cancelled) return;
    waiting->peer_gone = true;
    delivery_feed::wake(waiting->timer);
  });
}

}  // namespace

struct delivery::session {
  asio::io_context& context;
  stream& socket;
  core::delivery_peer const& peer;
  delivery_places::place& held;
  session_deadline& deadline;
  std::string_view request_id;
  delivery_reply reply;
  bool peer_gone = false;
};

delivery::delivery(asio::io_context& context, int descriptor, delivery_parts const& parts,
                   enrolments& enrolled, delivery_places::limits const& places)
    : context_(context),
      acceptor_(context, asio::local::stream_protocol(), descriptor),
      parts_(parts),
      enrolled_(enrolled),
      own_public_(core::public_half(parts.keys.towards_runtimes)),
      places_(places),
      last_ended_(context),
      strangers_(context, parts.log, core::severity::info, "delivery", {"status", 403}) {
  acceptor_.non_blocking(true);
}

void delivery::stop() {
  stopping_ = true;
  strangers_.stop();
  error_code ignored;
  acceptor_.close(ignored);
}

asio::awaitable<void> delivery::run() {
  while (!stopping_) {
    error_code error;
    auto token = asio::redirect_error(asio::use_awaitable, error);
    stream accepted = co_await acceptor_.async_accept(token);
    if (stopping_) break;
    if (error) {
      // Out of descriptors, most likely: others end, then there are some.
      last_ended_.expires_after(std::chrono::milliseconds(100));
      co_await last_ended_.async_wait(token);
      continue;
    }
    auto const peer = find_peer(accepted.native_handle(), parts_.policy.asks_for_unit());
    if (!peer) continue;  // closes it
    accepted.non_blocking(true);
    auto held = parts_.policy.may_read_any(*peer) ? places_.take_session(peer->uid)
                                                  : places_.take_stranger();
    if (!held) continue;
    ++sessions_;
    asio::co_spawn(context_, serve(std::move(accepted), *peer, std::move(held)),
                   [this](std::exception_ptr failed) {
                     --sessions_;
                     last_ended_.cancel();
                     if (failed) std::rethrow_exception(failed);
                   });
  }
  auto const until = std::chrono::steady_clock::now() + drain_seconds_max;
  while (sessions_ > 0 && std::chrono::steady_clock::now() < until) {
    error_code ignored;
    auto token = asio::redirect_error(asio::use_awaitable, ignored);
    last_ended_.expires_after(std::chrono::milliseconds(100));
    co_await last_ended_.async_wait(token);
  }
}

void delivery::log_answer(core::delivery_peer const& peer, request_head const* head,
                          unsigned status, std::string_view request_id) const {
  // Only what exists is named: what a client makes up may be anything, also a value.
  bool const exists = status == 200 || status == 304;
  auto const named = head == nullptr || !exists ? std::nullopt : project_of(head->target);
  auto const project = named ? core::project_id::parse(*named) : errc::not_found;
  parts_.log.write(core::severity::info, "delivery",
                   {{"project", project ? project->text() : ""},
                    {"uid", static_cast<std::int64_t>(peer.uid)},
                    {"status", static_cast<std::int64_t>(status)},
                    {"request_id", request_id}});
}

// A wait is nothing but a delay before an ordinary answer: whatever ended it, the api is asked.
asio::awaitable<result<shared_set>> delivery::get_or_wait(session& at, core::project_id project,
                                                          wait_request wanted) {
  auto set = co_await parts_.feed.get(project);
  auto const until = std::chrono::steady_clock::now() + wanted.at_most;
  std::shared_ptr<patience> waiting;
  while (set && names_version(wanted.if_none_match, (*set)->revision) &&
         std::chrono::steady_clock::now() < until) {
    if (stopping_ || !at.held.wait()) co_return errc::unavailable;
    if (!waiting) {
      waiting = std::make_shared<patience>(context_, wanted.at_most);
      watch_peer(at.socket, waiting);
      at.deadline.set(wanted.at_most + session_seconds_max);
    }
    std::uint64_t const revision = (*set)->revision;
    set = shared_set();  // not kept meanwhile
    waiting->timer.expires_at(until);
    if (!waiting->peer_gone) co_await parts_.feed.wait(project, revision, waiting->timer);
    at.peer_gone = waiting->peer_gone;
    if (at.peer_gone || stopping_) co_return errc::unavailable;
    set = co_await parts_.feed.get(project);
  }
  if (waiting) {
    error_code ignored;
    at.socket.cancel(ignored);
    at.deadline.set(session_seconds_max);
  }
  co_return set;
}

void delivery::answer_order(session& at, answer_head head, request_head const& request) {
  if (!parts_.policy.is_owner(at.peer)) {
    at.reply = reply_error(head, errc::forbidden);
    return;
  }
  order_outcome const outcome =
      carry_out(enrolled_, own_public_, request.verb, request.target, now_of_day());
  head.status = outcome.status;
  at.reply = reply_text(head, outcome.body);
}

asio::awaitable<void> delivery::answer(session& at, request_head const& request) {
  answer_head head;
  head.request_id = at.request_id;
  head.keep_alive = request.keep_alive;
  head.has_body = request.verb != method::head;
  if (is_runtime_order(request.target)) {
    answer_order(at, head, request);
    co_return;
  }
  auto const project = admit(parts_.policy, at.peer, request);
  auto const wait = wait_of(request.target);
  if (!project || !wait) {
    at.reply = reply_error(head, project ? wait.error() : project.error());
    co_return;
  }
  bool const is_conditional = request.if_none_match.has_value();
  // As the request, they are views of the input, which nobody touches before the answer.
  std::string_view const if_none_match = request.if_none_match.value_or("");
  wait_request const wanted{if_none_match, is_conditional ? *wait : std::chrono::seconds(0)};
  auto const set = co_await get_or_wait(at, *project, wanted);
  if (!set) {
    bool const absent = set.error() == errc::not_found;
    at.reply = reply_error(head, absent ? errc::not_found : errc::unavailable);
    co_return;
  }
  head.version = (*set)->revision;
  bool const unchanged = is_conditional && names_version(if_none_match, (*set)->revision);
  if (unchanged) head.status = 304;
  at.reply = reply_with(head, unchanged ? shared_set() : *set);
  if (unchanged) co_return;
  at.reply.receipt.emplace(core::receipt{*project,
                                         parts_.noted.consumer_of(at.peer),
                                         {},
                                         core::delivery_extent::whole,
                                         (*set)->secrets});
}

// The peer decides, before anything that it sent is looked at.
asio::awaitable<void> delivery::refuse_stranger(stream& accepted, core::delivery_peer const& peer) {
  session_deadline const deadline(context_, accepted, stranger_seconds_max);
  std::string const request_id = make_request_id(nullptr);
  delivery_reply const reply = refuse(errc::forbidden, request_id);
  if (strangers_.note(peer.uid)) log_answer(peer, nullptr, reply.status, request_id);
  bool const told = co_await send(accepted, reply);
  if (told) co_await linger(accepted);
}

asio::awaitable<void> delivery::serve(stream accepted, core::delivery_peer peer,
                                      delivery_places::place held) {
  if (!parts_.policy.may_read_any(peer)) {
    co_await refuse_stranger(accepted, peer);
    co_return;
  }
  session_deadline deadline(context_, accepted, session_seconds_max);
  std::string input;
  bool keep_alive = true;
  while (keep_alive && !stopping_) {
    auto const parsed = parse_request_head(input, request_limits);
    std::optional<request_head> const head = parsed ? *parsed : std::nullopt;
    if (parsed && !head) {
      std::size_t const got = co_await read_some(accepted, input);
      if (got == 0) break;
      continue;
    }
    std::string const request_id = make_request_id(head ? &*head : nullptr);
    session at{context_, accepted, peer, held, deadline, request_id, {}};
    if (head) {
      co_await answer(at, *head);
    } else {
      at.reply = refuse(parsed.error(), request_id);
    }
    if (at.peer_gone) break;
    log_answer(peer, head ? &*head : nullptr, at.reply.status, request_id);
    bool const sent = co_await send(accepted, at.reply);
    if (sent && at.reply.receipt) parts_.noted.delivered(std::move(*at.reply.receipt));
    keep_alive = sent && at.reply.keep_alive;
    if (head) input.erase(0, head->head_bytes);
    if (sent && !keep_alive) co_await linger(accepted);
  }
}

}  // namespace tacit::net
