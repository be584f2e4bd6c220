// The results of a run, and the three ways to show them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bench/histogram.hpp"
#include "bench/machine.hpp"
#include "bench/options.hpp"

namespace tacit::bench {

inline constexpr std::pair<double, char const*> percentiles[] = {
    {0.5, "p50"}, {0.9, "p90"}, {0.99, "p99"}, {0.999, "p99.9"}, {0.9999, "p99.99"}};

struct report {
  options asked;
  machine on;

  std::vector<std::pair<std::string, histogram>> by_request;  // kinds that were asked
  histogram all;                                              // with the overdue ones
  histogram lateness;                                         // open loop: from due to sent
  double seconds = 0;                                         // measured
  std::uint64_t answered = 0;                                 // in that time, as all below
  std::uint64_t refused = 0;                                  // of them, with 429
  std::uint64_t overdue = 0;                                  // open loop: never sent
  std::uint64_t sent_bytes = 0;
  std::uint64_t received_bytes = 0;
  std::uint64_t reconnects = 0;
  double bucket_seconds = 1;
  std::vector<std::uint64_t> answered_over_time;  // by bucket

  // The server's processes (--server-pid) and tacit-bench itself, over `cpu_requests` requests.
  std::uint64_t cpu_requests = 0;
  std::uint64_t client_cpu_ns = 0;
  std::uint64_t server_cpu_ns = 0;
  std::uint64_t server_resident_bytes = 0;
  double cpu_seconds = 0;  // how long the two were watched

  std::uint64_t projects_checked = 0;  // at the end: their lists are what was written
  std::uint64_t entries_left = 0;      // of insert-delete, checked too
  bool tags_checked = true;            // false: the server gave no versions
  std::string fault;                   // "" when every answer was right
};

[[nodiscard]] double answered_a_second(report const& of) noexcept;
// Remarks that a reader of the figures needs: limits met, a client at its own limit.
[[nodiscard]] std::vector<std::string> remarks_on(report const& of);

[[nodiscard]] std::string table_of(report const& of);
[[nodiscard]] std::string json_of(report const& of);
[[nodiscard]] std::string html_of(report const& of);

// "1.23 ms", "187 us".
[[nodiscard]] std::string shown_time(std::uint64_t nanoseconds);
// "12,345".
[[nodiscard]] std::string shown_count(std::uint64_t count);
[[nodiscard]] std::string shown_bytes(std::uint64_t bytes);
[[nodiscard]] std::string with_digits(double number, int digits);
// The settings as names and values, in the order of --help.
[[nodiscard]] std::vector<std::pair<std::string, std::string>> shown_settings(report const& of);

}  // namespace tacit::bench
