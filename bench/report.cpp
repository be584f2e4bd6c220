#include "bench/report.hpp"

#include <algorithm>
#include <array>
#include <cstdio>

#include "app/cli/output.hpp"
#include "bench/work.hpp"
#include "net/json_writer.hpp"

namespace tacit::bench {

namespace {

std::uint64_t rounded(double number) { return static_cast<std::uint64_t>(number + 0.5); }

std::uint64_t each(std::uint64_t of_all, std::uint64_t count) {
  return count == 0 ? 0 : of_all / count;
}

app::table_row latency_row(std::string const& name, histogram const& from) {
  app::table_row row{name, shown_count(from.count())};
  for (auto const& [share, label] : percentiles) row.push_back(shown_time(from.value_at(share)));
  row.push_back(shown_time(from.max()));
  return row;
}

void write_latencies(net::json_writer& json, histogram const& from) {
  json.begin_object();
  for (auto const& [share, label] : percentiles) json.key(label).number(from.value_at(share));
  json.key("max").number(from.max()).key("mean").number(from.mean()).end_object();
}

void write_settings(net::json_writer& json, report const& of) {
  json.key("settings").begin_object();
  for (auto const& [name, value] : shown_settings(of)) json.key(name).text(value);
  json.end_object();
  json.key("machine").begin_object();
  json.key("cpu").text(of.on.cpu).key("cores").number(of.on.cores);
  json.key("kernel").text(of.on.kernel).key("date").text(of.on.date);
  json.end_object();
}

void write_cpu(net::json_writer& json, report const& of) {
  json.key("client").begin_object();
  json.key("cpu_ns_per_request").number(each(of.client_cpu_ns, of.cpu_requests));
  json.key("cpu_ns").number(of.client_cpu_ns).end_object();
  json.key("server");
  if (of.asked.server_pids.empty()) {
    json.null();
    return;
  }
  json.begin_object();
  json.key("cpu_ns_per_request").number(each(of.server_cpu_ns, of.cpu_requests));
  json.key("cpu_ns").number(of.server_cpu_ns).key("requests").number(of.cpu_requests);
  json.key("resident_bytes").number(of.server_resident_bytes).end_object();
}

}  // namespace

double answered_a_second(report const& of) noexcept {
  return of.seconds > 0 ? static_cast<double>(of.answered) / of.seconds : 0;
}

std::vector<std::string> remarks_on(report const& of) {
  std::vector<std::string> remarks;
  if (of.refused > 0) {
    remarks.push_back(shown_count(of.refused) + " answers were 429: " + limiter_advice);
  }
  if (of.overdue > 0) {
    remarks.push_back(shown_count(of.overdue) +
                      " requests were due but never sent: the server did not keep up with --rate");
  }
  if (!of.tags_checked) {
    remarks.emplace_back(
        "the server's answers have no ETag, so lastFour in the lists at the end "
        "was not compared");
  }
  double const busy = of.cpu_seconds <= 0 ? 0
                                          : static_cast<double>(of.client_cpu_ns) / 1e9 /
                                                (of.cpu_seconds * of.asked.threads);
  if (busy > 0.9) {
    remarks.push_back("tacit-bench used " + with_digits(busy * 100, 0) +
                      " % of its threads' time: it may be what limits the rate; try --threads");
  }
  return remarks;
}

std::string table_of(report const& of) {
  std::vector<app::table_row> rows{{"", "requests", "p50", "p90", "p99", "p99.9", "p99.99", "max"}};
  if (of.by_request.size() > 1) {
    for (auto const& [name, one] : of.by_request) rows.push_back(latency_row(name, one));
  }
  rows.push_back(latency_row("all", of.all));
  if (of.asked.rate > 0) rows.push_back(latency_row("due to sent", of.lateness));
  std::string const loop = of.asked.rate > 0 ? "open loop, latency from when a request was due"
                                             : "closed loop, latency from when a request was sent";
  std::string text = std::string(name_of(of.asked.what)) + ", " + loop + "\n\n";
  text += app::format_table(rows) + "\n";
  std::vector<app::table_row> sums;
  std::string rate = shown_count(rounded(answered_a_second(of))) + "/s";
  if (of.asked.rate > 0) rate += " of " + shown_count(rounded(of.asked.rate)) + "/s wanted";
  sums.push_back({"rate", rate});
  sums.push_back(
      {"answered", shown_count(of.answered) + " in " + with_digits(of.seconds, 1) + " s"});
  sums.push_back({"errors", of.fault.empty() ? "0" : of.fault});
  sums.push_back({"refused (429)", shown_count(of.refused)});
  sums.push_back({"sent", shown_bytes(of.sent_bytes) + ", " +
                              shown_count(each(of.sent_bytes, of.answered)) + " a request"});
  sums.push_back({"received", shown_bytes(of.received_bytes) + ", " +
                                  shown_count(each(of.received_bytes, of.answered)) +
                                  " a request"});
  if (!of.asked.server_pids.empty()) {
    sums.push_back({"server CPU", shown_time(each(of.server_cpu_ns, of.cpu_requests)) +
                                      " a request (user + system)"});
    sums.push_back({"server memory", shown_bytes(of.server_resident_bytes) + " resident"});
  }
  sums.push_back(
      {"client CPU", shown_time(each(of.client_cpu_ns, of.cpu_requests)) + " a request"});
  sums.push_back({"checked", "every answer, and the lists of " + shown_count(of.projects_checked) +
                                 " projects at the end"});
  text += app::format_table(sums);
  for (std::string const& remark : remarks_on(of)) text += "\nnote: " + remark + "\n";
  return text;
}

std::string json_of(report const& of) {
  std::string text;
  net::json_writer json(text);
  json.begin_object().key("scenario").text(name_of(of.asked.what));
  write_settings(json, of);
  json.key("requests").number(of.all.count());
  json.key("measured_ms").number(rounded(of.seconds * 1000));
  json.key("answered").number(of.answered);
  json.key("per_second").number(rounded(answered_a_second(of)));
  json.key("errors").number(of.fault.empty() ? 0 : 1);
  json.key("first_error");
  of.fault.empty() ? json.null() : json.text(of.fault);
  json.key("rate_limited").number(of.refused);
  json.key("overdue").number(of.overdue).key("reconnects").number(of.reconnects);
  json.key("sent_bytes").number(of.sent_bytes).key("received_bytes").number(of.received_bytes);
  json.key("latency_ns");
  write_latencies(json, of.all);
  json.key("by_request").begin_object();
  for (auto const& [name, one] : of.by_request) {
    json.key(name).begin_object().key("requests").number(one.count()).key("latency_ns");
    write_latencies(json, one);
    json.end_object();
  }
  json.end_object();
  json.key("due_to_sent_ns");
  of.asked.rate > 0 ? write_latencies(json, of.lateness) : static_cast<void>(json.null());
  json.key("over_time").begin_object();
  json.key("bucket_ms").number(rounded(of.bucket_seconds * 1000)).key("answered").begin_array();
  for (std::uint64_t const count : of.answered_over_time) json.number(count);
  json.end_array().end_object();
  write_cpu(json, of);
  json.key("checked").begin_object().key("projects").number(of.projects_checked);
  json.key("last_four").boolean(of.tags_checked);
  json.key("entries_left").number(of.entries_left).end_object();
  json.key("remarks").begin_array();
  for (std::string const& remark : remarks_on(of)) json.text(remark);
  json.end_array().end_object();
  return text + "\n";
}

std::string shown_time(std::uint64_t nanoseconds) {
  auto const number = static_cast<double>(nanoseconds);
  auto const in = [&](double unit) { return number / unit; };
  auto const digits = [](double value) { return value < 10 ? 2 : value < 100 ? 1 : 0; };
  if (nanoseconds >= 1'000'000'000) return with_digits(in(1e9), digits(in(1e9))) + " s";
  if (nanoseconds >= 1'000'000) return with_digits(in(1e6), digits(in(1e6))) + " ms";
  return with_digits(in(1e3), digits(in(1e3))) + " us";
}

std::string shown_count(std::uint64_t count) {
  std::string text = std::to_string(count);
  for (std::size_t at = text.size(); at > 3; at -= 3) text.insert(at - 3, ",");
  return text;
}

std::string shown_bytes(std::uint64_t bytes) {
  auto const number = static_cast<double>(bytes);
  if (number >= 1e9) return with_digits(number / 1e9, 2) + " GB";
  if (number >= 1e6) return with_digits(number / 1e6, 1) + " MB";
  return with_digits(number / 1e3, 1) + " KB";
}

std::string with_digits(double number, int digits) {
  std::array<char, 64> text{};
  int const length = std::snprintf(text.data(), text.size(), "%.*f", digits, number);
  return std::string(text.data(), static_cast<std::size_t>(std::max(length, 0)));
}

std::vector<std::pair<std::string, std::string>> shown_settings(report const& of) {
  options const& asked = of.asked;
  auto const number = [](auto value) { return std::to_string(value); };
  std::vector<std::pair<std::string, std::string>> settings{
      {"url", asked.url},
      {"projects", number(asked.projects)},
      {"secrets", number(asked.secrets)},
      {"value-bytes", number(asked.value_bytes)},
      {"choice", asked.zipf ? "zipf " + with_digits(asked.zipf_exponent, 2) : "uniform"},
      {"seed", number(asked.seed)},
      {"connections", number(asked.connections)},
      {"pipeline", number(asked.depth)},
      {"rate", asked.rate > 0 ? with_digits(asked.rate, 1) : "closed loop"},
      {"threads", number(asked.threads)},
      {"warm-up", with_digits(asked.warm_up_seconds, 1)},
      {"duration", with_digits(asked.duration_seconds, 1)}};
  if (asked.what == scenario::mixed) settings.emplace_back("writes", number(asked.writes_percent));
  return settings;
}

}  // namespace tacit::bench
