// The mark of a store: a small file beside RocksDB's, written before them. It says of what format
// the store is and with which root key it was made, so that a start that must be refused is
// refused before RocksDB touches anything; that the store was made, so that a damaged one is never
// taken for new; and how far its list of files had come, so that a shorter or older one is not
// believed.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/crypto.hpp"
#include "core/error.hpp"

namespace tacit::kv {

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
  bool made = false;    // false while the first start is under way
  list_of_files floor;  // what was on disk, at least; zeros in a mark of before there was one
};

// Nothing when there is none; errc::corrupt when it is not one that we wrote; errc::unavailable
// when it cannot be read.
[[nodiscard]] core::result<std::optional<store_mark>> read_store_mark(std::string const& folder);

// The list that the store has now, by what lies in its folder, as far as it is whole. errc::corrupt
// when there is none, or when whole records lie behind what cannot be read; errc::unavailable when
// it cannot be read.
[[nodiscard]] core::result<list_of_files> find_list_of_files(std::string const& folder);

// The number in the name of such a list; nothing when it is another file's.
[[nodiscard]] std::optional<std::uint64_t> list_number(std::string_view name);

// Replaces the mark; synced, with its folder, when it returns. errc::storage_full,
// errc::unavailable.
[[nodiscard]] core::result<void> write_store_mark(std::string const& folder,
                                                  store_mark const& mark);

}  // namespace tacit::kv
