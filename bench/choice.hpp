// Which project a request is for: uniform, or after Zipf's law, where a few get most. Seeded, so
// that two runs ask the same.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

namespace tacit::bench {

// xoshiro256** (Blackman and Vigna), seeded with splitmix64. One for each thread.
class random_source {
 public:
  explicit random_source(std::uint64_t seed) noexcept;

  std::uint64_t next() noexcept;
  std::uint32_t below(std::uint32_t bound) noexcept;  // bound > 0
  double unit() noexcept;                             // 0 <= x < 1

 private:
  std::array<std::uint64_t, 4> state_;
};

// Shared by all threads, never changed. Choosing is O(1), by the alias method (Walker, Vose).
class project_choice {
 public:
  [[nodiscard]] static project_choice uniform(std::uint32_t projects);
  // The k-th most asked gets 1 / k^exponent of the most asked's share. Which project is how popular
  // is shuffled, so that neighbours in the store are not neighbours in popularity.
  [[nodiscard]] static project_choice zipf(std::uint32_t projects, double exponent);

  [[nodiscard]] std::uint32_t choose(random_source& random) const noexcept;

 private:
  struct slot {
    double keep = 1;
    std::uint32_t other = 0;
  };
  explicit project_choice(std::uint32_t projects) : projects_(projects) {}

  std::uint32_t projects_;
  std::vector<slot> slots_;  // empty: uniform
};

}  // namespace tacit::bench
