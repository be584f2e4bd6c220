// So that who floods a door does not flood the log: of lines that say the same, one at once, and
// then at most one a second, with the number of those that were left out. Plain state; a clock is
// handed in.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

namespace tacit::core {

class line_pace {
 public:
  static constexpr std::size_t subjects_max = 256;
  // All beyond subjects_max together.
  static constexpr std::int64_t others = -1;

  // Once more something is to be said of this subject (as a uid). True: say it now. False: it was
  // counted.
  [[nodiscard]] bool note(std::int64_t subject, std::uint64_t boot_milliseconds);

  struct left_out {
    std::int64_t subject;
    std::uint64_t count;
  };
  // To be asked once a second while busy(): what was counted and is to be said now.
  [[nodiscard]] std::vector<left_out> due(std::uint64_t boot_milliseconds);
  [[nodiscard]] bool busy() const noexcept { return !subjects_.empty(); }

 private:
  struct spoken_of {
    std::uint64_t until_boot_milliseconds;
    std::uint64_t count = 0;
  };
  std::map<std::int64_t, spoken_of> subjects_;  // of the last second
};

}  // namespace tacit::core
