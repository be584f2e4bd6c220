#include "bench/choice.hpp"

#include <bit>
#include <cmath>
#include <numeric>
#include <utility>

namespace tacit::bench {

random_source::random_source(std::uint64_t seed) noexcept : state_{} {
  for (std::uint64_t& word : state_) {
    seed += 0x9e3779b97f4a7c15;
    std::uint64_t mixed = seed;
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
    word = mixed ^ (mixed >> 31);
  }
}

std::uint64_t random_source::next() noexcept {
  std::uint64_t const result = std::rotl(state_[1] * 5, 7) * 9;
  std::uint64_t const shifted = state_[1] << 17;
  state_[2] ^= state_[0];
  state_[3] ^= state_[1];
  state_[1] ^= state_[2];
  state_[0] ^= state_[3];
  state_[2] ^= shifted;
  state_[3] = std::rotl(state_[3], 45);
  return result;
}

std::uint32_t random_source::below(std::uint32_t bound) noexcept {
  return static_cast<std::uint32_t>(((next() >> 32) * bound) >> 32);
}

double random_source::unit() noexcept { return static_cast<double>(next() >> 11) * 0x1.0p-53; }

project_choice project_choice::uniform(std::uint32_t projects) { return project_choice(projects); }

project_choice project_choice::zipf(std::uint32_t projects, double exponent) {
  project_choice made(projects);
  std::vector<std::uint32_t> order(projects);
  std::iota(order.begin(), order.end(), 0u);
  random_source shuffle(projects);
  for (std::uint32_t i = projects; i > 1; --i) std::swap(order[i - 1], order[shuffle.below(i)]);

  std::vector<double> share(projects);
  double sum = 0;
  for (std::uint32_t rank = 0; rank < projects; ++rank) {
    share[order[rank]] = 1 / std::pow(rank + 1.0, exponent);
    sum += share[order[rank]];
  }
  std::vector<std::uint32_t> small;
  std::vector<std::uint32_t> large;
  for (std::uint32_t i = 0; i < projects; ++i) {
    share[i] *= projects / sum;
    (share[i] < 1 ? small : large).push_back(i);
  }
  made.slots_.resize(projects);
  while (!small.empty() && !large.empty()) {
    std::uint32_t const poor = small.back();
    std::uint32_t const rich = large.back();
    small.pop_back();
    made.slots_[poor] = {share[poor], rich};
    share[rich] -= 1 - share[poor];
    if (share[rich] >= 1) continue;
    large.pop_back();
    small.push_back(rich);
  }
  return made;  // what is left over keeps its whole slot
}

std::uint32_t project_choice::choose(random_source& random) const noexcept {
  std::uint32_t const at = random.below(projects_);
  if (slots_.empty()) return at;
  return random.unit() < slots_[at].keep ? at : slots_[at].other;
}

}  // namespace tacit::bench
