// What a change does, decided from what is there: plain functions without a store, a socket or a
// clock. The commit thread applies them in order, and acts on what they say.
#pragma once

#include <cstdint>
#include <optional>

#include "core/entries.hpp"
#include "core/error.hpp"

namespace tacit::core {

struct write_moment {
  timestamp now;               // may have gone back since the last change
  std::uint64_t sequence = 0;  // the next number of the store-wide counter
};

struct upsert_decision {
  secret_row secret;  // without record id and label, which the caller brings
  counter_row counters;
};

// A secret is added or overwritten. errc::not_found without the project,
// errc::secret_limit_exceeded when it is new and the project has `secret_limit` or more.
[[nodiscard]] result<upsert_decision> decide_upsert(std::optional<counter_row> const& project,
                                                    secret_row const* existing,
                                                    std::uint32_t secret_limit,
                                                    write_moment const& moment);

// A secret that is there is removed. errc::not_found without the project, errc::corrupt when the
// project counts none.
[[nodiscard]] result<counter_row> decide_remove(std::optional<counter_row> const& project,
                                                secret_row const* existing,
                                                write_moment const& moment);

}  // namespace tacit::core
