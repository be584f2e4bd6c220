// The system calls that a confined process may make. To find out what a change of the code needs:
// `strace -f -e trace=all tacit serve … 2>&1 | grep EPERM`; then think about what the call would
// give to somebody who runs code in the process, and prefer an argument's check to a whole call.
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <initializer_list>
#include <span>

#include "app/sandbox/sandbox.hpp"

namespace tacit::app {
namespace {

[[noreturn]] void refuse(int error) { refuse_confinement("the kernel refused seccomp", error); }

class filter {
 public:
  filter() : context_(seccomp_init(SCMP_ACT_ERRNO(EPERM))) {
    if (context_ == nullptr) refuse(ENOMEM);
    require(seccomp_attr_set(context_, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS));
    // A binary tree: calls whose arguments are looked at (a send) run the filter every time.
    require(seccomp_attr_set(context_, SCMP_FLTATR_CTL_OPTIMIZE, 2));
  }
  filter(filter const&) = delete;
  filter& operator=(filter const&) = delete;
  ~filter() { seccomp_release(context_); }

  // Calls that this architecture does not have are passed over.
  void allow(std::span<int const> calls) {
    for (int const call : calls) add(SCMP_ACT_ALLOW, call, {});
  }
  // When all the conditions hold; several rules for one call are alternatives.
  void allow(int call, std::initializer_list<scmp_arg_cmp> conditions) {
    add(SCMP_ACT_ALLOW, call, {conditions.begin(), conditions.size()});
  }
  // As if the kernel were too old to have it.
  void deny_existence(int call) { add(SCMP_ACT_ERRNO(ENOSYS), call, {}); }

  void load() { require(seccomp_load(context_)); }

 private:
  static void require(int answer) {
    if (answer != 0) refuse(-answer);
  }
  void add(std::uint32_t action, int call, std::span<scmp_arg_cmp const> conditions) {
    require(seccomp_rule_add_array(context_, action, call, static_cast<unsigned>(conditions.size()),
                                   conditions.data()));
  }

