// What a process gives up before it serves, so that a captured process can reach little more than
// what it is meant to handle. Linux only; everything here runs at the start, before any thread.
//
// The order in a process: make_undumpable() first of all · become() (api, when started as root) ·
// open everything that confine() will refuse to open (listeners, Unix sockets, shared memory, the
// socket pair, what libraries load lazily) · confine() · threads.
//
// What confinement does to the code that runs in it, so that nobody learns it from a strace:
//  - No new socket: socket, socketpair, bind, listen and connect are refused. Accepting works.
//  - setsockopt takes the options listed in seccomp.cpp and no others.
//  - A file outside the folder is EACCES: no /etc/localtime (UTC is used), no /proc, no dlopen and
//    no NSS (getpwnam, getaddrinfo), no pthread_cancel (it loads libgcc_s).
//  - No signal to another process, also not from the kernel on the keeper's death: PR_SET_PDEATHSIG
//    does not cross two confined processes. Each notices the other's death on the socket pair.
//  - Root without capabilities opens only what its uid may open.
//  - The socket pair between the processes must be SOCK_STREAM or SOCK_SEQPACKET: a datagram socket
//    can be sent from to any address.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "app/settings/settings.hpp"

namespace tacit::app {

// No core file, and no process of the same uid can look into this one (ptrace, /proc/PID/mem,
// process_vm_readv, pidfd_getfd). It does not bind root. exec undoes it, and so does a change of
// uid or gid; become() renews it. Throws startup_error.
void make_undumpable();

struct account {
  uid_t uid;
  gid_t gid;
};

// The account with that name. Throws startup_error when there is none. May read files and load NSS
// modules, so only before confine().
[[nodiscard]] account find_account(std::string const& name);

// The process changes to the account for good: no supplementary groups, real, effective and saved
// ids, no capabilities. Then makes sure that there is no way back, and that it is not dumpable.
// Needs root. Becoming root gives up the groups only. Throws startup_error.
void become(account const& wanted);

// No capability is left in the permitted, effective, inheritable and ambient sets, and none can
// come back: no_new_privs is set, and, as far as the process was allowed to (CAP_SETPCAP), the
// bounding set is empty and securebits are locked so that uid 0 means nothing to an exec.
// A process of root stays root: an ordinary owner of root's files. Throws startup_error.
void drop_capabilities();

// What the process is for, and so what it may do:
//  - api: read, write, make, rename and remove files and folders in its folder; serve the sockets
//    that it has.
//  - keeper: read and remove files in its folder, never make or open one for writing (what is open
//    already, its book of runtimes, it writes); serve the sockets that it has; wait for its child.
enum class process_role { api, keeper };

// Confines the calling process for good: drop_capabilities(), restrict_files(),
// restrict_system_calls(). What is open already stays usable. `folder` may be "", for none;
// `readable` names files or folders beyond it that may be read (with everything below). Throws
// startup_error that names the part which the kernel refused and the setting that does without, and
// when more than one thread runs: a thread that exists would stay free.
void confine(process_role role, std::string const& folder,
             std::vector<std::string> const& readable = {});

// Two of confine()'s parts, apart so that a test can tell which of them stops what. no_new_privs
// must be set. Both bind the calling thread and those that it starts. Throw startup_error.

// Landlock. Also, as far as the kernel knows how: no TCP bind or connect (ABI 4), no ioctl on a
// device opened later (ABI 5), no abstract Unix socket or signal beyond the process (ABI 6).
void restrict_files(process_role role, std::string const& folder,
                    std::vector<std::string> const& readable = {});

// seccomp: a list of system calls that the role needs. Any other is EPERM; one of another
// architecture ends the process.
void restrict_system_calls(process_role role);

// How the three of them end: `what` was refused, with that errno. The message says what to do: of
// a shortage how to end it, else which setting does without.
[[noreturn]] void refuse_confinement(std::string const& what, int error);

}  // namespace tacit::app
