// Delivery: the one way out for values. HTTP/1.1 on keeper.sock, to peers known by the kernel's
// credentials, in the keeper's process and on its one thread.
//
//   GET /v1/projects/{id}/env    200 with the values, 304, 403 refused, 404 absent, 503 unavailable
//   anything else                400, never 404
//
// Refused, absent, unavailable and empty are four different answers. None is ever turned into
// another: whatever goes wrong is 503.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <unordered_map>

#include "core/crypto.hpp"
#include "core/delivery_policy.hpp"
#include "core/log.hpp"
#include "net/framing.hpp"
#include "net/keeper_channel.hpp"
#include "net/receipts.hpp"

namespace tacit::net {

// What the sessions of a delivery share; it outlives them.
struct delivery_parts {
  core::keeper_share const& keys;
  core::delivery_policy const& policy;
  keeper_channel& channel;
  receipts& noted;
  core::log& log;
};

class delivery {
 public:
  // Takes over a listening Unix socket.
  delivery(boost::asio::io_context& context, int descriptor, delivery_parts const& parts);

  // Accepts and serves until stop(); returns when the last session has ended.
  boost::asio::awaitable<void> run();
  // No request is begun any more; what is under way is answered.
  void stop();

 private:
  using stream = boost::asio::local::stream_protocol::socket;

  boost::asio::awaitable<void> serve(stream accepted, core::delivery_peer peer);
  // A session takes one of its uid's places, or one of those for peers that may read nothing: no
  // user can take them all.
  [[nodiscard]] bool take_place(core::delivery_peer const& peer);
  void leave_place(core::delivery_peer const& peer);
  // `head` is null when none was looked at.
  void log_answer(core::delivery_peer const& peer, request_head const* head, unsigned status,
                  std::string_view request_id) const;

  boost::asio::io_context& context_;
  boost::asio::local::stream_protocol::acceptor acceptor_;
  delivery_parts parts_;
  std::size_t sessions_ = 0;
  std::size_t strangers_ = 0;
  std::unordered_map<std::uint32_t, std::size_t> sessions_by_uid_;
  boost::asio::steady_timer last_ended_;
  bool stopping_ = false;
};

}  // namespace tacit::net
