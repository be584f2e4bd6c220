// A histogram of latencies with log-linear buckets, after HdrHistogram (Gil Tene,
// http://hdrhistogram.org): every value is kept to better than one part in 1,000, from a nanosecond
// to 18 minutes, in 31 K counters, and recording one is a shift and an increment. Written here
// because Debian has the C library neither as an archive nor at all. Not for two threads at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace tacit::bench {

class histogram {
 public:
  static constexpr std::uint64_t value_max = (std::uint64_t{1} << 40) - 1;  // larger ones count so

  histogram();

  void record(std::uint64_t nanoseconds) noexcept;
  void add(histogram const& other);

  [[nodiscard]] std::uint64_t count() const noexcept { return count_; }
  [[nodiscard]] std::uint64_t max() const noexcept { return max_; }  // exact
  [[nodiscard]] std::uint64_t mean() const noexcept { return count_ == 0 ? 0 : sum_ / count_; }

  // The value that this share (0 to 1) of all values does not exceed, rounded up to the end of its
  // bucket but never above max(). 0 when nothing was recorded.
  [[nodiscard]] std::uint64_t value_at(double share) const noexcept;

 private:
  std::vector<std::uint64_t> counts_;
  std::uint64_t count_ = 0;
  std::uint64_t sum_ = 0;
  std::uint64_t max_ = 0;
};

}  // namespace tacit::bench
