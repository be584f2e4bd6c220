// Sockets of one core, and the wait until one can be read or written.
//
// Each io_context has one epoll instance of its own below it, edge-triggered, for all its sockets;
// the io_context itself watches that one descriptor. So a request costs a read and a write, and
// what tells that there is something to read is shared by all connections that are ready at once.
// (Asio's own wait costs each request one more system call: a read in vain, or arming it anew.)
// epoll(7), "Edge-triggered": a read that returned less than was asked for has emptied the socket.
#pragma once

#include <sys/types.h>

#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cstddef>
#include <deque>
#include <optional>
#include <span>
#include <string_view>

#include "net/io.hpp"

namespace tacit::net {

// With the io_context's own executor type, which spares a virtual call or more an operation.
using core_executor = boost::asio::io_context::executor_type;
template <typename T>
using task = boost::asio::awaitable<T, core_executor>;
using use_task = boost::asio::use_awaitable_t<core_executor>;

class socket_set;

// A connected, non-blocking stream socket. Belongs to its set's thread, and stays where it is.
class ready_socket {
 public:
  // Takes over the descriptor. When the kernel has no memory for it, every call says `ended`.
  ready_socket(socket_set& set, int descriptor) noexcept;
  ~ready_socket();
  ready_socket(ready_socket const&) = delete;
  ready_socket& operator=(ready_socket const&) = delete;

  [[nodiscard]] io_result read_some(std::span<char> into) noexcept;
  [[nodiscard]] io_result write_some(std::string_view from) noexcept;
  void shutdown_send() noexcept;

  // False when the last call has emptied (or filled) the socket and nothing was heard since: the
  // next one would be in vain.
  [[nodiscard]] bool is_ready(readiness what) const noexcept;
  // For when it is not ready. Returns when it is: true; after cancel(): false. One wait at a time.
  task<bool> wait(readiness what);
  // Gives up the turn: returns after every socket that something was heard of has had its own, and
  // after those that gave theirs up before. However many do, who is heard of waits for one of them.
  task<void> yield();
  // Ends the wait that is under way, if any, soon.
  void cancel() noexcept;

 private:
  friend class socket_set;
  using waiter = boost::asio::any_completion_handler<void(bool)>;

  void resume(bool worth_trying);

  socket_set& set_;
  int descriptor_;
  bool readable_ = false;
  bool writable_ = true;
  bool ends_ = false;  // an end or an error is to be read, behind what is there
  readiness waits_for_ = readiness::readable;
  // Set by emplace only: in Boost 1.81 assigning one recurses for ever.
  std::optional<waiter> waiter_;
};

class socket_set {
 public:
  // Throws boost::system::system_error when there are no descriptors left.
  explicit socket_set(boost::asio::io_context& context);

  // Watches until close(); keeps the io_context running as long.
  void watch();
  // No socket of it may be left.
  void close();

 private:
  friend class ready_socket;
  using turn = boost::asio::any_completion_handler<void()>;

  void take_events();
  void post_turn();
  void give_turn();

  boost::asio::io_context& context_;
  boost::asio::posix::basic_stream_descriptor<core_executor> epoll_;
  std::deque<turn> given_up_;  // the oldest first; one give_turn() is posted while there are any
};

}  // namespace tacit::net
