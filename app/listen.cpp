#include "app/listen.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>

namespace tacit::app {

namespace {

constexpr int backlog = 4096;
// What the kernel holds of answers that a client does not read, about, before the session waits for
// it; left to itself, 4 MB.
constexpr int send_buffer_bytes = 128 * 1024;

struct address {
  sockaddr_storage bytes{};
  socklen_t size = 0;
};

address parse_address(std::string const& text) {
  std::size_t const colon = text.find_last_of(':');
  if (colon == std::string::npos) throw startup_error("listen = \"" + text + "\": needs a port");
  std::string host = text.substr(0, colon);
  auto const port = static_cast<in_port_t>(std::stoul(text.substr(colon + 1)));
  address parsed;
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
    auto& v6 = reinterpret_cast<sockaddr_in6&>(parsed.bytes);
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(port);
    parsed.size = sizeof v6;
    if (::inet_pton(AF_INET6, host.c_str(), &v6.sin6_addr) == 1) return parsed;
  } else {
    auto& v4 = reinterpret_cast<sockaddr_in&>(parsed.bytes);
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port);
    parsed.size = sizeof v4;
    if (::inet_pton(AF_INET, host.c_str(), &v4.sin_addr) == 1) return parsed;
  }
  throw startup_error("listen = \"" + text + "\": not an address and a port");
}

// Without its scheme.
std::string address_of(int socket) {
  address bound;
  bound.size = sizeof bound.bytes;
  ::getsockname(socket, reinterpret_cast<sockaddr*>(&bound.bytes), &bound.size);
  char text[INET6_ADDRSTRLEN] = "";
  if (bound.bytes.ss_family == AF_INET6) {
    auto const& v6 = reinterpret_cast<sockaddr_in6 const&>(bound.bytes);
    ::inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof text);
    return "[" + std::string(text) + "]:" + std::to_string(ntohs(v6.sin6_port));
  }
  auto const& v4 = reinterpret_cast<sockaddr_in const&>(bound.bytes);
  ::inet_ntop(AF_INET, &v4.sin_addr, text, sizeof text);
  return std::string(text) + ":" + std::to_string(ntohs(v4.sin_port));
}

[[noreturn]] void fail(std::string const& text, int error) {
  std::string hint = "choose another with --listen";
  if (error == EADDRINUSE) hint = "another program has the port; " + hint;
  if (error == EACCES) hint = "ports below 1024 need root; " + hint;
  if (error == EADDRNOTAVAIL) hint = "this machine has no such address; " + hint;
  throw startup_error("cannot listen on " + text + " (" + std::strerror(error) + "): " + hint);
}

}  // namespace

std::vector<open_listener> open_tcp_listeners(settings const& configured) {
  std::string const scheme = configured.tls_certificate.empty() ? "http://" : "https://";
  std::vector<open_listener> opened;
  for (std::string const& text : configured.listen) {
    address const wanted = parse_address(text);
    descriptor socket(
        ::socket(wanted.bytes.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!socket.is_open()) fail(text, errno);
    int const on = 1;
    ::setsockopt(socket.number(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    ::setsockopt(socket.number(), SOL_SOCKET, SO_SNDBUF, &send_buffer_bytes,
                 sizeof send_buffer_bytes);  // of those accepted, too
    if (wanted.bytes.ss_family == AF_INET6) {
      ::setsockopt(socket.number(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    }
    auto const* const at = reinterpret_cast<sockaddr const*>(&wanted.bytes);
    if (::bind(socket.number(), at, wanted.size) != 0) fail(text, errno);
    if (::listen(socket.number(), backlog) != 0) fail(text, errno);
    std::string url = scheme + address_of(socket.number());
    opened.push_back({std::move(socket), std::move(url)});
  }
  return opened;
}

void check_socket_path(std::string const& path) {
  constexpr std::size_t path_bytes_max = sizeof(sockaddr_un::sun_path) - 1;
  if (path.size() <= path_bytes_max) return;
  throw startup_error("the path of the socket " + path + " is longer than " +
                      std::to_string(path_bytes_max) +
                      " bytes, the most that Linux takes: use a shorter folder");
}

descriptor open_unix_listener(std::string const& path, unsigned mode) {
  check_socket_path(path);
  sockaddr_un at{};
  at.sun_family = AF_UNIX;
  std::memcpy(at.sun_path, path.c_str(), path.size() + 1);
  descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  ::unlink(path.c_str());
  if (!socket.is_open() ||
      ::bind(socket.number(), reinterpret_cast<sockaddr const*>(&at), sizeof at) != 0 ||
      ::chmod(path.c_str(), mode) != 0 || ::listen(socket.number(), backlog) != 0) {
    throw startup_error("cannot listen on " + path + " (" + std::strerror(errno) +
                        "): check the folder's owner and permissions");
  }
  return socket;
}

}  // namespace tacit::app
