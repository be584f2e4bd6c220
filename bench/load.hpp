// One thread's share of the load: its connections, its io_context, and what came of it.
//
// Closed loop: each lane sends its next request when its last was answered. Open loop: requests
// are due at a constant rate, whatever the server does; each goes out on the first free lane, and
// its latency counts from the moment it was due, so that a stalled server is not flattered
// ("coordinated omission").
#pragma once

#include <array>
#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bench/histogram.hpp"
#include "bench/work.hpp"
#include "net/client.hpp"

namespace tacit::bench {

inline constexpr double overdue_seconds_max = 10;  // open loop: sent so long behind the end

using load_endpoint = boost::asio::generic::stream_protocol::endpoint;

struct load_plan {
  load_endpoint server;
  std::optional<net::tcp_endpoint> tls;  // the same, when it speaks TLS
  std::uint32_t connections = 1;
  std::uint32_t first_lane = 0;
  std::uint32_t depth = 1;
  double rate = 0;                 // requests a second of this thread; 0: closed loop
  std::int64_t issue_from_ns = 0;  // monotonic, as all of these
  std::int64_t measure_from_ns = 0;
  std::int64_t measure_until_ns = 0;  // no request is due from then on; max: until the work ends
  std::int64_t bucket_ns = 0;         // of the rate over time; 0: nothing is measured
  std::int64_t timeout_ns = 0;
};

// What is measured: requests that were due (closed loop: sent) in the measured time have their
// latency recorded, whenever they were answered; rates count the answers in the measured time.
struct measured {
  std::array<std::unique_ptr<histogram>, request_kinds> latencies;  // null: none of the kind
  histogram lateness;                                               // open loop: from due to sent
  std::vector<std::uint64_t> answered_over_time;
  std::uint64_t answered = 0;
  std::uint64_t refused = 0;  // of them, with 429
  std::uint64_t sent_bytes = 0;
  std::uint64_t received_bytes = 0;
  std::uint64_t reconnects = 0;
  histogram overdue;  // open loop: requests that were never sent, and how late they were by then
};

class load {
 public:
  load(load_plan const& plan, work& source);
  ~load();

  // The thread's whole life. Throws boost::system::system_error when it cannot connect.
  void connect();
  void run();

  // From any thread: no new requests; answers under way are waited for. At once: not even these.
  void stop() noexcept { stopped_.store(true, std::memory_order_relaxed); }
  void stop_at_once();

  // From any thread: all answers so far, also those of the warm-up.
  [[nodiscard]] std::uint64_t answered() const noexcept {
    return answered_.load(std::memory_order_relaxed);
  }
  [[nodiscard]] bool ended() const noexcept { return ended_.load(std::memory_order_acquire); }

  // When it has ended. The first thing that was wrong, "" when all was right.
  [[nodiscard]] std::string const& fault() const noexcept { return fault_; }
  [[nodiscard]] measured const& results() const noexcept { return results_; }

 private:
  using executor = boost::asio::io_context::executor_type;
  using socket = boost::asio::basic_stream_socket<boost::asio::generic::stream_protocol, executor>;
  using timer = boost::asio::basic_waitable_timer<
      std::chrono::steady_clock, boost::asio::wait_traits<std::chrono::steady_clock>, executor>;
  template <typename T>
  using task = boost::asio::awaitable<T, executor>;
  struct wire;

  void open(wire& one);
  task<std::size_t> read(wire& one, boost::system::error_code& error);
  task<void> run_wire(wire& one);
  task<void> finish_sending(wire& one);
  task<void> keep_schedule();
  task<void> keep_watch();

  [[nodiscard]] std::int64_t due_next() const noexcept;
  [[nodiscard]] bool may_issue(std::int64_t now) const noexcept;
  bool issue(wire& one, std::int64_t due_ns, std::int64_t now);
  void issue_due();
  void refill(wire& one);
  void send(wire& one);
  void take_answers(wire& one, std::int64_t now);
  void take_answer(wire& one, answer const& got, std::int64_t now);
  void end_idle_wires();
  void record_overdue();
  void fail(std::string const& fault);

  boost::asio::io_context context_{1};
  load_plan plan_;
  work& source_;
  net::tls_context_ptr tls_context_;  // null: no TLS
  std::vector<std::unique_ptr<wire>> wires_;
  std::size_t wires_open_ = 0;
  timer due_timer_;
  timer watch_timer_;
  bool exhausted_ = false;       // the work has no more requests
  std::uint64_t due_count_ = 0;  // open loop: requests taken from the schedule
  std::deque<wire*> free_;       // open loop: with a free lane, each once
  bool waits_for_lane_ = false;  // open loop: keep_schedule() sleeps until one is free
  std::string fault_;
  measured results_;

  std::atomic<bool> stopped_{false};
  std::atomic<bool> ended_{false};
  std::atomic<std::uint64_t> answered_{0};
};

}  // namespace tacit::bench
