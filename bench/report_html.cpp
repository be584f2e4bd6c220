// One page with everything in it: no scripts, no fonts, no pictures from elsewhere.
#include <algorithm>
#include <cmath>

#include "bench/report.hpp"

namespace tacit::bench {

namespace {

constexpr double width = 860;
constexpr double height = 320;
constexpr double left = 70;
constexpr double right = 20;
constexpr double top = 16;
constexpr double bottom = 44;
constexpr double share_most = 0.9999;
constexpr double low_share = 0.05;  // what is faster still is not worth half of the picture
constexpr int curve_points = 400;

constexpr char const* style = R"(<style>
:root{--ink:#1b1f24;--soft:#5c6670;--line:#d9dee3;--paper:#fff;--card:#f6f8fa;
--a:#0b66c3;--b:#c2410c;--c:#0f7b4f;--d:#7c3aed}
@media (prefers-color-scheme:dark){
:root{--ink:#e6e9ec;--soft:#9aa5b0;--line:#343b43;--paper:#14171a;
--card:#1d2126;--a:#5aa9f2;--b:#f59056;--c:#45c28b;--d:#b794f6}}
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);max-width:900px;
margin:2rem auto;padding:0 1rem}
h1{font-size:1.5rem;margin:0}h2{font-size:1.1rem;margin:2.2rem 0 .5rem}p{margin:.3rem 0}
.soft{color:var(--soft)}.bad{color:var(--b);font-weight:600}
.cards{display:flex;flex-wrap:wrap;gap:.8rem;margin:1.2rem 0}
.card{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:.6rem 1rem}
.card b{display:block;font-size:1.35rem;font-variant-numeric:tabular-nums}
.card span{color:var(--soft);font-size:.85rem}
table{border-collapse:collapse;font-variant-numeric:tabular-nums}
td,th{padding:.25rem .9rem .25rem 0;text-align:right;border-bottom:1px solid var(--line)}
td:first-child,th:first-child{text-align:left}
th{font-weight:600;color:var(--soft)}table.names td{text-align:left}
svg{width:100%;height:auto;display:block}svg text{fill:var(--soft);font:12px system-ui,sans-serif}
.grid{stroke:var(--line);stroke-width:1}
.area{fill:var(--a);opacity:.12}.curve{fill:none;stroke-width:2;stroke-linejoin:round}
</style>
)";

constexpr char const* curve_colours[] = {"var(--a)", "var(--b)", "var(--c)", "var(--d)"};

std::string escaped(std::string_view text) {
  std::string safe;
  for (char const c : text) {
    switch (c) {
      case '&':
        safe += "&amp;";
        break;
      case '<':
        safe += "&lt;";
        break;
      case '>':
        safe += "&gt;";
        break;
      case '"':
        safe += "&quot;";
        break;
      default:
        safe += c;
    }
  }
  return safe;
}

std::string place(double number) { return with_digits(number, 1); }

// Maps both axes into the picture: 0 to 1 from left to right and from bottom to top.
double x_at(double part) { return left + part * (width - left - right); }
double y_at(double part) { return height - bottom - part * (height - top - bottom); }

std::string begin_picture(std::string const& label) {
  return "<svg viewBox=\"0 0 " + place(width) + " " + place(height) +
         "\" role=\"img\" aria-label=\"" + escaped(label) + "\">\n";
}

std::string text_at(double x, double y, char const* anchor, std::string const& text) {
  return "<text x=\"" + place(x) + "\" y=\"" + place(y) + "\" text-anchor=\"" + anchor + "\">" +
         escaped(text) + "</text>\n";
}

std::string line_at(double x1, double y1, double x2, double y2) {
  return "<line class=\"grid\" x1=\"" + place(x1) + "\" y1=\"" + place(y1) + "\" x2=\"" +
         place(x2) + "\" y2=\"" + place(y2) + "\"/>\n";
}

std::string tick_x(double part, std::string const& text) {
  return line_at(x_at(part), y_at(0), x_at(part), y_at(1)) +
         text_at(x_at(part), y_at(0) + 18, "middle", text);
}

std::string tick_y(double part, std::string const& text) {
  return line_at(x_at(0), y_at(part), x_at(1), y_at(part)) +
         text_at(x_at(0) - 8, y_at(part) + 4, "end", text);
}

std::string curve(std::string const& points, char const* colour) {
  return "<polyline class=\"curve\" stroke=\"" + std::string(colour) + "\" points=\"" + points +
         "\"/>\n";
}

std::string point(double x, double y) { return place(x) + "," + place(y) + " "; }

// Nines: 0 at p0, 1 at p90, 2 at p99: as far apart as they are hard to reach.
double nines_of(double share) { return -std::log10(1 - share); }

// Latency, logarithmic, in whole powers of ten around what there is.
struct decades {
  double low = 3;
  double high = 9;

