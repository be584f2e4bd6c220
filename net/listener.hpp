// Accepts connections and deals them to the workers in turn.
#pragma once

#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <cstdint>
#include <span>
#include <vector>

#include "net/worker.hpp"

namespace tacit::net {

// A socket that was bound and listens already. The listener takes it over.
struct listening_socket {
  int descriptor = -1;
  bool is_local = false;    // a Unix socket: the peer's uid is looked at
  bool speaks_tls = false;  // with the identity that the workers have
};

struct acceptance {
  std::uint32_t connections_max = core::limits::connections_max;
  std::uint32_t owner = 0;  // the uid that is the local owner, beside root
};

class listener {
 public:
  listener(std::span<listening_socket const> sockets, acceptance const& accepted,
           std::span<worker* const> workers);

  // Accepts until stop(). One thread.
  void run();
  // From any thread. Connections that were accepted stay.
  void stop();

 private:
  boost::asio::awaitable<void> accept_from(listening_socket from);
  [[nodiscard]] bool accept_one(listening_socket const& from);
  void deal(int descriptor, listening_socket const& from, std::uint64_t address_hash);

  boost::asio::io_context context_{1};
  std::vector<boost::asio::posix::stream_descriptor> descriptors_;
  std::vector<listening_socket> sockets_;
  acceptance accepted_;
  std::span<worker* const> workers_;
  std::size_t next_worker_ = 0;
  std::atomic<std::uint32_t> open_ = 0;        // connections of all workers
  std::atomic<std::uint32_t> open_local_ = 0;  // those of local sockets: no crowd keeps them out
};

}  // namespace tacit::net
