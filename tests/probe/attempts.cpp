#include "tests/probe/attempts.hpp"

#include <fcntl.h>
#include <linux/io_uring.h>
#include <linux/netlink.h>
#include <linux/sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "tests/probe/attempt.hpp"

namespace tacit::probe {
namespace {

int open_to_read(std::string const& path) {
  int const file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return errno;
  std::array<unsigned char, 32> bytes{};
  ssize_t const got = read(file, bytes.data(), bytes.size());
  int const error = got > 0 ? 0 : errno == 0 ? EIO : errno;
  explicit_bzero(bytes.data(), bytes.size());
  close(file);
  return error;
}

int create_and_remove(std::string const& path) {
  int const file = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (file < 0) return errno;
  close(file);
  return unlink(path.c_str()) == 0 ? 0 : errno;
}

int read_root_key() { return open_to_read(key_path()); }
int read_passwd() { return open_to_read("/etc/passwd"); }
// The kernel decides on opening these two; there may be nothing in them to read.
int open_of_keeper(char const* name) {
  return close_or_errno(open(keeper_path(name).c_str(), O_RDONLY | O_CLOEXEC));
}
int keeper_environ() { return open_of_keeper("environ"); }
int keeper_mem() { return open_of_keeper("mem"); }
int create_in_run() { return create_and_remove(run_path("probe-created")); }
int write_tmp() { return create_and_remove("/tmp/tacit-probe-" + std::to_string(getpid())); }

int rename_in_run() {
  std::string const here = run_path("keeper.sock");
  std::string const there = run_path("keeper.sock.renamed");
  if (rename(here.c_str(), there.c_str()) != 0) return errno;
  return rename(there.c_str(), here.c_str()) == 0 ? 0 : errno;
}

int connect_keeper() {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::string const path = run_path("keeper.sock");
  if (path.size() >= sizeof address.sun_path) return ENAMETOOLONG;
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  int const client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (client < 0) return errno;
  int const answer = connect(client, reinterpret_cast<sockaddr const*>(&address), sizeof address);
  int const error = answer == 0 ? 0 : errno;
  close(client);
  return error;
}

int ptrace_keeper() {
  pid_t const keeper = getppid();
  if (ptrace(PTRACE_SEIZE, keeper, nullptr, nullptr) != 0) return errno;
  // Only a stopped process can be let go.
  if (ptrace(PTRACE_INTERRUPT, keeper, nullptr, nullptr) != 0) return errno;
  if (waitpid(keeper, nullptr, __WALL) != keeper) return errno;
  return ptrace(PTRACE_DETACH, keeper, nullptr, nullptr) == 0 ? 0 : errno;
}

int keeper_vm_readv() {
  char byte = 0;
  iovec const here{&byte, 1};
  iovec const there{reinterpret_cast<void*>(std::uintptr_t{4096}), 1};
  return past_the_checks(process_vm_readv(getppid(), &here, 1, &there, 1, 0), EFAULT);
}

int pidfd_open_keeper() { return close_or_errno(syscall(SYS_pidfd_open, getppid(), 0)); }

int pidfd_getfd_keeper() {
  long const keeper = syscall(SYS_pidfd_open, getppid(), 0);
  long const stolen = syscall(SYS_pidfd_getfd, keeper, 2, 0);
  // Without a pidfd it is asked all the same: a refusal comes before EBADF.
  int const error = stolen >= 0 ? close_or_errno(stolen) : errno;
  if (keeper >= 0) close(static_cast<int>(keeper));
  return error;
}

int signal_keeper() { return kill(getppid(), 0) == 0 ? 0 : errno; }
int continue_keeper() { return kill(getppid(), SIGCONT) == 0 ? 0 : errno; }

int fork_process() {
  pid_t const child = fork();
  if (child < 0) return errno;
  if (child == 0) _exit(0);
  return wait_for(child);
}

// The C library's short cut past fork: clone with CLONE_VM and CLONE_VFORK.
int spawn_program() {
  char program[] = "/bin/true";
  char* const arguments[] = {program, nullptr};
  char* const environment[] = {nullptr};
  pid_t child = -1;
  int const error = posix_spawn(&child, program, nullptr, nullptr, arguments, environment);
  return error != 0 ? error : wait_for(child);
}

int clone3_process() {
  clone_args arguments{};
  arguments.exit_signal = SIGCHLD;
  long const child = syscall(SYS_clone3, &arguments, sizeof arguments);
  if (child < 0) return errno;
  if (child == 0) _exit(0);
  return wait_for(static_cast<pid_t>(child));
}

int execve_program() {
  char program[] = "/bin/true";
  char nowhere[] = "/probe-has-no-such-program";
  char* const arguments[] = {program, nullptr};
  char* const environment[] = {nullptr};
  pid_t const child = fork();
  // Without a child this process itself must not become another program.
  if (child < 0) return past_the_checks(execve(nowhere, arguments, environment), ENOENT);
  if (child == 0) {
    execve(program, arguments, environment);
    _exit(errno);
  }
  return wait_for(child);
}

int socket_unix() { return close_or_errno(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)); }
int socket_inet() { return close_or_errno(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)); }
int socket_inet6() { return close_or_errno(socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0)); }
int socket_netlink() {
  return close_or_errno(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
}
int socket_packet() { return close_or_errno(socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0)); }

