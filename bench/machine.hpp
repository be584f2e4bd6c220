// What /proc says: the machine of a run, and what the server's processes use.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace tacit::bench {

struct machine {
  std::string cpu;
  unsigned cores = 0;  // that this process may run on
  std::string kernel;
  std::string date;  // UTC, RFC 3339
};
[[nodiscard]] machine read_machine();

// User and system time together, to the clock tick (10 ms), and memory.
struct process_use {
  std::uint64_t cpu_ns = 0;
  std::uint64_t resident_bytes = 0;
};
// Sums over the processes; one that has ended counts nothing.
[[nodiscard]] process_use read_processes(std::vector<int> const& pids);
// The CPU time of this process so far.
[[nodiscard]] std::uint64_t own_cpu_ns();

}  // namespace tacit::bench
