// How long a session of the keeper lasts at most.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <memory>

namespace tacit::net {

// Closes the socket when the time is up, unless it goes before. The socket outlives it.
class session_deadline {
 public:
  using stream = boost::asio::local::stream_protocol::socket;

  session_deadline(boost::asio::io_context& context, stream& one, std::chrono::seconds at_most)
      : timer_(context), socket_(std::make_shared<stream*>(&one)) {
    set(at_most);
  }

  // From now on; what was set before no longer holds.
  void set(std::chrono::seconds at_most) {
    timer_.expires_after(at_most);
    // A deadline that is past may be heard of after the session has ended.
    timer_.async_wait(
        [held = std::weak_ptr<stream*>(socket_)](boost::system::error_code cancelled) {
          boost::system::error_code ignored;
          if (auto const one = held.lock(); one && !cancelled) (*one)->close(ignored);
        });
  }

 private:
  boost::asio::steady_timer timer_;
  std::shared_ptr<stream*> socket_;
};

}  // namespace tacit::net
