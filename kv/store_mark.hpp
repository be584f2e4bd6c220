// The mark of a store: a small file beside RocksDB's, written before them. It says of what format
// the store is and with which root key it was made, so that a start that must be refused is
// refused before RocksDB touches anything; that the store was made, so that a damaged one is never
// taken for new; how far its list of files had come, so that a shorter or older one is not
// believed; and the number of the last change that was on disk, so that a log that ends before it
// is not.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/crypto.hpp"
#include "core/error.hpp"

namespace tacit::kv {

inline constexpr std::uint32_t store_format = 2;

// RocksDB's list of files (MANIFEST): each start makes one with a greater number, and in between it
// only grows.
struct list_of_files {
  std::uint64_t number = 0;
  std::uint64_t bytes = 0;

  friend auto operator<=>(list_of_files const&, list_of_files const&) = default;
};

struct store_mark {
  std::uint32_t format = 0;
  core::key_check check{};
  bool made = false;  // false while the first start is under way
  // What was on disk, at least; zeros, or nothing, in a mark of before there was one.
  list_of_files floor;
  std::optional<std::uint32_t> list_checksum = std::nullopt;  // of those bytes of the list
  // The number of the first log that was needed with the list as it was then; 0 for only one log.
  std::uint64_t oldest_log = 0;
  std::uint64_t last_change = 0;  // as RocksDB numbers them
};

// Nothing when there is none; errc::corrupt when it is not one that we wrote; errc::unavailable
// when it cannot be read. Of a later format that has another form, the format alone.
[[nodiscard]] core::result<std::optional<store_mark>> read_store_mark(std::string const& folder);

// The list that the store has now, by what lies in its folder, as far as it is whole. errc::corrupt
// when there is none, or when whole records lie behind what cannot be read; errc::unavailable when
// it cannot be read.
[[nodiscard]] core::result<list_of_files> find_list_of_files(std::string const& folder);

// Of the first bytes of a list, as many as it says; nothing when there are not so many.
[[nodiscard]] std::optional<std::uint32_t> checksum_of(std::string const& folder,
                                                       list_of_files const& list);

// The name of the first log that the mark says was needed, when it is gone: with the list of files
// as it was then, it is needed still.
[[nodiscard]] std::optional<std::string> find_missing_log(std::string const& folder,
                                                          store_mark const& mark);

// The number in the name of such a list; nothing when it is another file's.
[[nodiscard]] std::optional<std::uint64_t> list_number(std::string_view name);

// Replaces the mark; synced, with its folder, when it returns. errc::storage_full,
// errc::unavailable.
[[nodiscard]] core::result<void> write_store_mark(std::string const& folder,
                                                  store_mark const& mark);

// Writes the number of the last change into the mark as it lies, without a sync: behind a kill it
// is there, behind a cut of power that one or an earlier one. For one thread.
class change_note {
 public:
  change_note() = default;
  ~change_note();
  change_note(change_note const&) = delete;
  change_note& operator=(change_note const&) = delete;

  // Behind each write_store_mark(). What cannot be opened is not written.
  void open(std::string const& folder) noexcept;
  void write(std::uint64_t last_change) noexcept;

 private:
  int file_ = -1;
  bool second_ = false;  // of the two places the next one: a torn write leaves the other
};

}  // namespace tacit::kv
