// The mark of a store: a small file beside RocksDB's, written before them. It says of what format
// the store is and with which root key it was made, so that a start that must be refused is refused
// before RocksDB touches anything; and that the store was made, so that a damaged one is never
// taken for new.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "core/crypto.hpp"
#include "core/error.hpp"

namespace tacit::kv {

struct store_mark {
  std::uint32_t format = 0;
  core::key_check check{};
  bool made = false;  // false while the first start is under way
};

// Nothing when there is none; errc::corrupt when it is not one that we wrote; errc::unavailable
// when it cannot be read.
[[nodiscard]] core::result<std::optional<store_mark>> read_store_mark(std::string const& folder);

// Replaces the mark; synced, with its folder, when it returns. errc::storage_full,
// errc::unavailable.
[[nodiscard]] core::result<void> write_store_mark(std::string const& folder,
                                                  store_mark const& mark);

}  // namespace tacit::kv