  [[nodiscard]] double part_of(std::uint64_t nanoseconds) const {
    double const power = std::log10(std::max<double>(1, static_cast<double>(nanoseconds)));
    return std::clamp((power - low) / (high - low), 0.0, 1.0);
  }
};

decades decades_of(report const& of) {
  std::uint64_t least = of.all.value_at(low_share);
  std::uint64_t most = of.all.value_at(share_most);
  for (auto const& [name, one] : of.by_request) {
    least = std::min(least, one.value_at(low_share));
    most = std::max(most, one.value_at(share_most));
  }
  double const low = std::floor(std::log10(std::max<double>(100, static_cast<double>(least))));
  double const high = std::ceil(std::log10(std::max<double>(200, static_cast<double>(most))));
  return {low, std::max(high, low + 1)};
}

std::string latency_curve(histogram const& from, decades const& axis, char const* colour) {
  std::string points;
  double const most = nines_of(share_most);
  for (int i = 0; i <= curve_points; ++i) {
    double const part = static_cast<double>(i) / curve_points;
    std::uint64_t const at = from.value_at(1 - std::pow(10, -part * most));
    points += point(x_at(part), y_at(axis.part_of(at)));
  }
  return curve(points, colour);
}

std::string latency_picture(report const& of) {
  decades const axis = decades_of(of);
  std::string svg = begin_picture("Latency by percentile");
  double const most = nines_of(share_most);
  constexpr std::pair<double, char const*> shares[] = {
      {0, "p0"}, {0.5, "p50"}, {0.9, "p90"}, {0.99, "p99"}, {0.999, "p99.9"}, {0.9999, "p99.99"}};
  for (auto const& [share, name] : shares) svg += tick_x(nines_of(share) / most, name);
  for (double power = axis.low; power <= axis.high; ++power) {
    for (int const step : {1, 2, 5}) {
      auto const value = static_cast<std::uint64_t>(step * std::pow(10, power) + 0.5);
      if (std::log10(static_cast<double>(value)) > axis.high + 1e-9) break;
      svg += tick_y(axis.part_of(value),
                    step == 1 || axis.high - axis.low < 3 ? shown_time(value) : "");
    }
  }
  std::size_t used = 0;
  double legend = x_at(0) + 12;
  auto const add = [&](std::string const& name, histogram const& from) {
    char const* const colour = curve_colours[used++ % std::size(curve_colours)];
    svg += latency_curve(from, axis, colour);
    svg += "<line x1=\"" + place(legend) + "\" x2=\"" + place(legend + 18) + "\" y1=\"" +
           place(top + 14) + "\" y2=\"" + place(top + 14) + "\" stroke=\"" + colour +
           "\" stroke-width=\"2\"/>" + text_at(legend + 24, top + 18, "start", name);
    legend += 44 + 7 * static_cast<double>(name.size());
  };
  add("all", of.all);
  if (of.by_request.size() > 1) {
    for (auto const& [name, one] : of.by_request) add(name, one);
  }
  svg += text_at(x_at(0.5), height - 6, "middle", "share of requests that were at least as fast");
  return svg + "</svg>\n";
}

// A round number of which two to six reach the top.
double round_step(double most) {
  double const power = std::pow(10, std::floor(std::log10(std::max(most, 1.0))));
  for (double const step : {0.2, 0.5, 1.0, 2.0}) {
    if (most / (power * step) <= 6) return power * step;
  }
  return power * 5;
}

std::string rate_picture(report const& of) {
  auto const& counts = of.answered_over_time;
  if (counts.empty()) return "";
  double most = 1;
  for (std::uint64_t const count : counts) {
    most = std::max(most, static_cast<double>(count) / of.bucket_seconds);
  }
  double const step = round_step(most);
  double const scale = std::ceil(most * 1.02 / step) * step;
  std::string svg = begin_picture("Answers a second over time");
  for (double value = 0; value <= scale * 1.0001; value += step) {
    svg += tick_y(value / scale, shown_count(static_cast<std::uint64_t>(value + 0.5)));
  }
  double const seconds = of.bucket_seconds * static_cast<double>(counts.size());
  double const second_step = std::max(round_step(seconds), of.bucket_seconds);
  for (double at = 0; at <= seconds * 1.0001; at += second_step) {
    svg += tick_x(at / seconds, with_digits(at, second_step < 1 ? 1 : 0) + " s");
  }
  std::string points;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    double const part = (static_cast<double>(i) + 0.5) / static_cast<double>(counts.size());
    double const rate = static_cast<double>(counts[i]) / of.bucket_seconds;
    points += point(x_at(part), y_at(rate / scale));
  }
  double const half = 0.5 / static_cast<double>(counts.size());
  svg += "<polygon class=\"area\" points=\"" + point(x_at(half), y_at(0)) + points +
         point(x_at(1 - half), y_at(0)) + "\"/>\n";
  svg += curve(points, "var(--a)");
  svg += text_at(x_at(0.5), height - 6, "middle", "measured time");
  return svg + "</svg>\n";
}

std::string card(std::string const& value, std::string const& name) {
  return "<div class=\"card\"><b>" + escaped(value) + "</b><span>" + escaped(name) +
         "</span></div>\n";
}

std::string cards(report const& of) {
  std::string html = "<div class=\"cards\">\n";
  html += card(shown_count(static_cast<std::uint64_t>(answered_a_second(of) + 0.5)) + "/s",
               "answers a second");
  html += card(shown_time(of.all.value_at(0.5)), "p50");
  html += card(shown_time(of.all.value_at(0.99)), "p99");
  html += card(shown_time(of.all.max()), "slowest");
  html += card(of.fault.empty() ? "0" : "failed", "errors");
  if (!of.asked.server_pids.empty() && of.cpu_requests > 0) {
    html += card(shown_time(of.server_cpu_ns / of.cpu_requests), "server CPU a request");
    html += card(shown_bytes(of.server_resident_bytes), "server memory");
  }
  return html + "</div>\n";
}

std::string latency_row(std::string const& name, histogram const& from) {
  std::string row = "<tr><td>" + escaped(name) + "</td><td>" + shown_count(from.count()) + "</td>";
  for (auto const& [share, label] : percentiles) {
    row += "<td>" + shown_time(from.value_at(share)) + "</td>";
  }
  return row + "<td>" + shown_time(from.max()) + "</td></tr>\n";
}

std::string latency_table(report const& of) {
  std::string html = "<table><tr><th></th><th>requests</th>";
  for (auto const& [share, label] : percentiles) html += "<th>" + std::string(label) + "</th>";
  html += "<th>max</th></tr>\n";
  if (of.by_request.size() > 1) {
    for (auto const& [name, one] : of.by_request) html += latency_row(name, one);
  }
  html += latency_row("all", of.all);
  if (of.asked.rate > 0) html += latency_row("due to sent", of.lateness);
  return html + "</table>\n";
}

std::string name_row(std::string const& name, std::string const& value) {
  return "<tr><td class=\"soft\">" + escaped(name) + "</td><td>" + escaped(value) + "</td></tr>\n";
}

std::string name_tables(report const& of) {
  std::string html = "<h2>Settings</h2>\n<table class=\"names\">\n";
  for (auto const& [name, value] : shown_settings(of)) html += name_row(name, value);
  html += "</table>\n<h2>Machine</h2>\n<table class=\"names\">\n";
  html += name_row("CPU", of.on.cpu);
  html += name_row("cores of tacit-bench", std::to_string(of.on.cores));
  return html + name_row("kernel", of.on.kernel) + name_row("date", of.on.date) + "</table>\n";
}

}  // namespace

std::string html_of(report const& of) {
  std::string const title = "tacit-bench " + std::string(name_of(of.asked.what));
  std::string html = "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n";
  html += "<meta name=\"viewport\" content=\"width=device-width\">\n<title>" + title + "</title>\n";
  html += style;
  html += "</head><body>\n<h1>" + title + "</h1>\n<p class=\"soft\">" + escaped(of.on.date) + ", ";
  html += of.asked.rate > 0 ? "open loop: latency from the moment a request was due"
                            : "closed loop: latency from the moment a request was sent";
  html += "</p>\n";
  if (!of.fault.empty()) html += "<p class=\"bad\">The run failed: " + escaped(of.fault) + "</p>\n";
  html += cards(of) + "<h2>Latency</h2>\n" + latency_picture(of) + latency_table(of);
  html += "<h2>Answers a second</h2>\n" + rate_picture(of);
  for (std::string const& remark : remarks_on(of)) html += "<p>Note: " + escaped(remark) + "</p>\n";
  return html + name_tables(of) + "</body></html>\n";
}

}  // namespace tacit::bench
