#include "core/receipt.hpp"

#include <algorithm>
#include <iterator>

#include "core/limits.hpp"

namespace tacit::core {

namespace {

std::string printable(std::string_view text) {
  std::string safe(text.substr(0, limits::consumer_text_bytes_max));
  std::replace_if(safe.begin(), safe.end(), [](char c) { return c < '!' || c > '~'; }, '?');
  return safe;
}

bool by_name(delivered_secret const& a, delivered_secret const& b) { return a.name < b.name; }

delivery_line line_of(delivered_secret const& given, consumer const& to) {
  return {given.name, delivery_state::removed, std::nullopt, given.version, given.at, &to};
}

// The lines of one consumer: both lists are sorted by name, and walked side by side.
std::vector<delivery_line> lines_of(receipt const& one, delivery_records const& records) {
  std::vector<delivery_line> lines;
  auto given = one.secrets.begin();
  auto const end = one.secrets.end();
  for (auto const& [name, version] : records.stored) {
    while (given != end && given->name < name) lines.push_back(line_of(*given++, one.to));
    if (given != end && given->name == name) {
      delivery_line line = line_of(*given++, one.to);
      line.stored = version;
      line.state = line.delivered == version ? delivery_state::current : delivery_state::stale;
      lines.push_back(line);
    } else if (one.extent == delivery_extent::whole) {
      lines.push_back({name, delivery_state::never, version, std::nullopt, std::nullopt, &one.to});
    }
  }
  while (given != end) lines.push_back(line_of(*given++, one.to));
  return lines;
}

// Stored secrets that no line is for. `lines` is sorted.
std::vector<delivery_line> lines_of_nobody(delivery_records const& records,
                                           std::vector<delivery_line> const& lines) {
  std::vector<delivery_line> nobody;
  auto line = lines.begin();
  for (auto const& [name, version] : records.stored) {
    while (line != lines.end() && line->name < name) ++line;
    if (line != lines.end() && line->name == name) continue;
    nobody.push_back({name, delivery_state::never, version, std::nullopt, std::nullopt, nullptr});
  }
  return nobody;
}

}  // namespace

consumer consumer::process(std::uint32_t uid, std::string_view unit, std::string_view host) {
  return {uid, printable(unit), "", printable(host)};
}

consumer consumer::remote(std::string_view runtime, std::string_view host) {
  return {std::nullopt, "", printable(runtime), printable(host)};
}

void add_later(receipt& earlier, receipt later) {
  if (later.extent == delivery_extent::whole) {
    earlier = std::move(later);
    return;
  }
  std::vector<delivered_secret> all;
  all.reserve(earlier.secrets.size() + later.secrets.size());
  // Of two that are equal, set_union takes the first range's.
  std::set_union(later.secrets.begin(), later.secrets.end(), earlier.secrets.begin(),
                 earlier.secrets.end(), std::back_inserter(all), by_name);
  earlier.secrets = std::move(all);
  earlier.at = later.at;
}

void receipt_book::add(receipt later) {
  auto const place = std::pair(later.project, later.to);
  auto const known = by_consumer_.find(place);
  if (known == by_consumer_.end()) {
    waiting_.push_back(std::move(later));
    by_consumer_.emplace(place, std::prev(waiting_.end()));
  } else {
    secrets_ -= known->second->secrets.size();
    add_later(*known->second, std::move(later));
    waiting_.splice(waiting_.end(), waiting_, known->second);
  }
  secrets_ += waiting_.back().secrets.size();
  while (waiting_.size() > 1 && (waiting_.size() > limits::receipts_waiting_max ||
                                 secrets_ > limits::receipt_secrets_waiting_max)) {
    drop_oldest();
  }
}

void receipt_book::drop_oldest() {
  receipt const& oldest = waiting_.front();
  secrets_ -= oldest.secrets.size();
  by_consumer_.erase({oldest.project, oldest.to});
  waiting_.pop_front();
  ++dropped_;
}

std::vector<receipt> receipt_book::take_all() {
  std::vector<receipt> taken(std::make_move_iterator(waiting_.begin()),
                             std::make_move_iterator(waiting_.end()));
  waiting_.clear();
  by_consumer_.clear();
  secrets_ = 0;
  return taken;
}

delivery_report compare_deliveries(delivery_records const& records, std::size_t lines_max) {
  std::vector<receipt const*> newest_first;
  for (receipt const& one : records.receipts) newest_first.push_back(&one);
  std::sort(newest_first.begin(), newest_first.end(),
            [](receipt const* a, receipt const* b) { return a->at > b->at; });

  delivery_report report;
  for (receipt const* const one : newest_first) {
    std::vector<delivery_line> lines;
    if (report.consumers_left_out == 0) lines = lines_of(*one, records);
    bool const fits = report.lines.empty() || report.lines.size() + lines.size() <= lines_max;
    if (!fits || report.consumers_left_out > 0) {
      ++report.consumers_left_out;
    } else {
      report.lines.insert(report.lines.end(), lines.begin(), lines.end());
    }
  }
  auto const by_name_and_consumer = [](delivery_line const& a, delivery_line const& b) {
    if (a.name != b.name) return a.name < b.name;
    if (a.to == nullptr || b.to == nullptr) return a.to == nullptr && b.to != nullptr;
    return *a.to < *b.to;
  };
  std::sort(report.lines.begin(), report.lines.end(), by_name_and_consumer);
  auto const nobody = lines_of_nobody(records, report.lines);
  report.lines.insert(report.lines.end(), nobody.begin(), nobody.end());
  std::sort(report.lines.begin(), report.lines.end(), by_name_and_consumer);
  return report;
}

}  // namespace tacit::core
