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

#include "net/answer.hpp"
#include "net/now.hpp"

namespace tacit::net {

namespace asio = boost::asio;
using boost::system::error_code;

namespace {

constexpr std::chrono::milliseconds pause_without_descriptors{100};

// What a connection that is one too many hears.
std::string too_many_connections() {
  std::array<unsigned char, 8> random;
  core::fill_random(random);
  std::string id;
  for (unsigned char const byte : random) id.append(1, static_cast<char>('a' + byte % 26));
  error_face face = face_of(core::errc::unavailable);
  face.message = "Too many connections: try again";
  std::string body;
  append_error_body(body, face, std::nullopt);
  answer_head head;
  head.status = face.status;
  head.request_id = id;
  head.keep_alive = false;
  head.retry_seconds = 1;
  std::string answer;
  append_answer(answer, head, format_http_date(now_of_day()), body);
  return answer;
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
  if (open_.fetch_add(1, std::memory_order_relaxed) >= accepted_.connections_max) {
    open_.fetch_sub(1, std::memory_order_relaxed);
    std::string const answer = too_many_connections();
    [[maybe_unused]] auto const sent =
        ::send(descriptor, answer.data(), answer.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    ::close(descriptor);
    return;
  }
  if (!from.is_local) {
    int const on = 1;
    ::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  peer const client{address_hash, from.is_local && is_local_owner(descriptor, accepted_.owner)};
  worker* const to = workers_[next_worker_++ % workers_.size()];
  to->adopt(descriptor, client, open_);
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
    while (accept_one(from)) {
    }
    if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
      pause.expires_after(pause_without_descriptors);
      co_await pause.async_wait(token);
    }
  }
}

}  // namespace tacit::net
