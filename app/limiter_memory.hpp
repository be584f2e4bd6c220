// The rate limiter's table in POSIX shared memory, so that it survives a restart and a crash.
#pragma once

#include <span>

#include "core/crypto.hpp"
#include "core/rate_limiter.hpp"

namespace tacit::app {

using limiter_table = std::span<core::rate_limiter::word, core::rate_limiter::words>;

// Maps the segment /tacit-<instance>, makes it when it is missing. One of an earlier boot or of
// another instance is started anew. Throws startup_error when a segment of that name is not ours
// alone (another owner, open to others, of another size). Mapped for as long as the process lives.
// Call as the user that the process runs as, before it is confined.
[[nodiscard]] limiter_table open_limiter_memory(core::instance_tag const& instance);

}  // namespace tacit::app
