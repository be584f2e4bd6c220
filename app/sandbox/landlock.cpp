#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

#include "app/descriptor.hpp"
#include "app/sandbox/sandbox.hpp"

namespace tacit::app {
namespace {

// From linux/landlock.h, whose copy on the build machine may be older than the kernel that we run
// on: the kernel's interface, so these never change.
constexpr std::uint64_t fs_write_file = 1ull << 1;
constexpr std::uint64_t fs_read_file = 1ull << 2;
constexpr std::uint64_t fs_read_dir = 1ull << 3;
constexpr std::uint64_t fs_remove_dir = 1ull << 4;
constexpr std::uint64_t fs_remove_file = 1ull << 5;
constexpr std::uint64_t fs_make_dir = 1ull << 7;
constexpr std::uint64_t fs_make_regular = 1ull << 8;
constexpr std::uint64_t fs_refer = 1ull << 13;      // ABI 2
constexpr std::uint64_t fs_truncate = 1ull << 14;   // ABI 3
constexpr std::uint64_t fs_ioctl_dev = 1ull << 15;  // ABI 5
constexpr std::uint64_t fs_all_of_abi_1 = (1ull << 13) - 1;
constexpr std::uint64_t net_bind_and_connect_tcp = 3;   // ABI 4
constexpr std::uint64_t scope_abstract_and_signal = 3;  // ABI 6
constexpr unsigned create_ruleset_version = 1;
constexpr unsigned rule_path_beneath = 1;

struct ruleset_attributes {
  std::uint64_t handled_access_fs = 0;
  std::uint64_t handled_access_net = 0;
  std::uint64_t scoped = 0;
};

struct [[gnu::packed]] path_beneath {
  std::uint64_t allowed_access;
  std::int32_t parent;
};

// What the rules speak about, and so forbid where none allows it: all that this kernel knows of.
ruleset_attributes handled_by(long abi) {
  ruleset_attributes handled{.handled_access_fs = fs_all_of_abi_1};
  if (abi >= 2) handled.handled_access_fs |= fs_refer;
  if (abi >= 3) handled.handled_access_fs |= fs_truncate;
  if (abi >= 4) handled.handled_access_net = net_bind_and_connect_tcp;
  if (abi >= 5) handled.handled_access_fs |= fs_ioctl_dev;
  if (abi >= 6) handled.scoped = scope_abstract_and_signal;
  return handled;
}

// No execute, no devices, links, pipes or sockets.
std::uint64_t rights_in_folder(process_role role) {
  switch (role) {
    case process_role::api:
      return fs_read_file | fs_read_dir | fs_write_file | fs_truncate | fs_make_regular |
             fs_make_dir | fs_remove_file | fs_remove_dir | fs_refer;
    case process_role::keeper:
      return fs_read_file | fs_read_dir | fs_remove_file;
  }
  return 0;
}

void allow(descriptor const& ruleset, std::string const& path, std::uint64_t rights) {
  descriptor const place(open(path.c_str(), O_PATH | O_CLOEXEC));
  if (!place.is_open()) refuse_confinement("cannot open " + path, errno);
  path_beneath const rule{rights, place.number()};
  if (syscall(SYS_landlock_add_rule, ruleset.number(), rule_path_beneath, &rule, 0) != 0) {
    refuse_confinement("the kernel refused the Landlock rule for " + path, errno);
  }
}

// A rule for a file may not name the rights of a folder.
bool is_folder(std::string const& path) {
  descriptor const opened(open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  return opened.is_open();
}

}  // namespace

void restrict_files(process_role role, std::string const& folder,
                    std::vector<std::string> const& readable) {
  long const abi = syscall(SYS_landlock_create_ruleset, nullptr, 0, create_ruleset_version);
  if (abi < 1) refuse_confinement("this kernel has no Landlock", errno);
  ruleset_attributes const handled = handled_by(abi);
  descriptor const ruleset(
      static_cast<int>(syscall(SYS_landlock_create_ruleset, &handled, sizeof handled, 0)));
  if (!ruleset.is_open()) refuse_confinement("the kernel refused a Landlock ruleset", errno);
  if (!folder.empty()) allow(ruleset, folder, rights_in_folder(role) & handled.handled_access_fs);
  for (std::string const& path : readable) {
    allow(ruleset, path, is_folder(path) ? fs_read_file | fs_read_dir : fs_read_file);
  }
  if (syscall(SYS_landlock_restrict_self, ruleset.number(), 0) != 0) {
    refuse_confinement("the kernel refused Landlock", errno);
  }
}

}  // namespace tacit::app
