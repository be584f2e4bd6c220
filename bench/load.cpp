#include "bench/load.hpp"

#include <sys/prctl.h>

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cstring>
#include <span>
#include <stdexcept>
#include <thread>

#include "bench/clock.hpp"
#include "net/tls_session.hpp"
#include "net/tls_trust.hpp"

namespace tacit::bench {

namespace asio = boost::asio;
using boost::system::error_code;
using use_task = asio::use_awaitable_t<asio::io_context::executor_type>;

namespace {

constexpr std::size_t input_bytes_first = 8 * 1024;
constexpr std::int64_t watch_ns = 100'000'000;

bool is_would_block(error_code const& error) {
  return error == asio::error::would_block || error == asio::error::try_again;
}

std::chrono::steady_clock::time_point time_of(std::int64_t ns) {
  return std::chrono::steady_clock::time_point(std::chrono::nanoseconds(ns));
}

void rethrow(std::exception_ptr const& failed) {
  if (failed) std::rethrow_exception(failed);
}

}  // namespace

// A connection. Its lanes are a ring: answers come in the order of the requests.
struct load::wire final : private net::tls_transport {
  wire(asio::io_context& context, std::uint32_t first_lane, std::uint32_t depth)
      : stream(context), lanes(depth), input(input_bytes_first) {
    for (std::uint32_t i = 0; i < depth; ++i) lanes[i].lane = first_lane + i;
  }

  [[nodiscard]] bool has_room() const noexcept { return under_way < lanes.size(); }
  operation& oldest() noexcept { return lanes[first]; }

  // Throws std::runtime_error when the server is not who it should be.
  void begin_tls(ssl_ctx_st* context, std::string const& host) {
    net::tls_transport& under = *this;
    tls.emplace(context, net::tls_side::client, under);
    net::expect_server(*tls, host);
    if (tls->shake_hands() == net::io_state::done) return;
    bool const untrusted = net::distrust_of(*tls) != net::distrust::none;
    throw std::runtime_error(
        untrusted ? "the server's certificate is not trusted: name its authority with --ca"
                  : "no TLS connection came about: " + std::string(tls->fault()));
  }

  // What was taken of the bytes; an error for all but "not now".
  std::size_t write_some(std::string_view bytes, error_code& error) {
    if (!tls) return stream.write_some(asio::buffer(bytes), error);
    net::io_result const put = tls->write_some(bytes);
    if (put.state == net::io_state::ended) error = asio::error::connection_reset;
    return put.bytes;
  }

  net::io_result carry_in(std::span<char> into) noexcept override {
    error_code error;
    return result_of(stream.read_some(asio::buffer(into.data(), into.size()), error), error);
  }
  net::io_result carry_out(std::string_view from) noexcept override {
    error_code error;
    return result_of(stream.write_some(asio::buffer(from), error), error);
  }
  static net::io_result result_of(std::size_t bytes, error_code const& error) {
    if (!error) return {net::io_state::done, bytes};
    return {is_would_block(error) ? net::io_state::would_block : net::io_state::ended, 0};
  }

