#include "core/line_pace.hpp"

#include <utility>

namespace tacit::core {

namespace {

constexpr std::uint64_t pause_milliseconds = 1000;

}  // namespace

bool line_pace::note(std::int64_t subject, std::uint64_t boot_milliseconds) {
  if (!subjects_.contains(subject) && subjects_.size() >= subjects_max) subject = others;
  auto const [at, is_new] =
      subjects_.try_emplace(subject, spoken_of{boot_milliseconds + pause_milliseconds});
  if (is_new) return true;
  ++at->second.count;
  return false;
}

std::vector<line_pace::left_out> line_pace::due(std::uint64_t boot_milliseconds) {
  std::vector<left_out> all;
  for (auto at = subjects_.begin(); at != subjects_.end();) {
    auto& [subject, spoken] = *at;
    if (spoken.until_boot_milliseconds > boot_milliseconds) {
      ++at;
      continue;
    }
    if (spoken.count == 0) {
      at = subjects_.erase(at);
      continue;
    }
    all.push_back({subject, std::exchange(spoken.count, 0)});
    spoken.until_boot_milliseconds = boot_milliseconds + pause_milliseconds;
    ++at;
  }
  return all;
}

}  // namespace tacit::core
