// A delivered set as it is kept in a file for when the keeper cannot be reached. It opens with its
// key, for its project and its server only. The grammar stands in cached_delivery.cpp.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/crypto.hpp"
#include "core/error.hpp"
#include "core/secret.hpp"

namespace tacit::core {

using cache_secret = secret_array<struct cache_secret_tag, key_bytes>;  // a file's 32 bytes
using cache_key = secret_array<struct cache_key_tag, key_bytes>;

// machine_id is "" for a key that is bound to no machine.
[[nodiscard]] cache_key derive_cache_key(cache_secret const& secret, std::string_view machine_id);

// What a cached set belongs to. origin is the server as the command line names it.
struct cache_place {
  std::string_view project;
  std::string_view origin;
};

struct cached_delivery {
  std::int64_t delivered_unix_milliseconds = 0;
  secret_buffer body{0};  // of the keeper's answer
};

inline constexpr std::size_t cached_overhead_bytes = 1 + aead_nonce_bytes + 8 + aead_tag_bytes;

[[nodiscard]] std::string seal_cached(cache_key const& key, cache_place const& place,
                                      std::int64_t delivered_unix_milliseconds,
                                      std::string_view body);

// errc::corrupt: damaged, of another place or key, or of an unknown format; which of them cannot be
// told.
[[nodiscard]] result<cached_delivery> open_cached(cache_key const& key, cache_place const& place,
                                                  std::string_view sealed);

// What the age of a cached set allows. A clock may be behind by limits::cache_skew_milliseconds_max
// of what it was; a set from further ahead has no age that could be trusted.
enum class cache_verdict { usable, too_old, from_the_future };
struct cache_times {
  std::int64_t delivered_unix_milliseconds;
  std::int64_t now_unix_milliseconds;
  std::int64_t age_milliseconds_max;
};
[[nodiscard]] cache_verdict judge_cached(cache_times const& times) noexcept;

}  // namespace tacit::core
