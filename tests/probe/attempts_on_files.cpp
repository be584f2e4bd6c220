// Files outside the store, and links from the store to them: whoever starts tacit, or makes a copy
// of the store as root, would follow those.
#include <fcntl.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include <array>

#include "tests/probe/attempt.hpp"

namespace tacit::probe {
namespace {

int errno_unless(bool succeeded) { return succeeded ? 0 : errno; }
std::string victim() { return from_environment("PROBE_VICTIM"); }

// Each leaves root.key as it was.
int truncate_key() { return errno_unless(truncate(key_path().c_str(), 32) == 0); }
int chmod_key() { return errno_unless(chmod(key_path().c_str(), 0400) == 0); }
int chown_key() { return errno_unless(chown(key_path().c_str(), getuid(), getgid()) == 0); }
int touch_key() { return errno_unless(utimensat(AT_FDCWD, key_path().c_str(), nullptr, 0) == 0); }

// The kernel truncates for a descriptor that is only for reading, too.
int open_truncating() {
  return close_or_errno(open(victim().c_str(), O_RDONLY | O_TRUNC | O_CLOEXEC));
}
int append_to_victim() {
  return close_or_errno(open(victim().c_str(), O_WRONLY | O_APPEND | O_CLOEXEC));
}
int rename_victim_into_store() {
  std::string const there = store_path("probe-victim");
  if (rename(victim().c_str(), there.c_str()) != 0) return errno;
  return errno_unless(rename(there.c_str(), victim().c_str()) == 0);
}
int unlink_victim() { return errno_unless(unlink(victim().c_str()) == 0); }

int made_in_store(int answer, std::string const& path) {
  if (answer != 0) return errno;
  return errno_unless(unlink(path.c_str()) == 0);
}
int link_key_into_store() {
  std::string const path = store_path("probe-link");
  return made_in_store(link(key_path().c_str(), path.c_str()), path);
}
int symlink_in_store() {
  std::string const path = store_path("probe-symlink");
  return made_in_store(symlink(key_path().c_str(), path.c_str()), path);
}
int pipe_in_store() {
  std::string const path = store_path("probe-pipe");
  return made_in_store(mknod(path.c_str(), S_IFIFO | 0600, 0), path);
}
int setuid_file_in_store() {
  std::string const path = store_path("probe-setuid");
  int const file = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (file < 0) return errno;
  int const error = errno_unless(fchmod(file, 04755) == 0);
  close(file);
  unlink(path.c_str());
  return error;
}

int attribute_on_run() {
  std::string const run = from_environment("PROBE_RUN");
  if (setxattr(run.c_str(), "user.probe", "1", 1, 0) != 0) return errno;
  return errno_unless(removexattr(run.c_str(), "user.probe") == 0);
}
int watch_run() { return close_or_errno(inotify_init1(IN_CLOEXEC)); }
int write_etc() { return close_or_errno(open("/etc/passwd", O_WRONLY | O_CLOEXEC)); }
int list_root() { return close_or_errno(open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC)); }
int shared_memory_file() {
  std::string const path = "/dev/shm/tacit-probe-" + std::to_string(getpid());
  int const file = open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (file < 0) return errno;
  close(file);
  return errno_unless(unlink(path.c_str()) == 0);
}
// Through the descriptor that the api process has of it, which is for reading.
int write_lock_file() { return close_or_errno(open("/proc/self/fd/4", O_RDWR | O_CLOEXEC)); }

// The keeper makes its file of enrolments while this process starts: it may not be there yet.
template <typename Attack>
int once_it_is_there(Attack attack) {
  int error = attack();
  for (int tries = 0; error == ENOENT && tries < 10'000; ++tries) {
    usleep(1000);
    error = attack();
  }
  return error;
}
std::string runtimes_path() { return key_path().substr(0, key_path().rfind('/')) + "/runtimes"; }
int open_runtimes(int how) {
  return once_it_is_there([how] { return close_or_errno(open(runtimes_path().c_str(), how)); });
}
int read_runtimes() { return open_runtimes(O_RDONLY | O_CLOEXEC); }
int write_runtimes() { return open_runtimes(O_RDWR | O_CLOEXEC); }
int rename_runtimes() {
  std::string const there = runtimes_path() + ".renamed";
  return once_it_is_there([&there] {
    if (rename(runtimes_path().c_str(), there.c_str()) != 0) return errno;
    return errno_unless(rename(there.c_str(), runtimes_path().c_str()) == 0);
  });
}
// As a renewed certificate comes to the api process: from the keeper, not from the file.
int read_tls_key() {
  return close_or_errno(open(from_environment("PROBE_TLS_KEY").c_str(), O_RDONLY | O_CLOEXEC));
}

constexpr std::array attempts{
    attempt{"truncate_key", truncate_key},
    attempt{"chmod_key", chmod_key},
    attempt{"chown_key", chown_key},
    attempt{"touch_key", touch_key},
    attempt{"append_to_victim", append_to_victim},
    attempt{"rename_victim_into_store", rename_victim_into_store},
    attempt{"open_truncating", open_truncating},
    attempt{"unlink_victim", unlink_victim},
    attempt{"link_key_into_store", link_key_into_store},
    attempt{"symlink_in_store", symlink_in_store},
    attempt{"pipe_in_store", pipe_in_store},
    attempt{"setuid_file_in_store", setuid_file_in_store},
    attempt{"attribute_on_run", attribute_on_run},
    attempt{"watch_run", watch_run},
    attempt{"write_etc", write_etc},
    attempt{"list_root", list_root},
    attempt{"shared_memory_file", shared_memory_file},
    attempt{"write_lock_file", write_lock_file},
    attempt{"read_runtimes", read_runtimes},
    attempt{"write_runtimes", write_runtimes},
    attempt{"rename_runtimes", rename_runtimes},
    attempt{"read_tls_key", read_tls_key},
};

}  // namespace

std::span<attempt const> attempts_on_files() { return attempts; }

}  // namespace tacit::probe
