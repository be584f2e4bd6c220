#include "app/root_key_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "app/data_folder.hpp"
#include "app/descriptor.hpp"
#include "app/settings/settings.hpp"
#include "app/system_fault.hpp"
#include "kv/database.hpp"

namespace tacit::app {

namespace {

std::string advice_on(int error) {
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      return ": make its folder first, or name another file with --key-file";
    case EACCES:
    case EPERM:
      return ": check the owner and permissions of it and its folder";
    case EROFS:
      return ": the disk is read-only; name a file on another one with --key-file";
    case ENOSPC:
    case EDQUOT:
      return ": the disk is full; make room, or use a folder on another one with --data";
    case EFBIG:
      return std::string(": ") + file_size_advice;
    default:
      return "";
  }
}

[[noreturn]] void fail(std::string const& what, std::string const& file, int error) {
  throw startup_error("cannot " + what + " the root key " + file + " (" + std::strerror(error) +
                      ")" + advice_on(error));
}

std::string folder_of(std::string const& file) {
  std::size_t const slash = file.find_last_of('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : file.substr(0, slash);
}

void sync_folder(std::string const& folder) {
  descriptor const open(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!open.is_open() || ::fsync(open.number()) != 0) fail("sync the folder of", folder, errno);
}

core::root_key read_key(descriptor const& open, std::string const& file) {
  struct stat about{};
  if (::fstat(open.number(), &about) != 0) fail("look at", file, errno);
  if (!S_ISREG(about.st_mode)) {
    throw startup_error("the root key " + file + " is not a file: name the file with --key-file");
  }
  if ((about.st_mode & 0077) != 0) {
    throw startup_error("others can read the root key " + file + ": run chmod 0400 on it");
  }
  if (about.st_uid != ::geteuid() && about.st_uid != 0) {
    throw startup_error("the root key " + file + " belongs to another user: give it to this one");
  }
  if (about.st_size != static_cast<off_t>(core::root_key::bytes)) {
    throw startup_error("the root key " + file + " has " + std::to_string(about.st_size) +
                        " bytes, not 32: restore it from a copy");
  }
  core::root_key key;
  auto const got = ::read(open.number(), key.reveal_mutable().data(), core::root_key::bytes);
  if (got != static_cast<ssize_t>(core::root_key::bytes)) fail("read", file, got < 0 ? errno : EIO);
  return key;
}

// Under another name first, so that no crash leaves a piece of a key behind.
core::root_key make_key(std::string const& file) {
  std::string const unfinished = file + ".new";
  ::unlink(unfinished.c_str());
  descriptor const made(
      ::open(unfinished.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0400));
  if (!made.is_open()) fail("make", file, errno);
  core::root_key key = core::make_root_key();
  auto const put = ::write(made.number(), key.reveal().data(), core::root_key::bytes);
  if (put != static_cast<ssize_t>(core::root_key::bytes))
    fail("write", file, put < 0 ? errno : EIO);
  if (::fsync(made.number()) != 0) fail("sync", file, errno);
  if (::rename(unfinished.c_str(), file.c_str()) != 0) fail("name", file, errno);
  sync_folder(folder_of(file));
  return key;
}

}  // namespace

loaded_root_key load_or_make_root_key(root_key_source const& source) {
  if (lies_within(source.file, source.store_folder)) {
    throw startup_error("the root key " + source.file + " lies in the store's folder " +
                        source.store_folder +
                        ", where the api process could read it: name a file elsewhere with "
                        "--key-file, and move the key there when there is one");
  }
  // Not blocking: what lies there may be no file.
  descriptor const open(::open(source.file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (open.is_open()) return {read_key(open, source.file), false};
  if (errno != ENOENT) fail("open", source.file, errno);
  if (kv::store_exists(source.store_folder)) {
    throw startup_error("the root key " + source.file + " is missing, but the store " +
                        source.store_folder +
                        " exists: restore the key from a copy; a new one would not open the store");
  }
  return {make_key(source.file), true};
}

}  // namespace tacit::app
