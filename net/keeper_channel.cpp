#include "net/keeper_channel.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <variant>

#include "core/limits.hpp"

namespace tacit::net {

namespace asio = boost::asio;
using boost::system::error_code;
using core::errc;
using core::result;

namespace {

// Of all asks at a time: the api answers one after the other.
constexpr std::size_t gathered_bytes_max = 256u << 20;
constexpr std::chrono::milliseconds send_again_after{5};

}  // namespace

using clock = std::chrono::steady_clock;

keeper_channel::keeper_channel(asio::io_context& context, int descriptor,
                               std::chrono::milliseconds patience)
    : context_(context), descriptor_(context, descriptor), patience_(patience) {}

clock::time_point keeper_channel::end_of_patience() const { return clock::now() + patience_; }

asio::awaitable<bool> keeper_channel::send(std::string datagram, clock::time_point until) {
  asio::steady_timer again(context_);
  while (open_ && clock::now() < until) {
    auto const sent = ::send(descriptor_.native_handle(), datagram.data(), datagram.size(),
                             MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent >= 0) co_return true;
    if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) co_return false;
    // An api that does not read must not hold a delivery for ever, and a wait for the descriptor
    // could not be given up without giving up reading it.
    again.expires_after(send_again_after);
    error_code ignored;
    auto token = asio::redirect_error(asio::use_awaitable, ignored);
    co_await again.async_wait(token);
  }
  co_return false;
}

asio::awaitable<result<sealed_set>> keeper_channel::fetch(core::project_id project) {
  ask asked(context_);
  asked.done.expires_after(patience_);
  std::uint32_t const number = ++last_ask_;
  asks_.emplace(number, &asked);
  std::string datagram = core::encode_message(core::fetch_message{number, project});
  bool const sent = co_await send(std::move(datagram), end_of_patience());
  if (sent && asks_.contains(number)) {
    error_code error;
    auto token = asio::redirect_error(asio::use_awaitable, error);
    co_await asked.done.async_wait(token);
  }
  forget(number);
  if (!asked.came_of) co_return asked.came_of.error();
  co_return std::move(asked.gathered);
}

void keeper_channel::forget(std::uint32_t number) {
  auto const found = asks_.find(number);
  if (found == asks_.end()) return;
  gathered_bytes_ -= found->second->gathered_bytes;
  asks_.erase(found);
}

bool keeper_channel::take(core::record_message& record) {
  auto const found = asks_.find(record.ask);
  if (found == asks_.end()) return record.ask <= last_ask_;  // an answer that came too late
  ask& asked = *found->second;
  auto& records = asked.gathered.records;
  std::size_t const bytes = sizeof record + record.sealed.size();
  asked.gathered_bytes += bytes;
  gathered_bytes_ += bytes;
  if (gathered_bytes_ > gathered_bytes_max) {  // unavailable; what else comes for it is dropped
    asked.gathered = {};
    asked.done.cancel();
    forget(record.ask);
    return true;
  }
  if (records.size() >= core::limits::secrets_per_project_max) return false;
  if (!records.empty() && !(records.back().name < record.name)) return false;
  records.push_back(std::move(record));
  return true;
}

bool keeper_channel::take(core::fetched_message const& fetched) {
  auto const found = asks_.find(fetched.ask);
  if (found == asks_.end()) return fetched.ask <= last_ask_;
  ask& asked = *found->second;
  bool const whole = asked.gathered.records.size() == fetched.records;
  bool const empty = asked.gathered.records.empty();
  switch (fetched.came_of) {
    case core::fetch_outcome::found:
      if (!whole) return false;
      asked.gathered.revision = fetched.revision;
      asked.came_of = result<void>();
      break;
    case core::fetch_outcome::absent:
      if (!empty) return false;
      asked.came_of = errc::not_found;
      break;
    case core::fetch_outcome::unavailable:
      asked.came_of = errc::unavailable;
      break;
  }
  forget(fetched.ask);
  asked.done.cancel();
  return true;
}

asio::awaitable<void> keeper_channel::watch(core::project_id project, std::uint64_t revision) {
  if (!watched_.insert(project).second) co_return;
  std::string datagram = core::encode_message(core::watch_message{project, revision});
  bool const sent = co_await send(std::move(datagram), end_of_patience());
  if (!sent) watched_.erase(project);  // the api does not know: whoever waits next tells it
}