  socket stream;
  std::optional<net::tls_session> tls;
  std::vector<operation> lanes;
  std::size_t first = 0;  // the lane that is answered next
  std::size_t under_way = 0;
  std::vector<char> input;
  std::size_t input_bytes = 0;
  std::string output;
  std::size_t output_sent = 0;
  bool sending = false;  // finish_sending() runs
  bool listed_free = false;
};

load::load(load_plan const& plan, work& source)
    : plan_(plan), source_(source), due_timer_(context_), watch_timer_(context_) {
  for (std::uint32_t i = 0; i < plan.connections; ++i) {
    wires_.push_back(
        std::make_unique<wire>(context_, plan.first_lane + i * plan.depth, plan.depth));
  }
  if (plan.bucket_ns > 0) {
    std::int64_t const span = plan.measure_until_ns - plan.measure_from_ns;
    results_.answered_over_time.resize(
        static_cast<std::size_t>((span + plan.bucket_ns - 1) / plan.bucket_ns));
  }
}

load::~load() = default;

void load::open(wire& one) {
  one.tls.reset();
  one.stream = socket(context_);
  one.stream.connect(plan_.server);
  if (plan_.server.protocol().family() != AF_UNIX) {
    one.stream.set_option(asio::ip::tcp::no_delay(true));
  }
  if (plan_.tls) one.begin_tls(tls_context_.get(), plan_.tls->host);
  one.stream.non_blocking(true);
}

void load::connect() {
  if (plan_.tls && plan_.tls->tls) {
    auto made = net::make_client_context(*plan_.tls->tls);
    if (!made) throw std::runtime_error("--ca: no file with certificates in PEM");
    tls_context_ = std::move(*made);
  }
  for (auto const& one : wires_) open(*one);
}

void load::run() {
  prctl(PR_SET_TIMERSLACK, 1ul);  // else a timer may come 50 us late
  std::this_thread::sleep_until(time_of(plan_.issue_from_ns));
  wires_open_ = wires_.size();
  for (auto const& one : wires_) asio::co_spawn(context_, run_wire(*one), rethrow);
  if (plan_.rate > 0) asio::co_spawn(context_, keep_schedule(), rethrow);
  asio::co_spawn(context_, keep_watch(), rethrow);
  try {
    context_.run();
  } catch (std::exception const& failed) {
    fail(failed.what());
  }
  ended_.store(true, std::memory_order_release);
}

void load::stop_at_once() {
  asio::post(context_, [this] { context_.stop(); });
}

void load::fail(std::string const& fault) {
  if (fault_.empty()) fault_ = fault;
  context_.stop();
}

std::int64_t load::due_next() const noexcept {
  auto const behind_ns = static_cast<double>(due_count_) * 1e9 / plan_.rate;
  return plan_.issue_from_ns + static_cast<std::int64_t>(behind_ns);
}

bool load::may_issue(std::int64_t now) const noexcept {
  if (exhausted_ || stopped_.load(std::memory_order_relaxed)) return false;
  return (plan_.rate > 0 ? due_next() : now) < plan_.measure_until_ns;
}

// Puts one request into the output. False when the work has none left.
bool load::issue(wire& one, std::int64_t due_ns, std::int64_t now) {
  operation& next = one.lanes[(one.first + one.under_way) % one.lanes.size()];
  std::size_t const bytes_before = one.output.size();
  if (!source_.next(next, one.output)) {
    exhausted_ = true;
    return false;
  }
  next.bytes = static_cast<std::uint32_t>(one.output.size() - bytes_before);
  next.due_ns = due_ns;
  next.sent_ns = now;
  if (plan_.rate > 0 && due_ns >= plan_.measure_from_ns) {
    results_.lateness.record(static_cast<std::uint64_t>(now - due_ns));
  }
  ++one.under_way;
  return true;
}

// Open loop: sends what is due, as far as lanes are free.
void load::issue_due() {
  std::int64_t const now = now_ns();
  while (!free_.empty() && may_issue(now)) {
    std::int64_t const due = due_next();
    if (due > now) return;
    wire& one = *free_.front();
    free_.pop_front();
    one.listed_free = false;
    ++due_count_;
    if (!issue(one, due, now)) return;
    send(one);
    if (!one.has_room()) continue;
    one.listed_free = true;
    free_.push_back(&one);
  }
}

// Closed loop: gives every free lane a request. Open loop: offers the free lanes to the schedule.
void load::refill(wire& one) {
  if (plan_.rate > 0) {
    if (one.has_room() && !one.listed_free) {
      one.listed_free = true;
      free_.push_back(&one);
    }
    issue_due();
    if (waits_for_lane_ && !free_.empty()) {
      waits_for_lane_ = false;
      due_timer_.cancel();
    }
    return;
  }
  std::int64_t const now = now_ns();
  if (may_issue(now)) {
    while (one.has_room() && issue(one, now, now)) {
    }
  }
  send(one);
}

void load::send(wire& one) {
  if (one.sending || one.output.empty()) return;
  error_code error;
  one.output_sent = one.write_some(one.output, error);
  if (error && !is_would_block(error)) return;  // reading says what happened
  if (one.output_sent == one.output.size()) {
    one.output.clear();
    return;
  }
  one.sending = true;
  asio::co_spawn(context_, finish_sending(one), rethrow);
}

load::task<void> load::finish_sending(wire& one) {
  error_code error;
  auto token = asio::redirect_error(use_task(), error);
  while (!error && one.output_sent < one.output.size()) {
    co_await one.stream.async_wait(asio::socket_base::wait_write, token);
    if (error) break;
    std::string_view const rest = std::string_view(one.output).substr(one.output_sent);
    one.output_sent += one.write_some(rest, error);
    if (is_would_block(error)) error = {};
  }
  one.output.clear();
  one.sending = false;
}

// Into the free part of its input.
load::task<std::size_t> load::read(wire& one, error_code& error) {
  auto token = asio::redirect_error(use_task(), error);
  std::span<char> const room = std::span(one.input).subspan(one.input_bytes);
  if (!one.tls) {
    asio::mutable_buffer const into(room.data(), room.size());
    co_return co_await one.stream.async_read_some(into, token);
  }
  while (!error) {
    net::io_result const got = one.tls->read_some(room);
    if (got.state == net::io_state::done) co_return got.bytes;
    if (got.state == net::io_state::ended) {
      error = asio::error::eof;
    } else {
      co_await one.stream.async_wait(asio::socket_base::wait_read, token);
    }
  }
  co_return 0;
}

load::task<void> load::run_wire(wire& one) {
  error_code error;
  refill(one);
  while (one.under_way > 0 || may_issue(now_ns())) {
    if (one.input_bytes == one.input.size()) one.input.resize(one.input.size() * 2);
    std::size_t const got = co_await read(one, error);
    if (error) {
      if (one.under_way == 0 && !may_issue(now_ns())) break;
      if (one.under_way > 0) {
        fail("the connection broke before an answer came: " + error.message());
        co_return;
      }
      open(one);  // an idle connection may be closed
      ++results_.reconnects;
      continue;
    }
    one.input_bytes += got;
    take_answers(one, now_ns());
    refill(one);
  }
  one.stream.close(error);
  if (--wires_open_ > 0) co_return;
  due_timer_.cancel();
  watch_timer_.cancel();
}

void load::take_answers(wire& one, std::int64_t now) {
  std::string_view rest(one.input.data(), one.input_bytes);
  answer got;
  framing found = framing::complete;
  while (!rest.empty() && fault_.empty()) {
    found = find_answer(rest, got);
    if (found != framing::complete) break;
    if (one.under_way == 0) return fail("an answer came that nothing was asked for");
    if (got.closes) return fail("the server closes the connection behind an answer");
    take_answer(one, got, now);
    rest.remove_prefix(got.bytes);
  }
  if (found == framing::not_understood) {
    return fail("what came is not HTTP/1.1 with a Content-Length");
  }
  std::memmove(one.input.data(), rest.data(), rest.size());
  one.input_bytes = rest.size();
  bool const is_large = found == framing::incomplete && got.bytes > one.input.size();
  if (is_large) one.input.resize(got.bytes);
}

void load::take_answer(wire& one, answer const& got, std::int64_t now) {
  operation const& at = one.oldest();
  bool const refused = got.status == 429;
  std::string const fault = refused ? source_.refused(at) : source_.check(at, got);
  if (!fault.empty()) fail(fault);
  std::uint64_t const before = answered_.load(std::memory_order_relaxed);
  answered_.store(before + 1, std::memory_order_relaxed);  // this thread alone writes it
  if (at.due_ns >= plan_.measure_from_ns && at.due_ns < plan_.measure_until_ns) {
    auto& latencies = results_.latencies[static_cast<std::size_t>(at.kind)];
    if (latencies == nullptr) latencies = std::make_unique<histogram>();
    latencies->record(static_cast<std::uint64_t>(std::max<std::int64_t>(now - at.due_ns, 0)));
  }
  if (plan_.bucket_ns > 0 && now >= plan_.measure_from_ns && now < plan_.measure_until_ns) {
    ++results_.answered;
    results_.refused += refused ? 1 : 0;
    results_.sent_bytes += at.bytes;
    results_.received_bytes += got.bytes;
    ++results_.answered_over_time[static_cast<std::size_t>((now - plan_.measure_from_ns) /
                                                           plan_.bucket_ns)];
  }
  one.first = (one.first + 1) % one.lanes.size();
  --one.under_way;
}

// Open loop: waits for the next request that is due, until the last was sent or it is too late.
load::task<void> load::keep_schedule() {
  error_code error;
  auto token = asio::redirect_error(use_task(), error);
  std::int64_t const too_late = plan_.measure_until_ns + to_ns(overdue_seconds_max);
  while (may_issue(now_ns())) {
    issue_due();
    std::int64_t const now = now_ns();
    if (now >= too_late) break;
    // Without a free lane it is an answer that goes on. Looks up now and then for stop().
    waits_for_lane_ = free_.empty();
    std::int64_t const next = free_.empty() ? now + watch_ns : std::min(due_next(), now + watch_ns);
    due_timer_.expires_at(time_of(next));
    co_await due_timer_.async_wait(token);
  }
  record_overdue();
  exhausted_ = true;
  end_idle_wires();
}

void load::record_overdue() {
  std::int64_t const now = now_ns();
  for (; may_issue(now); ++due_count_) {
    std::int64_t const due = due_next();
    if (due >= plan_.measure_from_ns)
      results_.overdue.record(static_cast<std::uint64_t>(now - due));
  }
}

void load::end_idle_wires() {
  error_code ignored;
  for (auto const& one : wires_) {
    if (one->under_way == 0) one->stream.cancel(ignored);
  }
}

// Fails the run when an answer does not come, and sees to it that idle wires end after stop().
load::task<void> load::keep_watch() {
  error_code error;
  auto token = asio::redirect_error(use_task(), error);
  while (wires_open_ > 0) {
    watch_timer_.expires_after(std::chrono::nanoseconds(watch_ns));
    co_await watch_timer_.async_wait(token);
    if (error) co_return;
    std::int64_t const oldest_allowed = now_ns() - plan_.timeout_ns;
    for (auto const& one : wires_) {
      if (one->under_way == 0 || one->oldest().sent_ns >= oldest_allowed) continue;
      fail("no answer within the time of --timeout");
      co_return;
    }
    if (!may_issue(now_ns())) end_idle_wires();
  }
}

}  // namespace tacit::bench
