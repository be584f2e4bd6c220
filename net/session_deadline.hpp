// How long a session of the keeper lasts at most.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>

namespace tacit::net {

// Closes the socket when the time is up, unless it goes before. The socket outlives it.
class session_deadline {
 public:
  session_deadline(boost::asio::io_context& context,
                   boost::asio::local::stream_protocol::socket& one, std::chrono::seconds at_most)
      : timer_(context, at_most) {
    timer_.async_wait([&one](boost::system::error_code cancelled) {
      boost::system::error_code ignored;
      if (!cancelled) one.close(ignored);
    });
  }

 private:
  boost::asio::steady_timer timer_;
};

}  // namespace tacit::net
