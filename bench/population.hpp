// The projects and secrets of a run: their names, their values, and what each should be now.
//
// A value ends in a tag of four characters, which is also its lastFour; the rest follows from
// project and secret. For every secret the tag of its newest write is kept with that write's
// version, so that concurrent writes to one secret have a known winner: the highest version.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace tacit::bench {

inline constexpr std::uint32_t tag_bits = 24;  // of a tag as a number
inline constexpr std::size_t tag_chars = 4;

using tag_text = std::array<char, tag_chars>;
[[nodiscard]] tag_text text_of_tag(std::uint32_t tag) noexcept;

struct population_size {
  std::uint32_t projects = 0;
  std::uint32_t secrets = 0;  // in each project
  std::uint32_t value_bytes = 0;
};

class population {
 public:
  // `run` tells the projects of this run from all others.
  population(std::string run, population_size const& size);

  [[nodiscard]] std::string const& run() const noexcept { return run_; }
  [[nodiscard]] population_size const& size() const noexcept { return size_; }
  [[nodiscard]] std::uint64_t secrets_of_all() const noexcept;

  void append_project(std::string& out, std::uint32_t project) const;  // its id
  // SECRET_00007, or LANE_00007: a name that only one lane of insert-delete uses.
  static void append_secret(std::string& out, std::uint32_t secret);
  static void append_lane(std::string& out, std::uint32_t lane);
  void append_value(std::string& out, std::uint32_t project, std::uint32_t secret,
                    std::uint32_t tag) const;

  // From any thread: a write was acknowledged. Without a version (0) its place among others is not
  // known, and from then on tags are not compared any more.
  void note_write(std::uint32_t project, std::uint32_t secret, std::uint32_t tag,
                  std::uint64_t version) noexcept;
  [[nodiscard]] std::uint32_t newest_tag(std::uint32_t project,
                                         std::uint32_t secret) const noexcept;
  [[nodiscard]] bool has_versions() const noexcept;

  // Whether lastFour is what a value with this tag shows. Servers show none of short values.
  [[nodiscard]] bool shows(std::string_view last_four, std::uint32_t tag) const noexcept;

 private:
  [[nodiscard]] std::size_t index_of(std::uint32_t project, std::uint32_t secret) const noexcept;

  std::string run_;
  population_size size_;
  std::string filler_;
  std::unique_ptr<std::atomic<std::uint64_t>[]> newest_;  // version, then tag_bits of tag
  std::atomic<bool> has_versions_{true};
};

}  // namespace tacit::bench
