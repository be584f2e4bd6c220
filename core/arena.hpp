// Pieces of one block of memory, for secret_buffer: what a secret costs is then no system call. No
// I/O; not for two threads at once.
//
// The block is cut into units; a piece has whole units of its own, and behind what was asked for a
// mark that tells when something was written beyond it. A piece that comes back is wiped. What is
// taken stands beside the block, not in it. AddressSanitizer is told what may be touched.
#pragma once

#include <bitset>
#include <cstddef>
#include <cstdint>
#include <span>

namespace tacit::core {

class arena {
 public:
  static constexpr std::size_t unit_bytes = 64;
  static constexpr std::size_t units = 2048;
  static constexpr std::size_t block_bytes = unit_bytes * units;

  // The block outlives it; aligned as a unit. The mark is random, so that nobody writes it by
  // intent.
  arena(std::span<unsigned char, block_bytes> block, std::uint64_t mark) noexcept;
  ~arena();
  arena(arena const&) = delete;
  arena& operator=(arena const&) = delete;

  // Aligned as a unit. nullptr when there is no room for so many bytes in a row.
  [[nodiscard]] void* take(std::size_t bytes) noexcept;
  [[nodiscard]] bool owns(void const* data) const noexcept;
  // What take() gave. A piece that is given back twice, or was written beyond, ends the process.
  void give_back(void* data) noexcept;

 private:
  std::span<unsigned char> block_;
  std::uint64_t const mark_;
  std::bitset<units> taken_;
  std::bitset<units> starts_;  // the first unit of each piece
};

}  // namespace tacit::core
