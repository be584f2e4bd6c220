// What the kernel offers beyond files, processes and sockets: shared memory, code that is written
// and then run, namespaces, its own limits.
#include <fcntl.h>
#include <sched.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include <array>

#include "tests/probe/attempt.hpp"

namespace tacit::probe {
namespace {

int errno_unless(bool succeeded) { return succeeded ? 0 : errno; }

int shared_memory() {
  int const segment = shmget(IPC_PRIVATE, 4096, IPC_CREAT | 0600);
  if (segment < 0) return errno;
  return errno_unless(shmctl(segment, IPC_RMID, nullptr) == 0);
}
int message_queue() {
  int const queue = msgget(IPC_PRIVATE, IPC_CREAT | 0600);
  if (queue < 0) return errno;
  return errno_unless(msgctl(queue, IPC_RMID, nullptr) == 0);
}

// Memory that is written first and run later.
int execute_later(long (*protect)(void*)) {
  void* const page =
      mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) return errno;
  int const error = errno_unless(protect(page) == 0);
  munmap(page, 4096);
  return error;
}
int protect_executable() {
  return execute_later(
      [](void* page) -> long { return mprotect(page, 4096, PROT_READ | PROT_EXEC); });
}
int protect_executable_by_key() {
  return execute_later([](void* page) -> long {
    return syscall(SYS_pkey_mprotect, page, 4096, PROT_READ | PROT_EXEC, -1);
  });
}
int execution_domain() { return errno_unless(personality(0xffffffff) >= 0); }

int move_pages_into_pipe() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return errno;
  char byte = 0;
  iovec const from{&byte, 1};
  int const error = errno_unless(vmsplice(ends[1], &from, 1, 0) == 1);
  close(ends[0]);
  close(ends[1]);
  return error;
}

int unshare_files() { return errno_unless(unshare(CLONE_FILES) == 0); }
int enter_namespace() { return past_the_checks(setns(-1, 0), EBADF); }
int change_root() { return errno_unless(chroot("/") == 0); }

int core_files() {
  rlimit const none{0, 0};
  return errno_unless(setrlimit(RLIMIT_CORE, &none) == 0);
}
int signal_at_parents_end() { return errno_unless(prctl(PR_SET_PDEATHSIG, 0) == 0); }

constexpr std::array attempts{
    attempt{"shared_memory", shared_memory},
    attempt{"message_queue", message_queue},
    attempt{"protect_executable", protect_executable},
    attempt{"protect_executable_by_key", protect_executable_by_key},
    attempt{"execution_domain", execution_domain},
    attempt{"move_pages_into_pipe", move_pages_into_pipe},
    attempt{"unshare_files", unshare_files},
    attempt{"enter_namespace", enter_namespace},
    attempt{"change_root", change_root},
    attempt{"core_files", core_files},
    attempt{"signal_at_parents_end", signal_at_parents_end},
};

}  // namespace

std::span<attempt const> attempts_on_the_kernel() { return attempts; }

}  // namespace tacit::probe