  scmp_filter_ctx context_;
};

// Conditions on the argument with that index, from 0.
scmp_arg_cmp equals(unsigned index, std::uint64_t value) { return {index, SCMP_CMP_EQ, value, 0}; }
scmp_arg_cmp has_none_of(unsigned index, std::uint64_t bits) {
  return {index, SCMP_CMP_MASKED_EQ, bits, 0};
}
scmp_arg_cmp has_of(unsigned index, std::uint64_t among, std::uint64_t exactly) {
  return {index, SCMP_CMP_MASKED_EQ, among, exactly};
}

// Memory, threads, time, waiting, and bytes over what is open.
constexpr std::array calls_of_both{
    SCMP_SYS(brk),
    SCMP_SYS(munmap),
    SCMP_SYS(mremap),
    SCMP_SYS(madvise),
    SCMP_SYS(mlock),
    SCMP_SYS(mlock2),
    SCMP_SYS(munlock),
    // threads
    SCMP_SYS(futex),
    SCMP_SYS(set_robust_list),
    SCMP_SYS(rseq),
    SCMP_SYS(membarrier),
    SCMP_SYS(sched_yield),
    SCMP_SYS(sched_getaffinity),
    SCMP_SYS(sched_getparam),
    SCMP_SYS(sched_getscheduler),
    SCMP_SYS(getcpu),
    SCMP_SYS(gettid),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
    // who and where we are
    SCMP_SYS(getpid),
    SCMP_SYS(getppid),
    SCMP_SYS(getuid),
    SCMP_SYS(geteuid),
    SCMP_SYS(getgid),
    SCMP_SYS(getegid),
    SCMP_SYS(getrlimit),
    SCMP_SYS(getrusage),
    SCMP_SYS(sysinfo),
    SCMP_SYS(uname),
    SCMP_SYS(getrandom),
    // time
    SCMP_SYS(clock_gettime),
    SCMP_SYS(clock_getres),
    SCMP_SYS(clock_nanosleep),
    SCMP_SYS(nanosleep),
    SCMP_SYS(gettimeofday),
    SCMP_SYS(time),
    SCMP_SYS(times),
    // signals to oneself
    SCMP_SYS(rt_sigaction),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(rt_sigtimedwait),
    SCMP_SYS(rt_sigsuspend),
    SCMP_SYS(sigaltstack),
    SCMP_SYS(signalfd4),
    SCMP_SYS(restart_syscall),
    // waiting
    SCMP_SYS(epoll_create1),
    SCMP_SYS(epoll_ctl),
    SCMP_SYS(epoll_wait),
    SCMP_SYS(epoll_pwait),
    SCMP_SYS(epoll_pwait2),
    SCMP_SYS(poll),
    SCMP_SYS(ppoll),
    SCMP_SYS(select),
    SCMP_SYS(pselect6),
    SCMP_SYS(eventfd2),
    SCMP_SYS(timerfd_create),
    SCMP_SYS(timerfd_settime),
    SCMP_SYS(timerfd_gettime),
    SCMP_SYS(pipe2),
    // bytes
    SCMP_SYS(read),
    SCMP_SYS(write),
    SCMP_SYS(readv),
    SCMP_SYS(writev),
    SCMP_SYS(close),
    SCMP_SYS(lseek),
    SCMP_SYS(fstat),
    // sockets that exist, and their accepted ones; sending is among the conditions
    SCMP_SYS(accept),
    SCMP_SYS(accept4),
    SCMP_SYS(recvfrom),
    SCMP_SYS(recvmsg),
    SCMP_SYS(shutdown),
    SCMP_SYS(getsockopt),
    SCMP_SYS(getsockname),
    SCMP_SYS(getpeername),
    // looking at files, within what Landlock leaves
    SCMP_SYS(stat),
    SCMP_SYS(lstat),
    SCMP_SYS(newfstatat),
    SCMP_SYS(statx),
    SCMP_SYS(access),
    SCMP_SYS(faccessat),
    SCMP_SYS(faccessat2),
    SCMP_SYS(readlink),
    SCMP_SYS(readlinkat),
    SCMP_SYS(getcwd),
    SCMP_SYS(getdents64),
    SCMP_SYS(pread64),
    // removing them
    SCMP_SYS(unlink),
    SCMP_SYS(unlinkat),
};

// A database in a folder.
constexpr std::array calls_of_api{
    SCMP_SYS(pwrite64),  SCMP_SYS(fsync),     SCMP_SYS(fdatasync), SCMP_SYS(sync_file_range),
    SCMP_SYS(msync),     SCMP_SYS(ftruncate), SCMP_SYS(fallocate), SCMP_SYS(fadvise64),
    SCMP_SYS(readahead), SCMP_SYS(statfs),    SCMP_SYS(fstatfs),   SCMP_SYS(rename),
    SCMP_SYS(renameat),  SCMP_SYS(renameat2), SCMP_SYS(mkdir),     SCMP_SYS(mkdirat),
    SCMP_SYS(rmdir),
};

// The last two for the one file that it has open (app/runtime_file.hpp).
constexpr std::array calls_of_keeper{SCMP_SYS(wait4), SCMP_SYS(waitid), SCMP_SYS(pwrite64),
                                     SCMP_SYS(fdatasync)};

constexpr std::array socket_options{
    SO_KEEPALIVE, SO_LINGER, SO_RCVBUF, SO_SNDBUF, SO_RCVTIMEO, SO_SNDTIMEO, SO_PASSCRED,
};
// TCP_FASTOPEN_CONNECT and TCP_ULP (loads kernel modules) are what matters to leave out.
constexpr std::array tcp_options{
    TCP_NODELAY, TCP_QUICKACK, TCP_CORK, TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT, TCP_USER_TIMEOUT,
};
// Without F_SETOWN and F_SETSIG, which have the kernel send signals.
constexpr std::array descriptor_commands{
    F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_GETLK, F_SETLK, F_SETLKW, F_DUPFD_CLOEXEC,
    1036,  // F_SET_RW_HINT: RocksDB says how long a file will live
};
// TCGETS is isatty().
constexpr std::array device_commands{FIONBIO, FIONREAD, TCGETS};
// PR_SET_VMA, with which newer C libraries name their memory. Not PR_SET_DUMPABLE.
constexpr std::array process_commands{PR_SET_NAME, PR_GET_NAME, 0x53564d41};

// Memory is never executable that was not when the process was confined.
void allow_memory(filter& rules) {
  rules.allow(SCMP_SYS(mmap), {has_none_of(2, PROT_EXEC)});
  rules.allow(SCMP_SYS(mprotect), {has_none_of(2, PROT_EXEC)});
}

// clone makes threads, not processes nor namespaces. clone3 has its flags in memory, where no
// filter sees them; the C library takes ENOSYS as "use clone".
void allow_threads(filter& rules) {
  constexpr std::uint64_t of_a_process = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS |
                                         CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID |
                                         CLONE_NEWNET | CLONE_PTRACE | CLONE_VFORK;
  constexpr std::uint64_t of_a_thread = CLONE_THREAD | CLONE_SIGHAND | CLONE_VM;
  rules.allow(SCMP_SYS(clone), {has_of(0, of_a_thread | of_a_process, of_a_thread)});
  rules.deny_existence(SCMP_SYS(clone3));
  // Only the caller's own: another process of the same uid is none of ours.
  rules.allow(SCMP_SYS(sched_setaffinity), {equals(0, 0)});
  rules.allow(SCMP_SYS(prlimit64), {equals(0, 0), equals(2, 0)});
  for (int const command : process_commands) {
    rules.allow(SCMP_SYS(prctl), {equals(0, static_cast<std::uint64_t>(command))});
  }
}

void allow_signals_to_self(filter& rules) {
  auto const self = static_cast<std::uint64_t>(getpid());
  rules.allow(SCMP_SYS(kill), {equals(0, self)});
  rules.allow(SCMP_SYS(tgkill), {equals(0, self)});
}

// Sending names no address, and does not connect: a listener that is shut down is a fresh socket,
// and MSG_FASTOPEN would connect it to anywhere, past Landlock as well.
void allow_descriptors(filter& rules) {
  rules.allow(SCMP_SYS(sendto), {has_none_of(3, MSG_FASTOPEN), equals(4, 0)});
  rules.allow(SCMP_SYS(sendmsg), {has_none_of(2, MSG_FASTOPEN)});
  for (int const option : socket_options) {
    rules.allow(SCMP_SYS(setsockopt),
                {equals(1, SOL_SOCKET), equals(2, static_cast<std::uint64_t>(option))});
  }
  for (int const option : tcp_options) {
    rules.allow(SCMP_SYS(setsockopt),
                {equals(1, IPPROTO_TCP), equals(2, static_cast<std::uint64_t>(option))});
  }
  for (int const command : descriptor_commands) {
    rules.allow(SCMP_SYS(fcntl), {equals(1, static_cast<std::uint64_t>(command))});
  }
  for (int const command : device_commands) {
    rules.allow(SCMP_SYS(ioctl), {equals(1, static_cast<std::uint64_t>(command))});
  }
}

// Truncating needs a descriptor that is open for writing, which Landlock decides on. Before its
// ABI 3 (Linux 6.2) it decides neither on truncate() nor on O_TRUNC with O_RDONLY, which truncates
// too.
void allow_opening(filter& rules, unsigned flags_index, int call) {
  constexpr std::uint64_t truncates = O_TRUNC;
  constexpr std::uint64_t writes = O_WRONLY;
  constexpr std::uint64_t reads_and_writes = O_RDWR;
  constexpr std::uint64_t looked_at = O_TRUNC | O_ACCMODE;
  rules.allow(call, {has_none_of(flags_index, truncates)});
  rules.allow(call, {has_of(flags_index, looked_at, writes | truncates)});
  rules.allow(call, {has_of(flags_index, looked_at, reads_and_writes | truncates)});
}

void allow_api(filter& rules) {
  rules.allow(calls_of_api);
  allow_opening(rules, 1, SCMP_SYS(open));
  allow_opening(rules, 2, SCMP_SYS(openat));
}

void allow_keeper(filter& rules) {
  rules.allow(calls_of_keeper);
  constexpr std::uint64_t writing = O_WRONLY | O_RDWR | O_CREAT | O_TRUNC | O_TMPFILE;
  constexpr std::uint64_t bits = writing & ~std::uint64_t{O_DIRECTORY};
  rules.allow(SCMP_SYS(open), {has_none_of(1, bits)});
  rules.allow(SCMP_SYS(openat), {has_none_of(2, bits)});
}

}  // namespace

void restrict_system_calls(process_role role) {
  filter rules;
  rules.allow(calls_of_both);
  allow_memory(rules);
  allow_threads(rules);
  allow_signals_to_self(rules);
  allow_descriptors(rules);
  switch (role) {
    case process_role::api:
      allow_api(rules);
      break;
    case process_role::keeper:
      allow_keeper(rules);
      break;
  }
  rules.load();
}

}  // namespace tacit::app
