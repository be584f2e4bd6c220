#include "bench/run.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <limits>
#include <numeric>
#include <optional>
#include <thread>

#include "app/cli/error.hpp"
#include "app/cli/output.hpp"
#include "bench/account.hpp"
#include "bench/clock.hpp"
#include "bench/crew.hpp"
#include "bench/report.hpp"
#include "core/api_key.hpp"

namespace tacit::bench {

namespace {

constexpr std::uint32_t chore_connections = 128;
constexpr std::uint32_t usual_secret_limit = 25;
constexpr std::int64_t start_delay_ns = 20'000'000;
constexpr auto settle_time = std::chrono::milliseconds(300);

std::string new_run_name() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  auto const seed = static_cast<std::uint64_t>(now.tv_sec * nanoseconds_a_second + now.tv_nsec) ^
                    (static_cast<std::uint64_t>(getpid()) << 40);
  char text[32];
  std::snprintf(text, sizeof text, "bench-%08" PRIx64 "-", random_source(seed).next() >> 32);
  return text;
}

void allow_many_files() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

double bucket_seconds_of(double duration) {
  return duration <= 12 ? 0.1 : duration <= 60 ? 0.5 : 1;
}

// A line a second on stderr, over the last one on a terminal.
class progress {
 public:
  explicit progress(options const& asked) : on_(asked.progress), on_terminal_(isatty(2) == 1) {}

  void show(char const* what, load_list const& loads) {
    std::int64_t const now = now_ns();
    std::uint64_t const count = answered_by(loads);
    if (what != what_) {
      what_ = what;
      since_ns_ = last_ns_ = now;
      last_count_ = count;
    }
    if (!on_ || now - last_ns_ < nanoseconds_a_second) return;
    double const rate =
        static_cast<double>(count - last_count_) * 1e9 / static_cast<double>(now - last_ns_);
    std::fprintf(stderr, "%s%s %3" PRId64 " s  %s/s  %s answers%s", on_terminal_ ? "\r\033[K" : "",
                 what, (now - since_ns_) / nanoseconds_a_second,
                 shown_count(static_cast<std::uint64_t>(rate)).c_str(), shown_count(count).c_str(),
                 on_terminal_ ? "" : "\n");
    std::fflush(stderr);
    shown_ = true;
    last_ns_ = now;
    last_count_ = count;
  }

  void clear() {
    if (shown_ && on_terminal_) std::fputs("\r\033[K", stderr);
    shown_ = false;
  }

 private:
  bool on_;
  bool on_terminal_;
  bool shown_ = false;
  char const* what_ = nullptr;
  std::int64_t since_ns_ = 0;
  std::int64_t last_ns_ = 0;
  std::uint64_t last_count_ = 0;
};

struct interrupted {};

// CPU time and requests at one moment.
struct sample {
  std::int64_t at_ns = 0;
  std::uint64_t requests = 0;
  std::uint64_t client_cpu_ns = 0;
  process_use server;
};

class bench_run {
 public:
  explicit bench_run(options const& asked)
      : asked_(asked),
        account_(asked, new_run_name_once()),
        data_(run_, {asked.projects, asked.secrets, asked.value_bytes}),
        choice_(asked.zipf ? project_choice::zipf(asked.projects, asked.zipf_exponent)
                           : project_choice::uniform(asked.projects)),
        progress_(asked) {
    result_.asked = asked;
    result_.on = read_machine();
  }

  // Throws run_fault, interrupted and others; result() is of use once has_result().
  void run() {
    account_.make_key();
    admin_form_.emplace(account_.host(), account_.prefix(), account_.admin_token());
    admin_server_ = resolve(account_.admin_server());
    begun_ = true;
    do_chore(chore::make_first_project, "making projects ");
    do_chore(chore::make_projects, "making projects ");
    made_all_ = true;
    do_chore(chore::fill, "making secrets  ");
    put_load_on();
    do_chore(chore::verify, "checking lists  ");
    result_.projects_checked = asked_.projects;
    result_.entries_left = left_.size();
    result_.tags_checked = data_.has_versions();
  }

  // Removes what was made; the line says what could not be, "" when all was.
  std::string clean_up() noexcept {
    ignore_interrupt();
    std::string left;
    try {
      if (begun_) remove_projects();
    } catch (std::exception const& failed) {
      left = "projects " + data_.run() + "* (" + failed.what() + ")";
    }
    progress_.clear();
    if (account_.revoke_key()) return left;
    return left + (left.empty() ? "" : " and ") + "API key " + account_.load_key_id();
  }

  [[nodiscard]] bool has_result() const noexcept { return has_result_; }
  report& result() noexcept { return result_; }

 private:
  std::string const& new_run_name_once() {
    run_ = new_run_name();
    return run_;
  }

