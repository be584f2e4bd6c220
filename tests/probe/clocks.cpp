// The clocks of both processes, set by a test while they run. PROBE_CLOCK names a file of three
// 64-bit numbers that the test writes: nanoseconds to add to the time of day and to the time since
// boot, and whether the time since boot shall be the time of day instead (a fault, planted to see
// that it is found). Every clock_gettime of the program goes here, the C++ library's and RocksDB's
// too (ld --wrap, tests/CMakeLists.txt). The file is mapped before the process confines itself.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>

namespace tacit::probe {
namespace {

struct settings_of_clocks {
  std::int64_t day_nanoseconds;
  std::int64_t boot_nanoseconds;
  std::int64_t boot_is_day;
};

settings_of_clocks const volatile* map_settings() {
  char const* const path = std::getenv("PROBE_CLOCK");
  if (path == nullptr) return nullptr;
  int const file = open(path, O_RDONLY | O_CLOEXEC);
  void* const mapped = mmap(nullptr, sizeof(settings_of_clocks), PROT_READ, MAP_SHARED, file, 0);
  if (file >= 0) close(file);
  if (mapped == MAP_FAILED) {
    std::perror("PROBE_CLOCK");
    _exit(1);
  }
  return static_cast<settings_of_clocks const volatile*>(mapped);
}

settings_of_clocks const volatile* const given = map_settings();

}  // namespace

int original_gettime(clockid_t, timespec*) noexcept __asm__("__real_clock_gettime");
int gettime(clockid_t, timespec*) noexcept __asm__("__wrap_clock_gettime");
int gettime(clockid_t which, timespec* now) noexcept {
  // Null before this file's variables are made, too.
  if (given == nullptr) return original_gettime(which, now);
  if (which == CLOCK_BOOTTIME && given->boot_is_day != 0) which = CLOCK_REALTIME;
  int const answer = original_gettime(which, now);
  std::int64_t offset = 0;
  if (which == CLOCK_REALTIME || which == CLOCK_REALTIME_COARSE) offset = given->day_nanoseconds;
  if (which == CLOCK_BOOTTIME) offset = given->boot_nanoseconds;
  constexpr std::int64_t second = 1'000'000'000;
  std::int64_t const sum = now->tv_sec * second + now->tv_nsec + offset;
  now->tv_sec = sum / second;
  now->tv_nsec = sum % second;
  return answer;
}

}  // namespace tacit::probe