bool keeper_channel::take(core::changed_message const& changed) {
  if (watched_.erase(changed.project) == 0) return false;
  if (heard_) heard_(changed.project);
  return true;
}

asio::awaitable<void> keeper_channel::invite(std::uint16_t requests) {
  invited_ += requests;
  std::string datagram = core::encode_message(core::invite_message{requests});
  // Not sent: the channel is at its end.
  [[maybe_unused]] bool const sent = co_await send(std::move(datagram), clock::time_point::max());
}

bool keeper_channel::take(core::request_message& request) {
  if (invited_ == 0 || !taken_) return false;
  --invited_;
  taken_(std::move(request));
  return true;
}

asio::awaitable<bool> keeper_channel::reply(core::reply_message piece) {
  std::string datagram = core::encode_message(piece);
  bool const sent = co_await send(std::move(datagram), end_of_patience());
  co_return sent;
}

asio::awaitable<result<std::string>> keeper_channel::fetch_mark() {
  mark_ask asked(context_);
  asked.done.expires_after(patience_);
  mark_ask_ = &asked;
  std::string datagram = core::encode_message(core::mark_message{});
  bool const sent = co_await send(std::move(datagram), end_of_patience());
  if (sent && !asked.answered && open_) {
    error_code error;
    auto token = asio::redirect_error(asio::use_awaitable, error);
    co_await asked.done.async_wait(token);
  }
  mark_ask_ = nullptr;
  if (!asked.answered) {
    marks_are_late_ = true;
    co_return errc::unavailable;
  }
  co_return std::move(asked.mark);
}

bool keeper_channel::take(core::marked_message& marked) {
  if (mark_ask_ == nullptr || mark_ask_->answered) return marks_are_late_;
  mark_ask_->mark = std::move(marked.mark);
  mark_ask_->answered = true;
  mark_ask_->done.cancel();
  return true;
}

bool keeper_channel::take(core::message_to_keeper& message) {
  if (auto* const record = std::get_if<core::record_message>(&message)) return take(*record);
  if (auto const* const fetched = std::get_if<core::fetched_message>(&message)) {
    return take(*fetched);
  }
  if (auto const* const changed = std::get_if<core::changed_message>(&message)) {
    return take(*changed);
  }
  if (auto* const request = std::get_if<core::request_message>(&message)) return take(*request);
  if (auto* const marked = std::get_if<core::marked_message>(&message)) return take(*marked);
  return false;  // ready is said once, before this runs
}

asio::awaitable<void> keeper_channel::run() {
  std::string datagram(core::limits::channel_message_bytes_max, '\0');
  while (open_) {
    error_code error;
    auto token = asio::redirect_error(asio::use_awaitable, error);
    co_await descriptor_.async_wait(asio::posix::stream_descriptor::wait_read, token);
    if (error) break;
    auto const got = ::recv(descriptor_.native_handle(), datagram.data(), datagram.size(),
                            MSG_DONTWAIT | MSG_TRUNC);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (got <= 0 || static_cast<std::size_t>(got) > datagram.size()) break;
    auto message =
        core::decode_to_keeper(std::string_view(datagram.data(), static_cast<std::size_t>(got)));
    if (!message || !take(*message)) break;
  }
  open_ = false;
  close();
  for (auto const& [number, asked] : asks_) asked->done.cancel();
  asks_.clear();
  if (mark_ask_ != nullptr) mark_ask_->done.cancel();
}

bool keeper_channel::send_now(std::string_view datagram,
                              std::chrono::milliseconds at_most) noexcept {
  int const socket = descriptor_.native_handle();
  auto const try_send = [&] {
    return ::send(socket, datagram.data(), datagram.size(), MSG_NOSIGNAL | MSG_DONTWAIT) >= 0;
  };
  if (try_send()) return true;
  if (errno != EAGAIN || at_most.count() == 0) return false;
  pollfd room{socket, POLLOUT, 0};
  return ::poll(&room, 1, static_cast<int>(at_most.count())) == 1 && try_send();
}

void keeper_channel::send_drain() noexcept {
  [[maybe_unused]] bool const sent =
      send_now(core::encode_message(core::drain_message{}), std::chrono::milliseconds(100));
}

void keeper_channel::close() noexcept {
  error_code ignored;
  descriptor_.close(ignored);
}

}  // namespace tacit::net