  void do_chore(chore what, char const* name) {
    if (!admin_form_) return;  // set before the first chore
    std::uint32_t const limit = secrets_at_most();
    refused_.clear();
    chore_parts const parts{data_, *admin_form_, limit > usual_secret_limit ? limit : 0,
                            left_, doomed_,      refused_};
    std::atomic<std::uint64_t> taken{what == chore::make_projects ? 1u : 0u};
    std::unique_ptr<work> const source = make_chore(what, parts, taken);
    load_plan plan;
    plan.server = admin_server_;
    plan.tls = tls_of(account_.admin_server());
    plan.connections = static_cast<std::uint32_t>(
        std::min<std::uint64_t>(chore_connections, data_.secrets_of_all()));
    plan.measure_until_ns = std::numeric_limits<std::int64_t>::max();
    plan.measure_from_ns = plan.measure_until_ns;
    plan.timeout_ns = to_ns(asked_.timeout_seconds);
    load_list loads;
    loads.push_back(std::make_unique<load>(plan, *source));
    crew_end const end = run_crew(loads, [&] { progress_.show(name, loads); });
    if (end == crew_end::interrupted) throw interrupted();
  }

  // Without a whole set of projects those are removed that the server has; some may still be on
  // their way to it. A limiter lets through a few at a time.
  void remove_projects() {
    if (made_all_) {
      doomed_.resize(asked_.projects);
      std::iota(doomed_.begin(), doomed_.end(), 0u);
    } else {
      std::this_thread::sleep_for(settle_time);
      doomed_ = projects_in(account_.list_projects());
    }
    while (!doomed_.empty()) {
      do_chore(chore::delete_projects, "removing        ");
      doomed_ = refused_;
      if (doomed_.empty()) return;
      say("removing its projects as fast as the server's limiter allows");
      std::this_thread::sleep_for(limiter_wait);
    }
  }

  [[nodiscard]] std::vector<std::uint32_t> projects_in(std::string const& list) const {
    std::vector<std::uint32_t> found;
    for (std::size_t at = list.find(run_); at != list.npos; at = list.find(run_, at)) {
      at += run_.size();
      found.push_back(static_cast<std::uint32_t>(std::strtoul(list.c_str() + at, nullptr, 10)));
    }
    std::sort(found.begin(), found.end());  // id and name are the same
    found.erase(std::unique(found.begin(), found.end()), found.end());
    return found;
  }

  [[nodiscard]] std::uint32_t secrets_at_most() const noexcept {
    bool const inserts = asked_.what == scenario::insert_delete;
    return asked_.secrets + (inserts ? asked_.connections * asked_.depth : 0);
  }

  [[nodiscard]] request_form form_of_load() const {
    if (asked_.what == scenario::delivery) return {"localhost", "/v1", ""};
    if (asked_.what != scenario::auth_fail) {
      return {account_.host(), account_.prefix(), account_.load_token()};
    }
    return {account_.host(), account_.prefix(), core::api_key_text::make_random().reveal()};
  }

  void put_load_on() {
    request_form const form = form_of_load();
    work_parts const parts{asked_, data_, choice_, form};
    load_plan plan;
    net::client_endpoint const server =
        asked_.what == scenario::delivery ? account_.keeper() : account_.server();
    plan.server = resolve(server);
    plan.tls = tls_of(server);
    plan.depth = asked_.depth;
    plan.rate = asked_.rate / asked_.threads;
    plan.timeout_ns = to_ns(asked_.timeout_seconds);
    plan.bucket_ns = to_ns(bucket_seconds_of(asked_.duration_seconds));
    std::int64_t const from = now_ns() + start_delay_ns + connect_ns();
    plan.measure_from_ns = from + to_ns(asked_.warm_up_seconds);
    plan.measure_until_ns = plan.measure_from_ns + to_ns(asked_.duration_seconds);

    std::vector<std::unique_ptr<work>> works;
    load_list loads;
    for (std::uint32_t i = 0; i < asked_.threads; ++i) {
      plan.connections =
          asked_.connections / asked_.threads + (i < asked_.connections % asked_.threads ? 1 : 0);
      plan.issue_from_ns =
          asked_.rate > 0 ? from + static_cast<std::int64_t>(i * 1e9 / asked_.rate) : from;
      lane_range const lanes{plan.first_lane, plan.connections * plan.depth};
      works.push_back(make_scenario(parts, i, lanes));
      loads.push_back(std::make_unique<load>(plan, *works.back()));
      plan.first_lane += lanes.count;
    }
    watch(plan, loads);
    for (auto const& one : works) collect_left(*one, left_);
    std::sort(left_.begin(), left_.end(), [](left_entry const& a, left_entry const& b) {
      return a.project != b.project ? a.project < b.project : a.lane < b.lane;
    });
  }