int socket_pair() {
  int pair[2] = {-1, -1};
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) return errno;
  close(pair[0]);
  close(pair[1]);
  return 0;
}

int io_uring_setup_ring() {
  io_uring_params parameters{};
  return close_or_errno(syscall(SYS_io_uring_setup, 1, &parameters));
}

int memfd() { return close_or_errno(memfd_create("probe", MFD_CLOEXEC)); }

int map_executable() {
  void* const page =
      mmap(nullptr, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) return errno;
  munmap(page, 4096);
  return 0;
}

int make_dumpable() {
  if (prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) != 0) return errno;
  return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0 ? 0 : errno;
}

// The call, not the library's function, which would ask every thread.
int setuid_root() { return syscall(SYS_setuid, 0) == 0 ? 0 : errno; }

constexpr std::array first_attempts{
    attempt{"read_root_key", read_root_key},
    attempt{"connect_keeper", connect_keeper},
    attempt{"rename_in_run", rename_in_run},
    attempt{"create_in_run", create_in_run},
    attempt{"ptrace_keeper", ptrace_keeper},
    attempt{"keeper_mem", keeper_mem},
    attempt{"keeper_environ", keeper_environ},
    attempt{"keeper_vm_readv", keeper_vm_readv},
    attempt{"pidfd_open", pidfd_open_keeper},
    attempt{"pidfd_getfd", pidfd_getfd_keeper},
    attempt{"signal_keeper", signal_keeper},
    attempt{"continue_keeper", continue_keeper},
    attempt{"fork", fork_process},
    attempt{"posix_spawn", spawn_program},
    attempt{"clone3", clone3_process},
    attempt{"execve", execve_program},
    attempt{"socket_unix", socket_unix},
    attempt{"socket_inet", socket_inet},
    attempt{"socket_inet6", socket_inet6},
    attempt{"socket_netlink", socket_netlink},
    attempt{"socket_packet", socket_packet},
    attempt{"socketpair", socket_pair},
    attempt{"io_uring_setup", io_uring_setup_ring},
    attempt{"memfd_create", memfd},
    attempt{"map_executable", map_executable},
    attempt{"make_dumpable", make_dumpable},
    attempt{"read_passwd", read_passwd},
    attempt{"write_tmp", write_tmp},
    attempt{"setuid_root", setuid_root},
};

std::string outcome_of(int error) {
  if (error == 0) return R"({"outcome":"succeeded"})";
  bool const refused = error == EPERM || error == EACCES || error == ENOSYS;
  char const* const name = strerrorname_np(error);
  return std::string(R"({"outcome":")") + (refused ? "refused" : "failed") + R"(","errno":")" +
         (name == nullptr ? "?" : name) + R"("})";
}

}  // namespace

void attempt_everything() {
  if (std::getenv("PROBE_CHANNEL") != nullptr) play_false_api();
  std::string line = R"({"probe":{)";
  for (auto const attempts : {std::span<attempt const>(first_attempts), attempts_on_files(),
                              attempts_on_the_keeper(), attempts_on_the_kernel()}) {
    for (attempt const& each : attempts) {
      errno = 0;
      if (line.back() != '{') line += ',';
      line += std::string("\"") + each.name + "\":" + outcome_of(each.attack());
    }
  }
  line += "},\"uid\":" + std::to_string(getuid()) + "}\n";
  // In one write, so that no other line comes between.
  if (write(STDERR_FILENO, line.data(), line.size()) < 0) std::perror("probe");
}

}  // namespace tacit::probe
