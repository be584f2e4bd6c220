#include "app/data_folder.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <thread>

#include "kv/database.hpp"

namespace tacit::app {

namespace {

// A killed server's other process needs a moment to notice and let go of the lock.
constexpr int lock_attempts = 20;
constexpr std::chrono::milliseconds lock_pause{50};

[[noreturn]] void fail(std::string const& what, std::string const& path, int error) {
  std::string hint = "check its owner and permissions";
  if (error == EROFS) hint = "the disk is read-only; use a folder on another one with --data";
  if (error == ENOSPC) hint = "the disk is full; make room";
  if (error == ENOTDIR || error == EEXIST) hint = "something that is no folder is in the way";
  throw startup_error("cannot " + what + " " + path + " (" + std::strerror(error) + "): " + hint);
}

// A cut of power may take a folder away, with all that is in it, while its name is not on disk. Who
// may not read the folder that it is in cannot see to that.
void sync_name(std::string const& path) {
  std::string const parent = std::filesystem::path(path + "/..").lexically_normal().string();
  descriptor const folder(::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder.is_open() && errno == EACCES) return;
  if (!folder.is_open() || ::fsync(folder.number()) != 0) fail("sync the folder", parent, errno);
}

void make_folder(std::string const& path, mode_t mode) {
  if (::mkdir(path.c_str(), mode) == 0) {
    // The umask may have taken bits away.
    if (::chmod(path.c_str(), mode) != 0) fail("set the mode of", path, errno);
    sync_name(path);
    return;
  }
  struct stat about{};
  if (errno == EEXIST && ::stat(path.c_str(), &about) == 0 && S_ISDIR(about.st_mode)) return;
  fail("make the folder", path, errno);
}

void make_folders(std::string const& path, mode_t mode) {
  struct stat about{};
  if (::stat(path.c_str(), &about) == 0 && S_ISDIR(about.st_mode)) return;
  std::size_t const slash = path.find_last_of('/');
  if (slash != std::string::npos && slash > 0) make_folders(path.substr(0, slash), mode);
  make_folder(path, mode);
}

// A path that cannot be followed is one that does not exist.
std::string real_path(std::string const& path) {
  std::error_code ignored;
  return std::filesystem::weakly_canonical(std::filesystem::absolute(path), ignored).string();
}

}  // namespace

std::string store_folder(settings const& configured) { return configured.data_dir + "/store"; }

std::string api_socket_path(std::string const& store_folder) { return store_folder + "/api.sock"; }

std::string keeper_socket_path(settings const& configured) {
  return configured.run_dir + "/keeper.sock";
}

std::string credentials_socket_path(settings const& configured) {
  return configured.run_dir + "/credentials.sock";
}

std::string runtime_file_path(settings const& configured) {
  return configured.data_dir + "/runtimes";
}

descriptor lock_data_folder(settings const& configured) {
  if (real_path(configured.data_dir) == "/") {
    throw startup_error("the data folder " + configured.data_dir +
                        " is the whole file system's: give tacit a folder of its own with --data");
  }
  make_folders(configured.data_dir, 0755);
  std::string const path = configured.data_dir + "/lock";
  descriptor file(::open(path.c_str(), O_RDONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  // For reading only, as the api process has a copy of it; but a folder for writing.
  if (!file.is_open() || ::access(path.c_str(), W_OK) != 0) fail("open", path, errno);
  for (int attempt = 1; ::flock(file.number(), LOCK_EX | LOCK_NB) != 0; ++attempt) {
    if (errno != EWOULDBLOCK && errno != EINTR) fail("lock", path, errno);
    if (attempt == lock_attempts) {
      throw startup_error("another tacit serves the folder " + configured.data_dir +
                          ": stop it first, or use another folder with --data");
    }
    std::this_thread::sleep_for(lock_pause);
  }
  return file;
}

bool lies_within(std::string const& path, std::string const& folder) {
  std::string const within = real_path(folder) + "/";
  return (real_path(path) + "/").starts_with(within);
}

void make_subfolders(settings const& configured) {
  make_folder(store_folder(configured), 0700);
  if (lies_within(configured.run_dir, store_folder(configured))) {
    throw startup_error("the folder run_dir, " + configured.run_dir + ", lies in the store's, " +
                        store_folder(configured) +
                        ", where the api process may write: choose another");
  }
  make_folders(configured.run_dir, 0755);
  // What may happen to the keeper's sockets is decided by who may write here.
  struct stat about{};
  if (::stat(configured.run_dir.c_str(), &about) != 0) fail("look at", configured.run_dir, errno);
  if (about.st_uid != ::geteuid() && about.st_uid != 0) {
    throw startup_error("the folder " + configured.run_dir +
                        " belongs to another user: nobody but who starts tacit may own run_dir");
  }
  if ((about.st_mode & 0022) != 0) {
    throw startup_error("others can write to the folder " + configured.run_dir +
                        ": run chmod 0755 on it");
  }
}

void give_store_folder(settings const& configured, unsigned owner_uid, unsigned owner_gid) {
  std::string const store = store_folder(configured);
  struct stat about{};
  if (::stat(store.c_str(), &about) != 0) fail("look at", store, errno);
  bool const is_ours = about.st_uid == ::geteuid() && owner_uid != ::geteuid();
  if (!is_ours || kv::store_exists(store)) return;
  if (::chown(store.c_str(), owner_uid, owner_gid) != 0) fail("give away", store, errno);
}

}  // namespace tacit::app
