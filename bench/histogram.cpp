#include "bench/histogram.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

namespace tacit::bench {

namespace {

// Below 2^11 each value has its own counter; above, each power of two is cut into 2^10 pieces.
constexpr int exact_bits = 11;
constexpr std::uint64_t pieces = 1u << (exact_bits - 1);
constexpr int value_bits = 40;
constexpr std::size_t counters = (value_bits - exact_bits) * pieces + 2 * pieces;

int shift_of(std::uint64_t value) noexcept {
  return std::max(0, static_cast<int>(std::bit_width(value)) - exact_bits);
}

std::size_t index_of(std::uint64_t value) noexcept {
  int const shift = shift_of(value);
  return static_cast<std::size_t>(shift) * pieces + static_cast<std::size_t>(value >> shift);
}

std::uint64_t highest_at(std::size_t index) noexcept {
  if (index < 2 * pieces) return index;
  std::size_t const shift = index / pieces - 1;
  std::uint64_t const piece = index - shift * pieces;
  return ((piece + 1) << shift) - 1;
}

}  // namespace

histogram::histogram() : counts_(counters) {}

void histogram::record(std::uint64_t nanoseconds) noexcept {
  std::uint64_t const value = std::min(nanoseconds, value_max);
  ++counts_[index_of(value)];
  ++count_;
  sum_ += value;
  max_ = std::max(max_, value);
}

void histogram::add(histogram const& other) {
  for (std::size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
  count_ += other.count_;
  sum_ += other.sum_;
  max_ = std::max(max_, other.max_);
}

std::uint64_t histogram::value_at(double share) const noexcept {
  if (count_ == 0) return 0;
  double const exact = std::ceil(std::clamp(share, 0.0, 1.0) * static_cast<double>(count_));
  auto const wanted = std::clamp<std::uint64_t>(static_cast<std::uint64_t>(exact), 1, count_);
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < counts_.size(); ++i) {
    seen += counts_[i];
    if (seen >= wanted) return std::min(highest_at(i), max_);
  }
  return max_;
}

}  // namespace tacit::bench
