// Credentials for systemd: LoadCredential=ID:/run/tacit/credentials.sock. systemd connects as root
// from an address that says unit and credential id (core/credential_name.hpp), and reads to the
// end; it is sent the value, or the whole set, and nothing else. In the keeper's process and on its
// one thread.
//
// There is no way to say an error. Whatever is refused or goes wrong is closed with nothing sent
// and has a line in the log that says which it was, but without the secret's name. A single value,
// too, is sent only when all of its project would be.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstddef>

#include "net/delivery.hpp"
#include "net/stranger_log.hpp"

namespace tacit::net {

class credentials {
 public:
  // Takes over a listening Unix socket.
  credentials(boost::asio::io_context& context, int descriptor, delivery_parts const& parts);

  // Accepts and serves until stop(); returns when the last session has ended.
  boost::asio::awaitable<void> run();
  // Nothing is accepted any more; what is under way is answered.
  void stop();

 private:
  using stream = boost::asio::local::stream_protocol::socket;

  boost::asio::awaitable<void> wait_for_an_end();
  boost::asio::awaitable<void> serve(stream accepted);

  boost::asio::io_context& context_;
  boost::asio::local::stream_protocol::acceptor acceptor_;
  delivery_parts parts_;
  std::size_t sessions_ = 0;
  boost::asio::steady_timer last_ended_;
  stranger_log strangers_;
  bool stopping_ = false;
};

}  // namespace tacit::net