  // Connecting takes some time before the threads start.
  [[nodiscard]] std::int64_t connect_ns() const noexcept { return asked_.connections * 50'000LL; }

  void watch(load_plan const& plan, load_list const& loads) {
    std::optional<sample> begin;
    std::optional<sample> end;
    auto const take_sample = [&] {
      return sample{now_ns(), answered_by(loads), own_cpu_ns(), read_processes(asked_.server_pids)};
    };
    auto const tick = [&] {
      std::int64_t const now = now_ns();
      if (!begin && now >= plan.measure_from_ns) begin = take_sample();
      if (begin && !end && now >= plan.measure_until_ns) end = take_sample();
      progress_.show(begin ? "measuring       " : "warming up      ", loads);
    };
    crew_end how = crew_end::done;
    try {
      how = run_crew(loads, tick);
    } catch (run_fault const& failed) {
      result_.fault = failed.what();
    }
    if (how == crew_end::interrupted) throw interrupted();
    if (!begin) begin = take_sample();
    if (!end) end = take_sample();
    note_use(*begin, *end);
    for (auto const& one : loads) add_results(one->results());
    double const seconds = static_cast<double>(end->at_ns - plan.measure_from_ns) / 1e9;
    result_.seconds = std::clamp(seconds, 0.0, asked_.duration_seconds);  // a fault comes early
    result_.bucket_seconds = static_cast<double>(plan.bucket_ns) / 1e9;
    has_result_ = true;
    if (!result_.fault.empty()) throw run_fault(result_.fault);
  }

  void note_use(sample const& begin, sample const& end) {
    result_.cpu_requests = end.requests - begin.requests;
    result_.client_cpu_ns = end.client_cpu_ns - begin.client_cpu_ns;
    result_.server_cpu_ns = end.server.cpu_ns - std::min(begin.server.cpu_ns, end.server.cpu_ns);
    result_.server_resident_bytes = end.server.resident_bytes;
    result_.cpu_seconds = static_cast<double>(end.at_ns - begin.at_ns) / 1e9;
  }

  void add_results(measured const& from) {
    for (std::size_t i = 0; i < request_kinds; ++i) {
      if (from.latencies[i] == nullptr) continue;
      std::string const name = name_of(static_cast<request_kind>(i));
      auto same = std::find_if(result_.by_request.begin(), result_.by_request.end(),
                               [&](auto const& one) { return one.first == name; });
      if (same == result_.by_request.end()) {
        same = result_.by_request.emplace(result_.by_request.end(), name, histogram());
      }
      same->second.add(*from.latencies[i]);
      result_.all.add(*from.latencies[i]);
    }
    result_.all.add(from.overdue);
    result_.overdue += from.overdue.count();
    result_.lateness.add(from.lateness);
    result_.answered += from.answered;
    result_.refused += from.refused;
    result_.sent_bytes += from.sent_bytes;
    result_.received_bytes += from.received_bytes;
    result_.reconnects += from.reconnects;
    auto& sums = result_.answered_over_time;
    sums.resize(std::max(sums.size(), from.answered_over_time.size()));
    for (std::size_t i = 0; i < from.answered_over_time.size(); ++i) {
      sums[i] += from.answered_over_time[i];
    }
  }

  options const& asked_;
  std::string run_;
  account account_;
  population data_;
  project_choice choice_;
  progress progress_;
  std::optional<request_form> admin_form_;
  load_endpoint admin_server_;
  bool begun_ = false;
  bool made_all_ = false;
  std::vector<std::uint32_t> doomed_;   // projects to delete now
  std::vector<std::uint32_t> refused_;  // and those that the limiter kept
  std::vector<left_entry> left_;
  bool has_result_ = false;
  report result_;
};

void write_file(std::string const& path, std::string const& text) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << text;
  file.close();
  if (!file) throw run_fault("cannot write " + path + ": " + std::strerror(errno));
}

void show(report const& of) {
  bool const json_on_stdout = of.asked.json_file == "-";
  if (!json_on_stdout) app::write_out(table_of(of));
  if (json_on_stdout) app::write_out(json_of(of));
  if (of.asked.json_file && !json_on_stdout) write_file(*of.asked.json_file, json_of(of));
  if (of.asked.html_file) write_file(*of.asked.html_file, html_of(of));
}

}  // namespace

void say(char const* line) noexcept { std::fprintf(stderr, "tacit-bench: %s\n", line); }

int run_bench(options const& asked) {
  allow_many_files();
  watch_signals();
  bench_run one(asked);
  int status = exit_done;
  std::string fault;
  try {
    one.run();
  } catch (interrupted const&) {
    status = exit_interrupted;
    fault = "interrupted";
  } catch (std::exception const& failed) {
    status = exit_wrong;
    fault = failed.what();
  }
  std::string const left = one.clean_up();
  if (one.has_result() && status != exit_interrupted) {
    one.result().fault = fault;
    show(one.result());
  }
  if (!fault.empty()) say(fault.c_str());
  if (!left.empty()) {
    say(("could not be removed: " + left).c_str());
    if (status == exit_done) status = exit_wrong;
  }
  return status;
}

}  // namespace tacit::bench
