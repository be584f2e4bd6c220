// The keeper's notes of what it delivered, on their way to the api process: gathered in bounded
// memory and sent in batches, at most one a second, so that a delivery waits for none of it. What
// was not sent yet is lost when the keeper is killed.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "core/delivery_policy.hpp"
#include "core/log.hpp"
#include "core/receipt.hpp"
#include "net/keeper_channel.hpp"

namespace tacit::net {

// The keeper's one thread; outlives the sessions that note deliveries.
class receipts {
 public:
  // `host` is this machine's name.
  receipts(boost::asio::io_context& context, keeper_channel& channel, core::log& log,
           std::string_view host);

  // An answer with these secrets was wholly handed to the kernel for this consumer. The time of
  // each is set here. Does no I/O unless draining.
  void delivered(core::receipt given);

  // From now on nothing waits: what is noted is sent at once, as far as the channel takes it.
  void drain();

  // A peer of a Unix socket as a consumer.
  [[nodiscard]] core::consumer consumer_of(core::delivery_peer const& peer) const;

 private:
  void send_later();
  void send_waiting();

  keeper_channel& channel_;
  core::log& log_;
  std::string host_;
  boost::asio::steady_timer timer_;
  core::receipt_book book_;
  std::deque<std::string> unsent_;  // the rest of a batch, when the channel was full
  bool timer_runs_ = false;
  bool draining_ = false;
  bool told_of_drops_ = false;
};

// What a delivery of the whole set gives: the secrets that are not withheld. Without times.
[[nodiscard]] std::vector<core::delivered_secret> secrets_of(core::delivery_policy const& policy,
                                                             sealed_set const& set);

}  // namespace tacit::net
