#include "app/sandbox/sandbox.hpp"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tests/unit/app/confined_child.hpp"

namespace tacit::app {
namespace {

// Sockets as a server has them open when it is confined.
struct open_sockets {
  open_sockets() {
    sockaddr_in address = any_port();
    BOOST_REQUIRE(bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    BOOST_REQUIRE(listen(listener, 8) == 0);
    BOOST_REQUIRE(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
  }
  open_sockets(open_sockets const&) = delete;
  open_sockets& operator=(open_sockets const&) = delete;
  ~open_sockets() {
    for (int const each : {listener, fresh, pair[0], pair[1]}) close(each);
  }

  static sockaddr_in any_port() {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
  }
  [[nodiscard]] sockaddr_in address() const {
    sockaddr_in bound{};
    socklen_t bytes = sizeof bound;
    getsockname(listener, reinterpret_cast<sockaddr*>(&bound), &bytes);
    return bound;
  }

  int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int fresh = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int pair[2] = {-1, -1};
};

int try_fork() {
  pid_t const child = fork();
  if (child == 0) _exit(0);
  return errno_unless(child > 0);
}

int try_execve() {
  char* const none[] = {nullptr};
  execve("/tacit-has-no-such-program", none, none);
  return errno == ENOENT ? 0 : errno;
}

int try_executable_memory() {
  return errno_unless(
      mmap(nullptr, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED);
}

int try_executable_later() {
  void* const page =
      mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return errno_unless(mprotect(page, 4096, PROT_READ | PROT_EXEC) == 0);
}

int try_limit() {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  return errno_unless(setrlimit(RLIMIT_NOFILE, &limit) == 0);
}

int try_affinity_of_parent() {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  sched_getaffinity(0, sizeof cores, &cores);
  return errno_unless(sched_setaffinity(getppid(), sizeof cores, &cores) == 0);
}

int try_connect_option(int socket) {
  int const on = 1;
  return errno_unless(setsockopt(socket, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &on, sizeof on) == 0);
}

int try_bind(int socket) {
  sockaddr_in const address = open_sockets::any_port();
  return errno_unless(bind(socket, reinterpret_cast<sockaddr const*>(&address), sizeof address) ==
                      0);
}

int try_connect(int socket, sockaddr_in const& to) {
  return errno_unless(connect(socket, reinterpret_cast<sockaddr const*>(&to), sizeof to) == 0);
}

// A listener that is shut down is a fresh socket; this connects it without connect().
int try_fast_open(int listener, sockaddr_in const& to) {
  shutdown(listener, SHUT_RDWR);
  return errno_unless(sendto(listener, "x", 1, MSG_FASTOPEN | MSG_NOSIGNAL,
                             reinterpret_cast<sockaddr const*>(&to), sizeof to) == 1);
}

int try_fast_open_message(int listener, sockaddr_in to) {
  shutdown(listener, SHUT_RDWR);
  iovec bytes{const_cast<char*>("x"), 1};
  msghdr message{};
  message.msg_name = &to;
  message.msg_namelen = sizeof to;
  message.msg_iov = &bytes;
  message.msg_iovlen = 1;
  return errno_unless(sendmsg(listener, &message, MSG_FASTOPEN | MSG_NOSIGNAL) == 1);
}

int try_abstract_socket() {
  // The test's parent listens there; see below.
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::string const name = "tacit-sandbox-" + std::to_string(getppid());
  name.copy(&address.sun_path[1], name.size());
  int const client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  auto const bytes = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
  return errno_unless(connect(client, reinterpret_cast<sockaddr*>(&address), bytes) == 0);
}

int accept_and_answer(open_sockets const& sockets) {
  int const waiting = epoll_create1(EPOLL_CLOEXEC);
  epoll_event event{};
  event.events = EPOLLIN;
  if (epoll_ctl(waiting, EPOLL_CTL_ADD, sockets.listener, &event) != 0) return errno;
  if (epoll_wait(waiting, &event, 1, 5000) != 1) return ETIMEDOUT;
  int const peer = accept4(sockets.listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
  int const on = 1;
  if (setsockopt(peer, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0) return errno;
  return errno_unless(send(peer, "x", 1, MSG_NOSIGNAL) == 1);
}

int use_folder(places const& place) {
  std::string const made = place.inside("made");
  if (mkdir(made.c_str(), 0700) != 0) return errno;
  std::string const file = made + "/file";
  int const written = open(file.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (written < 0 || write(written, "text", 4) != 4) return errno;
  if (fsync(written) != 0 || fdatasync(written) != 0 || ftruncate(written, 2) != 0) return errno;
  if (posix_fallocate(written, 0, 4096) != 0) return ENOSPC;
  if (rename(file.c_str(), (made + "/renamed").c_str()) != 0) return errno;
  if (unlink((made + "/renamed").c_str()) != 0 || rmdir(made.c_str()) != 0) return errno;
  return open_and_close(place.inside("file"), O_RDWR | O_TRUNC);
}

std::string message_of_confining(places const& place, std::function<void()> const& before) {
  int pipe_ends[2];
  BOOST_REQUIRE(pipe2(pipe_ends, O_CLOEXEC) == 0);
  in_child([&] {
    before();
    std::string message = "confined";
    try {
      confine(process_role::api, place.inside(""));
    } catch (startup_error const& error) {
      message = error.what();
    }
    return errno_unless(write(pipe_ends[1], message.data(), message.size()) > 0);
  });
  close(pipe_ends[1]);
  std::string message(1024, '\0');
  ssize_t const bytes = read(pipe_ends[0], message.data(), message.size());
  close(pipe_ends[0]);
  message.resize(bytes > 0 ? static_cast<std::size_t>(bytes) : 0);
  return message;
}

// Makes the kernel look like one that does not have the call.
void pretend_absent(std::vector<int> const& calls, int error) {
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  scmp_filter_ctx const rules = seccomp_init(SCMP_ACT_ALLOW);
  for (int const call : calls) {
    seccomp_rule_add(rules, SCMP_ACT_ERRNO(static_cast<unsigned>(error)), call, 0);
  }
  seccomp_load(rules);
  seccomp_release(rules);
}

long landlock_abi() { return syscall(SYS_landlock_create_ruleset, nullptr, 0, 1); }

}  // namespace

BOOST_AUTO_TEST_SUITE(sandbox)

BOOST_AUTO_TEST_CASE(a_confined_process_of_either_role_is_refused_what_it_has_no_use_for) {
  places const place;
  open_sockets const elsewhere;
  std::unique_ptr<open_sockets> sockets;
  auto const renew = [&] {
    sockets = std::make_unique<open_sockets>();
    for (char const* made : {"link", "in", "pipe"}) unlink(place.inside(made).c_str());
  };
  std::vector<attempt> const attempts{
      {"socket unix", [] { return errno_unless(socket(AF_UNIX, SOCK_STREAM, 0) >= 0); }},
      {"socket inet", [] { return errno_unless(socket(AF_INET, SOCK_STREAM, 0) >= 0); }},
      {"socket netlink", [] { return errno_unless(socket(AF_NETLINK, SOCK_RAW, 0) >= 0); }},
      {"socketpair",
       [] {
         int pair[2];
         return errno_unless(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
       }},
      {"bind", [&] { return try_bind(sockets->fresh); }},
      {"connect", [&] { return try_connect(sockets->fresh, sockets->address()); }},
      {"listen", [&] { return errno_unless(listen(sockets->fresh, 1) == 0); }},
      {"fast open", [&] { return try_fast_open(sockets->listener, elsewhere.address()); }},
      {"fast open message",
       [&] { return try_fast_open_message(sockets->listener, elsewhere.address()); }},
      {"fast open option", [&] { return try_connect_option(sockets->fresh); }},
      {"signals from a socket",
       [&] { return errno_unless(fcntl(sockets->pair[0], F_SETOWN, getppid()) == 0); }},
      {"fork", try_fork},
      {"execve", try_execve},
      {"ptrace", [] { return errno_unless(ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) == 0); }},
      {"unshare", [] { return errno_unless(unshare(0) == 0); }},
      {"memfd_create", [] { return errno_unless(memfd_create("test", MFD_CLOEXEC) >= 0); }},
      {"pidfd_open", [] { return errno_unless(syscall(SYS_pidfd_open, getppid(), 0) >= 0); }},
      {"executable memory", try_executable_memory},
      {"executable later", try_executable_later},
      {"dumpable", [] { return errno_unless(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) == 0); }},
      {"kill", [] { return errno_unless(kill(getppid(), 0) == 0); }},
      {"tgkill", [] { return errno_unless(tgkill(getppid(), getppid(), 0) == 0); }},
      {"limits", try_limit},
      {"affinity of another", try_affinity_of_parent},
      {"chmod", [&] { return errno_unless(chmod(place.inside("file").c_str(), 04755) == 0); }},
      {"symlink", [&] { return errno_unless(symlink("/", place.inside("link").c_str()) == 0); }},
      {"hard link",
       [&] {
         return errno_unless(link(place.outside("file").c_str(), place.inside("in").c_str()) == 0);
       }},
      {"pipe in the folder",
       [&] { return errno_unless(mkfifo(place.inside("pipe").c_str(), 0600) == 0); }},
  };
  for (process_role const role : {process_role::api, process_role::keeper}) {
    for (attempt const& each : attempts) {
      check_refused(each, [&] { confine(role, place.inside("")); }, renew);
    }
  }
}

BOOST_AUTO_TEST_CASE(landlock_alone_stops_tcp_abstract_sockets_and_signals_where_the_kernel_can) {
  places const place;
  std::unique_ptr<open_sockets> sockets;
  auto const renew = [&] { sockets = std::make_unique<open_sockets>(); };
  auto const files_only = [&] {
    drop_capabilities();
    restrict_files(process_role::api, place.inside(""));
  };
  if (landlock_abi() >= 4) {
    check_refused({"bind", [&] { return try_bind(sockets->fresh); }}, files_only, renew);
    check_refused({"connect", [&] { return try_connect(sockets->fresh, sockets->address()); }},
                  files_only, renew);
  } else {
    BOOST_TEST_MESSAGE("TCP: skipped because this kernel's Landlock has no network rules");
  }
  if (landlock_abi() >= 6) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::string const name = "tacit-sandbox-" + std::to_string(getpid());
    name.copy(&address.sun_path[1], name.size());
    int const listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    auto const bytes = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + name.size());
    BOOST_REQUIRE(bind(listener, reinterpret_cast<sockaddr*>(&address), bytes) == 0);
    BOOST_REQUIRE(listen(listener, 8) == 0);
    check_refused({"abstract socket", try_abstract_socket}, files_only);
    check_refused({"signal", [] { return errno_unless(kill(getppid(), 0) == 0); }}, files_only);
    close(listener);
  } else {
    BOOST_TEST_MESSAGE(
        "abstract sockets and signals: skipped because this kernel's Landlock has "
        "no scopes");
  }
}

BOOST_AUTO_TEST_CASE(the_filter_alone_stops_truncating_what_landlock_before_abi_3_does_not) {
  places const place;
  auto const filter_only = [] {
    drop_capabilities();
    restrict_system_calls(process_role::api);
  };
  check_refused(
      {"truncate", [&] { return errno_unless(truncate(place.outside("file").c_str(), 4) == 0); }},
      filter_only);
  check_refused({"open for reading",
                 [&] { return open_and_close(place.outside("file"), O_RDONLY | O_TRUNC); }},
                filter_only);
  for (int const writing : {O_WRONLY, O_RDWR}) {
    check_works({"open for writing",
                 [&] { return open_and_close(place.inside("file"), writing | O_TRUNC); }},
                filter_only);
  }
}

BOOST_AUTO_TEST_CASE(a_confined_api_can_do_its_work) {
  places const place;
  open_sockets const sockets;
  BOOST_REQUIRE(try_connect(sockets.fresh, sockets.address()) == 0);
  std::vector<attempt> const work{
      {"threads", run_thread},
      {"files in its folder", [&] { return use_folder(place); }},
      {"sockets that it has", [&] { return accept_and_answer(sockets); }},
      {"socket pair", [&] { return errno_unless(send(sockets.pair[0], "x", 1, 0) == 1); }},
      {"signals to itself", [] { return errno_unless(raise(SIGWINCH) == 0); }},
      {"abort",
       [] {
         struct sigaction quit{};
         quit.sa_handler = [](int) { _exit(0); };
         sigaction(SIGABRT, &quit, nullptr);
         std::abort();
         return ECHILD;
       }},
      {"memory", [] { return errno_unless(std::vector<char>(64 << 20).size() != 0); }},
  };
  for (attempt const& each : work) {
    check_works(each, [&] { confine(process_role::api, place.inside("")); });
  }
}

BOOST_AUTO_TEST_CASE(a_confined_keeper_learns_how_its_child_ended) {
  places const place;
  int const code = in_child([&] {
    pid_t const child = fork();
    if (child == 0) _exit(7);
    confine(process_role::keeper, place.inside(""));
    int status = 0;
    if (waitpid(child, &status, 0) != child) return errno;
    return WIFEXITED(status) ? WEXITSTATUS(status) : ECHILD;
  });
  BOOST_TEST(code == 7);
}

BOOST_AUTO_TEST_CASE(a_thread_started_after_confining_is_confined_too) {
  places const place;
  auto const from_thread = [] {
    int error = 0;
    std::thread([&] { error = open_and_close("/etc/passwd", O_RDONLY); }).join();
    return error;
  };
  check_refused({"read in a thread", from_thread},
                [&] { confine(process_role::api, place.inside("")); });
}

BOOST_AUTO_TEST_CASE(a_process_with_a_second_thread_is_not_confined_but_refused) {
  places const place;
  std::string const message = message_of_confining(place, [] {
    static std::vector<std::jthread> kept;  // until the child's _exit
    kept.emplace_back([] {
      while (true) pause();
    });
  });
  BOOST_TEST(message.find("threads already") != std::string::npos, message);
  BOOST_TEST(message_of_confining(place, [] {}) == "confined");
}

BOOST_AUTO_TEST_CASE(a_kernel_that_refuses_a_part_is_named_with_the_setting_that_does_without) {
  places const place;
  struct {
    std::vector<int> absent;
    int error;
    char const* named;
  } const cases[] = {
      {{SCMP_SYS(landlock_create_ruleset)}, EOPNOTSUPP, "Landlock"},
      {{SCMP_SYS(landlock_restrict_self)}, EPERM, "Landlock"},
      {{SCMP_SYS(seccomp), SCMP_SYS(prctl)}, EINVAL, "no_new_privs"},
      {{SCMP_SYS(seccomp)}, EPERM, "seccomp"},
      {{SCMP_SYS(capset)}, EPERM, "capabilities"},
  };
  for (auto const& each : cases) {
    std::string const message =
        message_of_confining(place, [&] { pretend_absent(each.absent, each.error); });
    BOOST_TEST(message.find(each.named) != std::string::npos, each.named << ": " << message);
    BOOST_TEST(message.find("sandbox = \"off\"") != std::string::npos, message);
    BOOST_TEST(message.find('\n') == std::string::npos, message);
  }
}

BOOST_AUTO_TEST_CASE(a_folder_that_is_not_there_is_refused) {
  places const place;
  BOOST_TEST(in_child([&] {
               try {
                 confine(process_role::api, place.inside("absent"));
               } catch (startup_error const& error) {
                 return std::string(error.what()).find("absent") != std::string::npos ? 0 : 1;
               }
               return 2;
             }) == 0);
}

#if defined(__x86_64__)
BOOST_AUTO_TEST_CASE(a_system_call_of_another_architecture_ends_a_confined_process) {
  places const place;
  auto const of_x32 = [] { return syscall(0x40000000 | SYS_getpid) >= 0 ? 0 : errno; };
  BOOST_TEST(in_child(of_x32) >= 0);
  BOOST_TEST(in_child([&] {
               confine(process_role::api, place.inside(""));
               return of_x32();
             }) == -SIGSYS);
}
#endif

BOOST_AUTO_TEST_SUITE_END()

}  // namespace tacit::app
