#include "net/receipts.hpp"

#include <chrono>

#include "core/channel.hpp"
#include "net/now.hpp"

namespace tacit::net {

namespace {

constexpr std::chrono::milliseconds batch_every{1000};
constexpr std::chrono::milliseconds retry_when_full{5};
constexpr std::chrono::milliseconds wait_while_draining{100};

}  // namespace

receipts::receipts(boost::asio::io_context& context, keeper_channel& channel, core::log& log,
                   std::string_view host)
    : channel_(channel), log_(log), host_(host), timer_(context) {}

core::consumer receipts::consumer_of(core::delivery_peer const& peer) const {
  return core::consumer::process(peer.uid, peer.unit, host_);
}

void receipts::delivered(core::receipt given) {
  given.at = now_of_day();
  for (core::delivered_secret& secret : given.secrets) secret.at = given.at;
  book_.add(std::move(given));
  if (book_.dropped() > 0 && !told_of_drops_) {
    told_of_drops_ = true;
    log_.write(core::severity::warn,
               "more consumers than can be noted in a second: the oldest receipts are dropped", {});
  }
  if (draining_) {
    send_waiting();
  } else {
    send_later();
  }
}

void receipts::drain() {
  draining_ = true;
  send_waiting();
}

void receipts::send_later() {
  if (timer_runs_) return;
  timer_runs_ = true;
  timer_.expires_after(unsent_.empty() ? batch_every : retry_when_full);
  timer_.async_wait([this](boost::system::error_code cancelled) {
    timer_runs_ = false;
    if (!cancelled) send_waiting();
  });
}

void receipts::send_waiting() {
  // A batch is sent whole before the next is made: its last message says that it is complete.
  if (unsent_.empty()) {
    for (std::string& message : core::encode_batch(book_.take_all())) {
      unsent_.push_back(std::move(message));
    }
  }
  auto const wait = draining_ ? wait_while_draining : std::chrono::milliseconds(0);
  while (!unsent_.empty() && channel_.send_now(unsent_.front(), wait)) unsent_.pop_front();
  if (!unsent_.empty() || !book_.empty()) send_later();
}

std::vector<core::delivered_secret> secrets_of(core::delivery_policy const& policy,
                                               sealed_set const& set) {
  std::vector<core::delivered_secret> given;
  given.reserve(set.records.size());
  for (core::record_message const& record : set.records) {
    if (policy.withholds(record.name.text())) continue;
    given.push_back({record.name, record.version, {}});
  }
  return given;
}

}  // namespace tacit::net
