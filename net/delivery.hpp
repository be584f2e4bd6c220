// Delivery: the one way out for values. HTTP/1.1 on keeper.sock, to peers known by the kernel's
// credentials, in the keeper's process and on its one thread.
//
//   GET /v1/projects/{id}/env    200 with the values, 304, 403 refused, 404 absent, 503 unavailable
//       ?wait=SECONDS            the same, but what would be 304 now is answered when the project
//                                has changed, or as it is when the time is up
//   /v1/runtimes                 the owner's orders about runtimes of other machines
//                                (runtime_orders.hpp); 403 for everybody else
//   anything else                400, never 404
//
// Refused, absent, unavailable and empty are four different answers. None is ever turned into
// another: whatever goes wrong is 503.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "net/answer.hpp"
#include "net/delivery_feed.hpp"
#include "net/delivery_places.hpp"
#include "net/enrolments.hpp"
#include "net/framing.hpp"
#include "net/stranger_log.hpp"

namespace tacit::net {

// What a request waits for: that the version is no longer one that If-None-Match names.
struct wait_request {
  std::string_view if_none_match;
  std::chrono::seconds at_most{0};
};

class delivery {
 public:
  // Takes over a listening Unix socket.
  delivery(boost::asio::io_context& context, int descriptor, delivery_parts const& parts,
           enrolments& enrolled, delivery_places::limits const& places = {});

  // Accepts and serves until stop(); returns when the last session has ended.
  boost::asio::awaitable<void> run();
  // No request is begun any more; what is under way is answered, what waits with 503 (stop the feed
  // too).
  void stop();

 private:
  using stream = boost::asio::local::stream_protocol::socket;

  struct session;  // of a peer that may read something

  boost::asio::awaitable<void> serve(stream accepted, core::delivery_peer peer,
                                     delivery_places::place held);
  boost::asio::awaitable<void> refuse_stranger(stream& accepted, core::delivery_peer const& peer);
  boost::asio::awaitable<void> answer(session& at, request_head const& request);
  void answer_order(session& at, answer_head head, request_head const& request);
  boost::asio::awaitable<core::result<shared_set>> get_or_wait(session& at,
                                                               core::project_id project,
                                                               wait_request wanted);
  // `head` is null when none was looked at.
  void log_answer(core::delivery_peer const& peer, request_head const* head, unsigned status,
                  std::string_view request_id) const;

  boost::asio::io_context& context_;
  boost::asio::local::stream_protocol::acceptor acceptor_;
  delivery_parts parts_;
  enrolments& enrolled_;
  core::exchange_public_key own_public_;
  delivery_places places_;
  std::size_t sessions_ = 0;
  boost::asio::steady_timer last_ended_;
  stranger_log strangers_;
  bool stopping_ = false;
};

}  // namespace tacit::net
