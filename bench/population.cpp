#include "bench/population.hpp"

#include <utility>

#include "bench/choice.hpp"

namespace tacit::bench {

namespace {

constexpr std::string_view letters =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
constexpr std::uint32_t filler_shifts = 61;
constexpr std::uint32_t hidden_below_chars = 8;  // a server may show lastFour from there on
constexpr std::uint64_t tag_mask = (std::uint64_t{1} << tag_bits) - 1;

void append_padded(std::string& out, std::uint32_t number, std::size_t digits) {
  std::size_t const end = out.size() + digits;
  out.resize(end);
  for (std::size_t i = 1; i <= digits; ++i) {
    out[end - i] = static_cast<char>('0' + number % 10);
    number /= 10;
  }
}

}  // namespace

tag_text text_of_tag(std::uint32_t tag) noexcept {
  tag_text text{};
  for (char& c : text) {
    c = letters[tag % letters.size()];
    tag /= static_cast<std::uint32_t>(letters.size());
  }
  return text;
}

population::population(std::string run, population_size const& size)
    : run_(std::move(run)), size_(size) {
  random_source random(size.value_bytes);
  for (std::uint32_t i = 0; i < size.value_bytes + filler_shifts; ++i) {
    filler_ += letters[random.below(static_cast<std::uint32_t>(letters.size()))];
  }
  newest_ = std::make_unique<std::atomic<std::uint64_t>[]>(secrets_of_all());
}

std::uint64_t population::secrets_of_all() const noexcept {
  return std::uint64_t{size_.projects} * size_.secrets;
}

std::size_t population::index_of(std::uint32_t project, std::uint32_t secret) const noexcept {
  return std::size_t{project} * size_.secrets + secret;
}

void population::append_project(std::string& out, std::uint32_t project) const {
  out.append(run_);
  append_padded(out, project, 7);
}

void population::append_secret(std::string& out, std::uint32_t secret) {
  out.append("SECRET_");
  append_padded(out, secret, 5);
}

void population::append_lane(std::string& out, std::uint32_t lane) {
  out.append("LANE_");
  append_padded(out, lane, 5);
}

void population::append_value(std::string& out, std::uint32_t project, std::uint32_t secret,
                              std::uint32_t tag) const {
  std::size_t const shift = (std::size_t{project} * 31 + secret) % filler_shifts;
  out.append(filler_, shift, size_.value_bytes - tag_chars);
  tag_text const last = text_of_tag(tag);
  out.append(last.data(), last.size());
}

void population::note_write(std::uint32_t project, std::uint32_t secret, std::uint32_t tag,
                            std::uint64_t version) noexcept {
  if (version == 0) has_versions_.store(false, std::memory_order_relaxed);
  std::atomic<std::uint64_t>& cell = newest_[index_of(project, secret)];
  std::uint64_t const ours = version << tag_bits | (tag & tag_mask);
  std::uint64_t seen = cell.load(std::memory_order_relaxed);
  while (seen < ours && !cell.compare_exchange_weak(seen, ours, std::memory_order_relaxed)) {
  }
}

std::uint32_t population::newest_tag(std::uint32_t project, std::uint32_t secret) const noexcept {
  std::uint64_t const cell = newest_[index_of(project, secret)].load(std::memory_order_relaxed);
  return static_cast<std::uint32_t>(cell & tag_mask);
}

bool population::has_versions() const noexcept {
  return has_versions_.load(std::memory_order_relaxed);
}

bool population::shows(std::string_view last_four, std::uint32_t tag) const noexcept {
  if (last_four.empty()) return size_.value_bytes < hidden_below_chars;
  tag_text const text = text_of_tag(tag);
  return last_four == std::string_view(text.data(), text.size());
}

}  // namespace tacit::bench
