#include "net/peer_credentials.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <string>

namespace tacit::net {

using core::errc;
using core::result;

namespace {

constexpr int so_peerpidfd = 77;  // SO_PEERPIDFD, Linux 6.5; not in Debian 12's headers

class descriptor {
 public:
  explicit descriptor(int number) : number_(number) {}
  ~descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  descriptor(descriptor const&) = delete;
  descriptor& operator=(descriptor const&) = delete;
  int number() const { return number_; }

 private:
  int number_;
};

std::string read_cgroup(pid_t pid) {
  std::string const path = "/proc/" + std::to_string(pid) + "/cgroup";
  descriptor const file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.number() < 0) return {};
  std::array<char, 4096> text;
  auto const got = ::read(file.number(), text.data(), text.size());
  return got > 0 ? std::string(text.data(), static_cast<std::size_t>(got)) : std::string();
}

// A descriptor of the peer's process: while it is not readable, the process has not exited and its
// pid is still its own.
int open_peer_process(int socket) {
  int process = -1;
  socklen_t size = sizeof process;
  if (::getsockopt(socket, SOL_SOCKET, so_peerpidfd, &process, &size) != 0) return -1;
  return process;
}

std::string find_unit(int socket, pid_t pid) {
  descriptor const process(open_peer_process(socket));
  if (process.number() < 0) return {};
  std::string const cgroup = read_cgroup(pid);
  pollfd exited{process.number(), POLLIN, 0};
  if (::poll(&exited, 1, 0) != 0) return {};
  return unit_of_cgroup(cgroup);
}

}  // namespace

std::string unit_of_cgroup(std::string_view cgroup_file) {
  // The line of the unified hierarchy: "0::/system.slice/bot.service".
  std::size_t const line = cgroup_file.starts_with("0::") ? 0 : cgroup_file.find("\n0::");
  if (line == std::string_view::npos) return {};
  std::string_view path = cgroup_file.substr(cgroup_file.find("0::", line) + 3);
  path = path.substr(0, path.find('\n'));
  // What lies below the unit is the unit's own to name, and so is everything below a user's
  // manager: the first part that is no slice counts, as in systemd's cg_path_get_unit.
  while (path.starts_with('/')) {
    path.remove_prefix(1);
    std::string_view const part = path.substr(0, path.find('/'));
    path.remove_prefix(part.size());
    if (part.ends_with(".slice")) continue;
    bool const is_unit = part.ends_with(".service") || part.ends_with(".scope");
    return is_unit ? std::string(part) : std::string();
  }
  return {};
}

bool kernel_tells_peer_process() {
  int pair[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) return false;
  descriptor const ours(pair[0]);
  descriptor const theirs(pair[1]);
  descriptor const process(open_peer_process(ours.number()));
  return process.number() >= 0;
}

result<core::delivery_peer> find_peer(int socket, bool with_unit) {
  ucred credentials{};
  socklen_t size = sizeof credentials;
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) {
    return errc::unavailable;
  }
  core::delivery_peer peer;
  peer.uid = credentials.uid;
  std::array<gid_t, 256> groups;
  size = sizeof groups;
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &size) == 0) {
    peer.groups.assign(groups.begin(), groups.begin() + size / sizeof(gid_t));
  }
  peer.groups.push_back(credentials.gid);
  if (with_unit) peer.unit = find_unit(socket, credentials.pid);
  return peer;
}

std::string find_peer_address(int socket) {
  constexpr socklen_t before_path = offsetof(sockaddr_un, sun_path);
  sockaddr_un bound{};
  socklen_t size = sizeof bound;
  if (::getpeername(socket, reinterpret_cast<sockaddr*>(&bound), &size) != 0) return {};
  if (size <= before_path || size > sizeof bound) return {};
  return {bound.sun_path, size - before_path};
}

}  // namespace tacit::net
