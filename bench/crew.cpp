#include "bench/crew.hpp"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <numeric>
#include <thread>

#include "bench/account.hpp"
#include "bench/clock.hpp"

namespace tacit::bench {

namespace {

constexpr auto tick_time = std::chrono::milliseconds(10);
constexpr std::int64_t patience_ns = 3 * nanoseconds_a_second;
constexpr int signals_to_die = 2;

std::atomic<int> signals_seen{0};
std::atomic<bool> interrupt_counts{true};
static_assert(std::atomic<int>::is_always_lock_free);

extern "C" void note_signal(int) {
  if (signals_seen.fetch_add(1) + 1 < signals_to_die) return;
  constexpr char text[] =
      "\ntacit-bench: stopped at once; projects and API keys bench-... may be left\n";
  [[maybe_unused]] ssize_t const ignored = write(STDERR_FILENO, text, sizeof text - 1);
  _exit(exit_interrupted);
}

bool any_has_fault(load_list const& loads) {
  return std::any_of(loads.begin(), loads.end(),
                     [](auto const& one) { return one->ended() && !one->fault().empty(); });
}

bool all_ended(load_list const& loads) {
  return std::all_of(loads.begin(), loads.end(), [](auto const& one) { return one->ended(); });
}

}  // namespace

crew_end run_crew(load_list const& loads, std::function<void()> const& tick) {
  for (auto const& one : loads) one->connect();
  std::vector<std::jthread> threads;
  for (auto const& one : loads) threads.emplace_back([&one = *one] { one.run(); });
  std::int64_t stopped_ns = 0;
  bool at_once = false;
  while (!all_ended(loads)) {
    tick();
    std::this_thread::sleep_for(tick_time);
    if (stopped_ns == 0 && is_interrupted()) {
      stopped_ns = now_ns();
      for (auto const& one : loads) one->stop();
    }
    bool const out_of_patience = stopped_ns != 0 && now_ns() - stopped_ns > patience_ns;
    if (at_once || !(any_has_fault(loads) || out_of_patience)) continue;
    at_once = true;
    for (auto const& one : loads) one->stop_at_once();
  }
  threads.clear();
  tick();
  for (auto const& one : loads) {
    if (!one->fault().empty()) throw run_fault(one->fault());
  }
  return stopped_ns != 0 ? crew_end::interrupted : crew_end::done;
}

std::uint64_t answered_by(load_list const& loads) noexcept {
  return std::accumulate(loads.begin(), loads.end(), std::uint64_t{0},
                         [](std::uint64_t sum, auto const& one) { return sum + one->answered(); });
}

void watch_signals() {
  struct sigaction action{};
  action.sa_handler = note_signal;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  action.sa_handler = SIG_IGN;
  sigaction(SIGPIPE, &action, nullptr);
}

bool is_interrupted() noexcept { return interrupt_counts.load() && signals_seen.load() > 0; }

void ignore_interrupt() noexcept { interrupt_counts.store(false); }

}  // namespace tacit::bench
