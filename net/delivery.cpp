#include "net/delivery.hpp"

#include <array>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <optional>
#include <string>

#include "net/answer.hpp"
#include "net/delivery_answer.hpp"
#include "net/framing.hpp"
#include "net/if_none_match.hpp"
#include "net/now.hpp"
#include "net/peer_credentials.hpp"
#include "net/session_deadline.hpp"

namespace tacit::net {

namespace asio = boost::asio;
using boost::system::error_code;
using core::errc;
using core::result;

namespace {

using stream = asio::local::stream_protocol::socket;

constexpr std::size_t sessions_per_uid_max = 2048;
constexpr std::size_t strangers_max = 256;  // peers that may read nothing, of all uids
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

// One answer: its head, and its body in memory for secrets.
struct delivery_reply {
  std::string head;
  core::secret_buffer body{0};
  unsigned status = 0;
  bool keep_alive = true;
  std::optional<core::receipt> receipt{};  // of the values in it: noted once it is sent
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

delivery_reply reply_with(answer_head head, core::secret_buffer body) {
  delivery_reply reply;
  reply.keep_alive = head.keep_alive;
  reply.status = head.status;
  append_answer_head(reply.head, head, format_http_date(now_of_day()), body.size());
  if (head.has_body) reply.body = std::move(body);
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
  core::secret_buffer body(text.size());
  CHECK(body.append(text));
  return reply_with(head, std::move(body));
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

asio::awaitable<delivery_reply> answer(delivery_parts const& parts, core::delivery_peer const& peer,
                                       request_head const& request, std::string_view request_id) {
  answer_head head;
  head.request_id = request_id;
  head.keep_alive = request.keep_alive;
  head.has_body = request.verb != method::head;
  auto const project = admit(parts.policy, peer, request);
  if (!project) co_return reply_error(head, project.error());
  bool const is_conditional = request.if_none_match.has_value();
  std::string const if_none_match(request.if_none_match.value_or(""));

  auto const set = co_await parts.channel.fetch(*project);
  if (!set && set.error() == errc::not_found) co_return reply_error(head, errc::not_found);
  if (!set) co_return reply_error(head, errc::unavailable);
  head.version = set->revision;
  if (is_conditional && names_version(if_none_match, set->revision)) {
    head.status = 304;
    co_return reply_with(head, core::secret_buffer(0));
  }
  auto body = make_delivery_body(parts.keys, parts.policy, *project, *set);
  if (!body) {
    parts.log.write(core::severity::error, "a stored value does not open: nothing is delivered",
                    {{"project", project->text()}, {"request_id", request_id}});
    head.version.reset();
    co_return reply_error(head, errc::unavailable);
  }
  delivery_reply reply = reply_with(head, std::move(*body));
  reply.receipt.emplace(core::receipt{*project,
                                      parts.noted.consumer_of(peer),
                                      {},
                                      core::delivery_extent::whole,
                                      secrets_of(parts.policy, *set)});
  co_return reply;
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
                                                asio::buffer(reply.body.reveal())};
  auto token = asio::redirect_error(asio::use_awaitable, error);
  co_await asio::async_write(to, parts, token);
  co_return !error;
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

}  // namespace

delivery::delivery(asio::io_context& context, int descriptor, delivery_parts const& parts)
    : context_(context),
      acceptor_(context, asio::local::stream_protocol(), descriptor),
      parts_(parts),
      last_ended_(context) {
  acceptor_.non_blocking(true);
}

void delivery::stop() {
  stopping_ = true;
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
    if (!peer || !take_place(*peer)) continue;  // closes it
    ++sessions_;
    asio::co_spawn(context_, serve(std::move(accepted), *peer),
                   [this, peer = *peer](std::exception_ptr failed) {
                     --sessions_;
                     leave_place(peer);
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

bool delivery::take_place(core::delivery_peer const& peer) {
  if (!parts_.policy.may_read_any(peer)) {
    if (strangers_ >= strangers_max) return false;
    ++strangers_;
    return true;
  }
  std::size_t& taken = sessions_by_uid_[peer.uid];
  if (taken >= sessions_per_uid_max) return false;
  ++taken;
  return true;
}

void delivery::leave_place(core::delivery_peer const& peer) {
  if (!parts_.policy.may_read_any(peer)) {
    --strangers_;
  } else if (--sessions_by_uid_[peer.uid] == 0) {
    sessions_by_uid_.erase(peer.uid);
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

asio::awaitable<void> delivery::serve(stream accepted, core::delivery_peer peer) {
  // The peer decides, before anything that it sent is looked at.
  if (!parts_.policy.may_read_any(peer)) {
    session_deadline const deadline(context_, accepted, stranger_seconds_max);
    std::string const request_id = make_request_id(nullptr);
    delivery_reply const reply = refuse(errc::forbidden, request_id);
    log_answer(peer, nullptr, reply.status, request_id);
    bool const told = co_await send(accepted, reply);
    if (told) co_await linger(accepted);
    co_return;
  }
  session_deadline const deadline(context_, accepted, session_seconds_max);
  std::string input;
  std::array<char, 4096> chunk;
  bool keep_alive = true;
  while (keep_alive && !stopping_) {
    auto const parsed = parse_request_head(input, request_limits);
    std::optional<request_head> const head = parsed ? *parsed : std::nullopt;
    if (parsed && !head) {
      error_code error;
      auto token = asio::redirect_error(asio::use_awaitable, error);
      std::size_t const got = co_await accepted.async_read_some(asio::buffer(chunk), token);
      if (error) break;
      input.append(chunk.data(), got);
      continue;
    }
    std::string const request_id = make_request_id(head ? &*head : nullptr);
    delivery_reply reply;
    if (head) {
      reply = co_await answer(parts_, peer, *head, request_id);
    } else {
      reply = refuse(parsed.error(), request_id);
    }
    log_answer(peer, head ? &*head : nullptr, reply.status, request_id);
    bool const sent = co_await send(accepted, reply);
    if (sent && reply.receipt) parts_.noted.delivered(std::move(*reply.receipt));
    keep_alive = sent && reply.keep_alive;
    if (head) input.erase(0, head->head_bytes);
    if (sent && !keep_alive) co_await linger(accepted);
  }
}

}  // namespace tacit::net
