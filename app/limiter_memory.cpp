// The segment: magic(8) instance(16) boot id(40, text) words(8 each), padded to the head's size.
#include "app/limiter_memory.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string>

#include "app/descriptor.hpp"
#include "app/settings/settings.hpp"
#include "app/system_fault.hpp"

namespace tacit::app {

namespace {

constexpr std::uint64_t segment_magic = 0x3174'696d'696c'6374;  // changes with the layout

struct segment_head {
  std::uint64_t magic;
  core::instance_tag instance;
  std::array<char, 40> boot_id;
};
constexpr std::size_t head_bytes = 64;
static_assert(sizeof(segment_head) == head_bytes);
constexpr std::size_t segment_bytes =
    head_bytes + core::rate_limiter::words * sizeof(core::rate_limiter::word);

std::array<char, 40> read_boot_id() {
  std::array<char, 40> id{};
  descriptor const file(::open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC));
  if (!file.is_open() || ::read(file.number(), id.data(), id.size()) <= 0) return {};
  return id;
}

std::string segment_name(core::instance_tag const& instance) {
  constexpr std::string_view hex = "0123456789abcdef";
  std::string name = "/tacit-";
  for (unsigned char const byte : instance) {
    name.push_back(hex[byte >> 4]);
    name.push_back(hex[byte & 15u]);
  }
  return name;
}

[[noreturn]] void refuse(std::string const& name, std::string const& why,
                         std::string const& advice = "remove the file, then start again") {
  throw startup_error("the shared memory /dev/shm" + name + " " + why + ": " + advice);
}

[[noreturn]] void fail(std::string const& name, std::string const& what, int error) {
  std::string const why = "cannot be " + what + " (" + std::strerror(error) + ")";
  if (error == ENOSPC) refuse(name, why, "make room in /dev/shm, some 100 KB");
  if (error == EFBIG) refuse(name, why, file_size_advice);
  struct stat about{};
  if (::lstat(("/dev/shm" + name).c_str(), &about) == 0) refuse(name, why);
  refuse(name, why, "user " + std::to_string(::geteuid()) + " must be able to write to /dev/shm");
}

void check_is_ours(int segment, std::string const& name) {
  struct stat about{};
  if (::fstat(segment, &about) != 0) refuse(name, "cannot be looked at");
  if (!S_ISREG(about.st_mode)) refuse(name, "is not a file");
  if (about.st_uid != ::geteuid()) refuse(name, "belongs to another user");
  if ((about.st_mode & 0777) != 0600) refuse(name, "is open to other users");
  if (about.st_size != 0 && about.st_size != static_cast<off_t>(segment_bytes)) {
    refuse(name, "has another size");
  }
}

}  // namespace

limiter_table open_limiter_memory(core::instance_tag const& instance) {
  std::string const name = segment_name(instance);
  descriptor const segment(::shm_open(name.c_str(), O_RDWR | O_CREAT, 0600));
  if (!segment.is_open()) fail(name, "opened", errno);
  check_is_ours(segment.number(), name);
  // All of it now: memory that is missing when it is written to would end the process.
  int const error = ::posix_fallocate(segment.number(), 0, segment_bytes);
  if (error != 0) fail(name, "made", error);
  void* const mapped =
      ::mmap(nullptr, segment_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, segment.number(), 0);
  if (mapped == MAP_FAILED) fail(name, "mapped", errno);

  segment_head expected{segment_magic, instance, read_boot_id()};
  if (std::memcmp(mapped, &expected, sizeof expected) != 0) {
    std::fill_n(static_cast<char*>(mapped), segment_bytes, '\0');
    std::memcpy(mapped, &expected, sizeof expected);
  }
  auto* const words =
      reinterpret_cast<core::rate_limiter::word*>(static_cast<char*>(mapped) + head_bytes);
  return limiter_table(words, core::rate_limiter::words);
}

}  // namespace tacit::app
