#include "net/ready_socket.hpp"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <boost/asio/post.hpp>
#include <boost/system/system_error.hpp>
#include <cerrno>
#include <utility>

namespace tacit::net {

namespace asio = boost::asio;

namespace {

// How many sockets get their turn before the io_context's other work does.
constexpr int events_at_once = 128;

int open_epoll() {
  int const descriptor = ::epoll_create1(EPOLL_CLOEXEC);
  if (descriptor >= 0) return descriptor;
  throw boost::system::system_error(errno, boost::system::system_category(), "epoll_create1");
}

io_result result_of(ssize_t moved) {
  if (moved > 0) return {io_state::done, static_cast<std::size_t>(moved)};
  if (moved == 0) return {io_state::ended, 0};
  bool const later = errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
  return {later ? io_state::would_block : io_state::ended, 0};
}

}  // namespace

ready_socket::ready_socket(socket_set& set, int descriptor) noexcept
    : set_(set), descriptor_(descriptor) {
  epoll_event wanted{};
  wanted.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
  wanted.data.ptr = this;
  if (::epoll_ctl(set_.epoll_.native_handle(), EPOLL_CTL_ADD, descriptor_, &wanted) == 0) return;
  ::close(descriptor_);
  descriptor_ = -1;
  ends_ = true;
}

ready_socket::~ready_socket() {
  if (descriptor_ >= 0) ::close(descriptor_);  // which takes it out of the set
}

io_result ready_socket::read_some(std::span<char> into) noexcept {
  io_result const came_of = result_of(::recv(descriptor_, into.data(), into.size(), 0));
  if (came_of.bytes < into.size()) readable_ = false;
  return came_of;
}

io_result ready_socket::write_some(std::string_view from) noexcept {
  io_result const came_of = result_of(::send(descriptor_, from.data(), from.size(), MSG_NOSIGNAL));
  if (came_of.bytes < from.size()) writable_ = false;
  return came_of;
}

void ready_socket::shutdown_send() noexcept { ::shutdown(descriptor_, SHUT_WR); }

bool ready_socket::is_ready(readiness what) const noexcept {
  return what == readiness::readable ? readable_ || ends_ : writable_;
}

task<bool> ready_socket::wait(readiness what) {
  auto const begin = [](auto handler, ready_socket* socket, readiness wanted) {
    socket->waits_for_ = wanted;
    socket->waiter_.emplace(std::move(handler));
  };
  use_task token;
  return asio::async_initiate<use_task, void(bool)>(begin, token, this, what);
}

task<void> ready_socket::yield() {
  auto const begin = [](auto handler, socket_set* set) {
    set->given_up_.emplace_back(std::move(handler));
    if (set->given_up_.size() == 1) set->post_turn();
  };
  use_task token;
  return asio::async_initiate<use_task, void()>(begin, token, &set_);
}

void ready_socket::cancel() noexcept {
  if (!waiter_) return;
  auto ended = std::move(*waiter_);
  waiter_.reset();
  asio::post(set_.context_, [handler = std::move(ended)]() mutable { std::move(handler)(false); });
}

void ready_socket::resume(bool worth_trying) {
  if (!waiter_) return;
  auto resumed = std::move(*waiter_);
  waiter_.reset();
  std::move(resumed)(worth_trying);
}

socket_set::socket_set(asio::io_context& context)
    : context_(context), epoll_(context, open_epoll()) {}

void socket_set::watch() {
  epoll_.async_wait(asio::posix::descriptor_base::wait_read,
                    [this](boost::system::error_code const& error) {
                      if (error) return;
                      take_events();
                      watch();
                    });
}

void socket_set::close() { epoll_.close(); }

void socket_set::post_turn() {
  asio::post(context_, [this] { give_turn(); });
}

void socket_set::give_turn() {
  take_events();
  turn next = std::move(given_up_.front());
  given_up_.pop_front();
  // Before the turn, which may give itself up again: one is posted, never two.
  if (!given_up_.empty()) post_turn();
  std::move(next)();
}

void socket_set::take_events() {
  std::array<epoll_event, events_at_once> events;
  int const happened = ::epoll_wait(epoll_.native_handle(), events.data(), events_at_once, 0);
  for (int i = 0; i < happened; ++i) {
    epoll_event const& one = events[static_cast<std::size_t>(i)];
    auto& socket = *static_cast<ready_socket*>(one.data.ptr);
    if ((one.events & EPOLLIN) != 0) socket.readable_ = true;
    if ((one.events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) socket.ends_ = true;
    if ((one.events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0) socket.writable_ = true;
    // A session ends its own socket only, of which this was the one event.
    if (socket.is_ready(socket.waits_for_)) socket.resume(true);
  }
}

}  // namespace tacit::net
