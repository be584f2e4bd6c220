#include "app/readiness.hpp"

#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <string_view>

namespace tacit::app {

namespace {

constexpr std::string_view ready = "READY=1";

// 0, or the errno that stopped it.
int connect_to(descriptor const& socket, std::string const& address) {
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  if (address.size() >= sizeof to.sun_path) return ENAMETOOLONG;
  std::memcpy(to.sun_path, address.data(), address.size());
  if (address.front() == '@') to.sun_path[0] = '\0';
  auto const bytes = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address.size());
  if (!socket.is_open()) return errno;
  return ::connect(socket.number(), reinterpret_cast<sockaddr const*>(&to), bytes) == 0 ? 0 : errno;
}

void say_failed(core::log& log, int error) {
  log.write(core::severity::warn,
            "cannot tell the service manager (NOTIFY_SOCKET) that the server serves: use Type=exec "
            "in its unit, or see to it that this user may write to the socket",
            {{"error", std::string_view(std::strerror(error))}});
}

}  // namespace

readiness::readiness(std::string const& address, core::log& log) : log_(log) {
  if (address.empty()) return;
  descriptor socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  int const error = connect_to(socket, address);
  if (error == 0) {
    socket_ = std::move(socket);
  } else {
    say_failed(log, error);
  }
}

void readiness::say_ready() noexcept {
  if (!socket_.is_open()) return;
  auto const sent = ::send(socket_.number(), ready.data(), ready.size(), MSG_NOSIGNAL);
  if (sent != static_cast<ssize_t>(ready.size())) say_failed(log_, errno);
  socket_.reset();
}

}  // namespace tacit::app
