#include "net/worker.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "net/now.hpp"
#include "net/session.hpp"

namespace tacit::net {

namespace asio = boost::asio;

namespace {

constexpr std::size_t scratch_slack_bytes = 8 * 1024;

bool is_between_requests(waiting_for state) {
  return state == waiting_for::request || state == waiting_for::handshake;
}

std::int64_t monotonic_seconds() { return monotonic_microseconds() / 1'000'000; }

}  // namespace

worker::worker(service_parts const& parts, connection_limits const& limits)
    : sockets_(context_),
      tick_(context_),
      limits_(limits),
      service_(parts, *this),
      scratch_(parts.framing.head_bytes + parts.framing.body_bytes + scratch_slack_bytes),
      log_(parts.log),
      now_seconds_(monotonic_seconds()) {
  output_.reserve(16 * 1024);  // as the service's body
}

worker::~worker() = default;

void worker::run() {
  sockets_.watch();
  asio::co_spawn(context_, keep_time(), [](std::exception_ptr failed) {
    if (failed) std::rethrow_exception(failed);
  });
  context_.run();
}

void worker::take_identity(std::shared_ptr<tls_identity const> identity) {
  asio::post(context_,
             [this, taken = std::move(identity)]() mutable { identity_ = std::move(taken); });
}

void worker::adopt(accepted_socket const& accepted, std::atomic<std::uint32_t>& open) {
  asio::post(context_, [this, accepted, &open] {
    asio::co_spawn(context_, run_session(*this, accepted), [&open](std::exception_ptr failed) {
      open.fetch_sub(1, std::memory_order_relaxed);
      if (failed) std::rethrow_exception(failed);
    });
  });
}

void worker::drain(std::uint32_t patience_seconds) {
  asio::post(context_, [this, patience_seconds] {
    draining_ = true;
    drain_until_seconds_ = monotonic_seconds() + patience_seconds;
    for (connection* one = first_; one != nullptr; one = one->next) {
      if (is_between_requests(one->state)) one->socket.cancel();
    }
    tick_.cancel();
  });
}

void worker::complete(core::change* first) noexcept {
  asio::post(context_, [first] {
    core::change* one = first;
    while (one != nullptr) {
      auto* const write = static_cast<pending_write*>(one);
      one = one->next;  // the write may be gone once it is resumed
      auto resume = std::move(*write->resume);
      std::move(resume)();
    }
  });
}

void worker::resume(pending_relay& relayed) noexcept {
  asio::post(context_, [one = &relayed] {
    auto resume = std::move(*one->resume);  // the request may be gone once it is resumed
    std::move(resume)();
  });
}

void worker::enter(connection& one, waiting_for state) noexcept {
  one.state = state;
  one.since_seconds = now_seconds_;
}

void worker::link(connection& one) noexcept {
  one.next = first_;
  if (first_ != nullptr) first_->previous = &one;
  first_ = &one;
}

void worker::unlink(connection& one) noexcept {
  if (one.next != nullptr) one.next->previous = one.previous;
  (one.previous != nullptr ? one.previous->next : first_) = one.next;
  if (draining_ && first_ == nullptr) tick_.cancel();
}

void worker::check_deadlines() {
  bool const out_of_patience = draining_ && now_seconds_ >= drain_until_seconds_;
  for (connection* one = first_; one != nullptr; one = one->next) {
    std::int64_t seconds = 0;
    switch (one->state) {
      case waiting_for::request:
        seconds = limits_.idle_seconds;
        break;
      case waiting_for::handshake:
      case waiting_for::head:
        seconds = limits_.head_seconds;
        break;
      case waiting_for::body:
        seconds = limits_.body_seconds;
        break;
      case waiting_for::client:
        seconds = limits_.idle_seconds;
        break;
      case waiting_for::commit:
        continue;
    }
    bool const late = now_seconds_ - one->since_seconds > seconds;
    bool const idle_in_drain = draining_ && is_between_requests(one->state);
    if (!late && !idle_in_drain && !out_of_patience) continue;
    one->timed_out = late || out_of_patience;
    one->socket.cancel();
  }
}

task<void> worker::keep_time() {
  while (!draining_ || first_ != nullptr) {
    tick_.expires_after(std::chrono::seconds(1));
    boost::system::error_code ignored;
    auto token = asio::redirect_error(use_task(), ignored);
    co_await tick_.async_wait(token);
    now_seconds_ = monotonic_seconds();
    service_.grow_old();
    service_.to_keeper().forget_late(now_seconds_);
    check_deadlines();
  }
  sockets_.close();
}

}  // namespace tacit::net
