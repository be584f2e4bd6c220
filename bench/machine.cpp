#include "bench/machine.hpp"

#include <sched.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <array>
#include <ctime>
#include <fstream>
#include <sstream>

namespace tacit::bench {

namespace {

constexpr std::uint64_t ns_a_second = 1'000'000'000;

std::string cpu_model() {
  std::ifstream info("/proc/cpuinfo");
  std::string line;
  while (std::getline(info, line)) {
    if (!line.starts_with("model name")) continue;
    std::size_t const colon = line.find(": ");
    if (colon != line.npos) return line.substr(colon + 2);
  }
  return "unknown";
}

std::uint64_t ns_of(timeval const& time) {
  return static_cast<std::uint64_t>(time.tv_sec) * ns_a_second +
         static_cast<std::uint64_t>(time.tv_usec) * 1000;
}

// Fields 14 and 15 of proc(5) stat; the name in field 2 may hold anything, so from its end.
std::uint64_t cpu_ticks(int pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string all;
  std::getline(file, all);
  std::size_t const name_end = all.rfind(')');
  if (name_end == all.npos) return 0;
  std::istringstream fields(all.substr(name_end + 1));
  std::string skipped;
  for (int i = 3; i < 14; ++i) fields >> skipped;
  std::uint64_t user = 0;
  std::uint64_t system = 0;
  fields >> user >> system;
  return user + system;
}

std::uint64_t resident_pages(int pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/statm");
  std::uint64_t size = 0;
  std::uint64_t resident = 0;
  file >> size >> resident;
  return resident;
}

}  // namespace

machine read_machine() {
  machine found;
  found.cpu = cpu_model();
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  if (sched_getaffinity(0, sizeof allowed, &allowed) == 0) {
    found.cores = static_cast<unsigned>(CPU_COUNT(&allowed));
  }
  utsname system{};
  if (uname(&system) == 0) found.kernel = std::string(system.sysname) + " " + system.release;
  std::time_t const now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  std::array<char, 32> text{};
  found.date.assign(text.data(),
                    std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts));
  return found;
}

process_use read_processes(std::vector<int> const& pids) {
  auto const ticks_a_second = static_cast<std::uint64_t>(sysconf(_SC_CLK_TCK));
  auto const page_bytes = static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
  process_use sum;
  for (int const pid : pids) {
    sum.cpu_ns += cpu_ticks(pid) * (ns_a_second / ticks_a_second);
    sum.resident_bytes += resident_pages(pid) * page_bytes;
  }
  return sum;
}

std::uint64_t own_cpu_ns() {
  rusage use{};
  getrusage(RUSAGE_SELF, &use);
  return ns_of(use.ru_utime) + ns_of(use.ru_stime);
}

}  // namespace tacit::bench
