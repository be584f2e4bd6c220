// The keeper as a process: what /proc shows of it, signals in every spelling, its priorities and
// limits.
#include <fcntl.h>
#include <linux/kcmp.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include <array>

#include "tests/probe/attempt.hpp"

namespace tacit::probe {
namespace {

int errno_unless(bool succeeded) { return succeeded ? 0 : errno; }

int open_of_keeper(char const* name, int how) {
  return close_or_errno(open(keeper_path(name).c_str(), how | O_CLOEXEC));
}
int keeper_status() { return open_of_keeper("status", O_RDONLY); }
int keeper_maps() { return open_of_keeper("maps", O_RDONLY); }
int keeper_descriptors() { return open_of_keeper("fd", O_RDONLY | O_DIRECTORY); }
int keeper_root() { return open_of_keeper("root/", O_PATH); }
int keeper_oom_score() { return open_of_keeper("oom_score_adj", O_WRONLY); }
int own_mem() { return close_or_errno(open("/proc/self/mem", O_RDWR | O_CLOEXEC)); }

int keeper_folder() {
  char path[4096];
  return errno_unless(readlink(keeper_path("cwd").c_str(), path, sizeof path) > 0);
}

// Signal 0 is checked like any other and sends nothing.
int tkill_keeper() { return errno_unless(syscall(SYS_tkill, getppid(), 0) == 0); }
int tgkill_keeper() { return errno_unless(syscall(SYS_tgkill, getppid(), getppid(), 0) == 0); }
int queue_signal_to_keeper() {
  siginfo_t info{};
  info.si_code = SI_QUEUE;
  return errno_unless(syscall(SYS_rt_sigqueueinfo, getppid(), 0, &info) == 0);
}
int pidfd_signal_keeper() {
  long const keeper = syscall(SYS_pidfd_open, getppid(), 0);
  int const error = errno_unless(syscall(SYS_pidfd_send_signal, keeper, 0, nullptr, 0) == 0);
  if (keeper >= 0) close(static_cast<int>(keeper));
  return error;
}
int signal_group() { return errno_unless(kill(0, 0) == 0); }

// The kernel would signal the keeper for what comes in on the socket pair.
int signals_of_descriptor_to_keeper() {
  if (fcntl(3, F_SETOWN, getppid()) != 0) return errno;
  return errno_unless(fcntl(3, F_SETOWN, 0) == 0);
}

int priority_of_keeper() {
  errno = 0;
  int const now = getpriority(PRIO_PROCESS, static_cast<id_t>(getppid()));
  if (errno != 0) return errno;
  return errno_unless(setpriority(PRIO_PROCESS, static_cast<id_t>(getppid()), now) == 0);
}
int limits_of_keeper() {
  rlimit now{};
  return errno_unless(prlimit(getppid(), RLIMIT_NOFILE, nullptr, &now) == 0);
}
int cores_of_keeper() {
  cpu_set_t cores;
  if (sched_getaffinity(getppid(), sizeof cores, &cores) != 0) return errno;
  return errno_unless(sched_setaffinity(getppid(), sizeof cores, &cores) == 0);
}
int compare_with_keeper() {
  return errno_unless(syscall(SYS_kcmp, getpid(), getppid(), KCMP_FILES, 0, 0) >= 0);
}
int locks_of_keeper() {
  void* head = nullptr;
  std::size_t bytes = 0;
  return errno_unless(syscall(SYS_get_robust_list, getppid(), &head, &bytes) == 0);
}

constexpr std::array attempts{
    attempt{"keeper_status", keeper_status},
    attempt{"keeper_maps", keeper_maps},
    attempt{"keeper_descriptors", keeper_descriptors},
    attempt{"keeper_root", keeper_root},
    attempt{"keeper_folder", keeper_folder},
    attempt{"keeper_oom_score", keeper_oom_score},
    attempt{"own_mem", own_mem},
    attempt{"tkill_keeper", tkill_keeper},
    attempt{"tgkill_keeper", tgkill_keeper},
    attempt{"queue_signal_to_keeper", queue_signal_to_keeper},
    attempt{"pidfd_signal_keeper", pidfd_signal_keeper},
    attempt{"signal_group", signal_group},
    attempt{"signals_of_descriptor_to_keeper", signals_of_descriptor_to_keeper},
    attempt{"priority_of_keeper", priority_of_keeper},
    attempt{"limits_of_keeper", limits_of_keeper},
    attempt{"cores_of_keeper", cores_of_keeper},
    attempt{"compare_with_keeper", compare_with_keeper},
    attempt{"locks_of_keeper", locks_of_keeper},
};

}  // namespace

std::span<attempt const> attempts_on_the_keeper() { return attempts; }

}  // namespace tacit::probe
