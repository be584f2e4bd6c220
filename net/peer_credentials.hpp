// Who the other end of a Unix socket is, as the kernel says (unix(7): SO_PEERCRED, SO_PEERGROUPS).
#pragma once

#include "core/delivery_policy.hpp"
#include "core/error.hpp"

namespace tacit::net {

// `with_unit` also looks up the peer's systemd unit in /proc/PID/cgroup (cgroups(7)): the peer may
// have exited since and its pid be another's, so the pid is checked to be the peer's still.
// errc::unavailable when the kernel does not tell.
[[nodiscard]] core::result<core::delivery_peer> find_peer(int socket, bool with_unit);

// The address that the peer bound its end to (unix(7), sun_path to the length that the kernel has):
// "" when it bound none, with a NUL in front when it is an abstract one.
[[nodiscard]] std::string find_peer_address(int socket);

// The system unit in the text of a /proc/PID/cgroup file: the first part of its path that is not a
// slice, when that is a ".service" or ".scope"; else "".
[[nodiscard]] std::string unit_of_cgroup(std::string_view cgroup_file);

// Whether the kernel can tell a peer's process for sure (SO_PEERPIDFD, Linux 6.5). Without it no
// peer has a unit. Opens sockets: before the process is confined.
[[nodiscard]] bool kernel_tells_peer_process();

}  // namespace tacit::net
