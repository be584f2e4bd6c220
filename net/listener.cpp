#include "net/listener.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <string>
#include <string_view>

#include "net/lone_answer.hpp"

namespace tacit::net {

namespace asio = boost::asio;
using boost::system::error_code;

namespace {

constexpr std::chrono::milliseconds pause_without_descriptors{100};
// Of one socket, before the others and stop() have their turn.
constexpr int accepted_in_turn_max = 256;

void refuse_one_too_many(int descriptor) {
  std::string const answer =
      make_lone_answer(core::errc::unavailable, "Too many connections: try again");
  [[maybe_unused]] auto const sent =
      ::send(descriptor, answer.data(), answer.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
}

// An IPv4 address, or the /64 of an IPv6 one: what one client usually has.
std::uint64_t hash_of(sockaddr_storage const& address) {
  std::string_view bytes;
  if (address.ss_family == AF_INET) {
    auto const& v4 = reinterpret_cast<sockaddr_in const&>(address);
    bytes = {reinterpret_cast<char const*>(&v4.sin_addr), sizeof v4.sin_addr};
  } else if (address.ss_family == AF_INET6) {
    auto const& v6 = reinterpret_cast<sockaddr_in6 const&>(address);
    bytes = {reinterpret_cast<char const*>(&v6.sin6_addr), 8};
  }
  return std::hash<std::string_view>{}(bytes);
}

bool is_local_owner(int descriptor, std::uint32_t owner) {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (::getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return false;
  return peer.uid == 0 || peer.uid == owner;
}

}  // namespace

listener::listener(std::span<listening_socket const> sockets, acceptance const& accepted,
                   std::span<worker* const> workers)
    : sockets_(sockets.begin(), sockets.end()), accepted_(accepted), workers_(workers) {
  for (listening_socket const& one : sockets_) descriptors_.emplace_back(context_, one.descriptor);
}

void listener::run() {
  for (listening_socket const& one : sockets_) {
    asio::co_spawn(context_, accept_from(one), [](std::exception_ptr failed) {
      if (failed) std::rethrow_exception(failed);
    });
  }
  context_.run();
}

void listener::stop() {
  asio::post(context_, [this] {
    for (auto& one : descriptors_) one.close();
    context_.stop();
  });
}

void listener::deal(int descriptor, listening_socket const& from, std::uint64_t address_hash) {
  auto& open = from.is_local ? open_local_ : open_;
  auto const most = from.is_local ? core::limits::local_connections_max : accepted_.connections_max;
  if (open.fetch_add(1, std::memory_order_relaxed) >= most) {
    open.fetch_sub(1, std::memory_order_relaxed);
    if (!from.speaks_tls) refuse_one_too_many(descriptor);
    ::close(descriptor);
    return;
  }
  if (!from.is_local) {
    int const on = 1;
    ::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  peer const client{address_hash, from.is_local && is_local_owner(descriptor, accepted_.owner)};
  worker* const to = workers_[next_worker_++ % workers_.size()];
  to->adopt({descriptor, client, from.speaks_tls}, open);
}

// False when there is nothing to accept now.
bool listener::accept_one(listening_socket const& from) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  int const accepted = ::accept4(from.descriptor, reinterpret_cast<sockaddr*>(&address), &size,
                                 SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (accepted < 0) return errno == ECONNABORTED || errno == EINTR;
  deal(accepted, from, hash_of(address));
  return true;
}

asio::awaitable<void> listener::accept_from(listening_socket from) {
  std::size_t index = 0;
  while (sockets_[index].descriptor != from.descriptor) ++index;
  auto& descriptor = descriptors_[index];
  asio::steady_timer pause(context_);
  while (descriptor.is_open()) {
    error_code error;
    auto token = asio::redirect_error(asio::use_awaitable, error);
    co_await descriptor.async_wait(asio::posix::stream_descriptor::wait_read, token);
    if (error) co_return;
    int accepted = 0;
    while (accepted < accepted_in_turn_max && accept_one(from)) ++accepted;
    if (accepted == accepted_in_turn_max) continue;
    if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
      pause.expires_after(pause_without_descriptors);
      co_await pause.async_wait(token);
    }
  }
}

}  // namespace tacit::net
