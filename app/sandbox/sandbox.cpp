#include "app/sandbox/sandbox.hpp"

#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <system_error>

#include "app/system_fault.hpp"

namespace tacit::app {
namespace {

[[noreturn]] void refuse(std::string const& what, int error) {
  throw startup_error(what + ": " + std::generic_category().message(error));
}

struct capability_sets {
  std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> words{};

  [[nodiscard]] bool empty() const {
    for (auto const& word : words) {
      if ((word.effective | word.permitted | word.inheritable) != 0) return false;
    }
    return true;
  }
  [[nodiscard]] bool effective(unsigned capability) const {
    return ((words.at(capability / 32).effective >> (capability % 32)) & 1u) != 0;
  }
};

__user_cap_header_struct capability_header() { return {_LINUX_CAPABILITY_VERSION_3, 0}; }

capability_sets read_capabilities() {
  auto header = capability_header();
  capability_sets sets;
  if (syscall(SYS_capget, &header, sets.words.data()) != 0) {
    refuse_confinement("the kernel refused to tell the capabilities", errno);
  }
  return sets;
}

// Empties the bounding set when the process may; it is CAP_SETPCAP's work, so before that is gone.
void empty_bounding_set() {
  if (!read_capabilities().effective(CAP_SETPCAP)) return;
  int held = 0;
  for (unsigned long capability = 0; (held = prctl(PR_CAPBSET_READ, capability, 0, 0, 0)) >= 0;
       ++capability) {
    if (held == 1 && prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0) {
      refuse_confinement("the kernel refused to empty the capability bounding set", errno);
    }
  }
}

// uid 0 gets nothing from an exec, a change of uid gives nothing back, ambient stays empty.
void lock_securebits() {
  if (!read_capabilities().effective(CAP_SETPCAP)) return;
  constexpr unsigned long bits = SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP |
                                 SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_KEEP_CAPS_LOCKED |
                                 SECBIT_NO_CAP_AMBIENT_RAISE | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED;
  if (prctl(PR_SET_SECUREBITS, bits, 0, 0, 0) != 0) {
    refuse_confinement("the kernel refused to lock the securebits", errno);
  }
}

void empty_capability_sets() {
  if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0) {
    refuse_confinement("the kernel refused to empty the ambient capabilities", errno);
  }
  auto header = capability_header();
  capability_sets const none;
  if (syscall(SYS_capset, &header, none.words.data()) != 0 || !read_capabilities().empty()) {
    refuse_confinement("the kernel refused to drop the capabilities", errno);
  }
}

void verify_account(account const& wanted, std::string const& user) {
  uid_t uids[3];
  gid_t gids[3];
  bool const changed = getresuid(&uids[0], &uids[1], &uids[2]) == 0 &&
                       getresgid(&gids[0], &gids[1], &gids[2]) == 0 && getgroups(0, nullptr) == 0;
  if (!changed) throw startup_error("cannot change to the " + user);
  for (uid_t const uid : uids) {
    if (uid != wanted.uid) throw startup_error("did not change to the " + user);
  }
  for (gid_t const gid : gids) {
    if (gid != wanted.gid) throw startup_error("did not change to the group of the " + user);
  }
  if (wanted.uid == 0) return;
  bool const way_back = setresuid(0, 0, 0) == 0 || seteuid(0) == 0 || setgroups(0, nullptr) == 0 ||
                        (wanted.gid != 0 && (setresgid(0, 0, 0) == 0 || setegid(0) == 0));
  if (way_back) throw startup_error("the " + user + " can change back to root");
}

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define TACIT_THREADS_OF_SANITIZER 1  // ThreadSanitizer runs one of its own
#endif
#endif
#ifndef TACIT_THREADS_OF_SANITIZER
#define TACIT_THREADS_OF_SANITIZER 0
#endif

// /proc/self/task has a link from each of the process's threads.
void require_one_thread() {
  constexpr nlink_t threads_max = 1 + TACIT_THREADS_OF_SANITIZER;
  struct stat tasks{};
  if (stat("/proc/self/task", &tasks) != 0) {
    refuse("cannot confine the process: cannot count its threads in /proc/self/task", errno);
  }
  nlink_t const threads = tasks.st_nlink - 2;
  if (threads > threads_max) {
    throw startup_error("cannot confine the process: it has " + std::to_string(threads) +
                        " threads already, and those would stay free");
  }
}

}  // namespace

void refuse_confinement(std::string const& what, int error) {
  bool const is_short = error == EMFILE || error == ENFILE || error == ENOMEM || error == EAGAIN;
  throw startup_error("cannot confine the process: " + what + ": " +
                      (is_short ? explain_system_fault(error)
                                : std::generic_category().message(error) +
                                      " (sandbox = \"off\" runs without confinement)"));
}

void make_undumpable() {
  rlimit const none{0, 0};
  if (setrlimit(RLIMIT_CORE, &none) != 0) refuse("cannot switch core files off", errno);
  if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0 || prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 0) {
    refuse("cannot make the process not dumpable", errno);
  }
}

account find_account(std::string const& name) {
  std::vector<char> text(1024);
  passwd entry{};
  passwd* found = nullptr;
  int error = 0;
  while ((error = getpwnam_r(name.c_str(), &entry, text.data(), text.size(), &found)) == ERANGE) {
    text.resize(text.size() * 2);
  }
  if (found == nullptr) {
    if (error != 0) refuse("cannot look up the user " + name, error);
    throw startup_error("there is no user " + name + " on this system");
  }
  return {found->pw_uid, found->pw_gid};
}

void become(account const& wanted) {
  std::string const user = "user " + std::to_string(wanted.uid);
  if (wanted.uid != 0) empty_bounding_set();
  if (setgroups(0, nullptr) != 0 || setresgid(wanted.gid, wanted.gid, wanted.gid) != 0 ||
      setresuid(wanted.uid, wanted.uid, wanted.uid) != 0) {
    throw startup_error("cannot change to the " + user + ": " +
                        std::generic_category().message(errno) +
                        " (as root tacit needs CAP_SETUID and CAP_SETGID, and a user namespace "
                        "that knows this user; or start it as another user than root)");
  }
  if (wanted.uid != 0) empty_capability_sets();
  verify_account(wanted, user);
  make_undumpable();
}

void drop_capabilities() {
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
    refuse_confinement("the kernel refused no_new_privs", errno);
  empty_bounding_set();
  lock_securebits();
  empty_capability_sets();
}

void confine(process_role role, std::string const& folder,
             std::vector<std::string> const& readable) {
  require_one_thread();
  drop_capabilities();
  restrict_files(role, folder, readable);
  restrict_system_calls(role);
}

}  // namespace tacit::app
