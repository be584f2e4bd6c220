#include "app/locked_memory.hpp"

#include <sys/resource.h>

#include "core/secret.hpp"

namespace tacit::app {

void lock_report::say_if_failed() noexcept {
  if (!core::take_failed_lock() || said_) return;
  said_ = true;
  rlimit limit{};
  ::getrlimit(RLIMIT_MEMLOCK, &limit);
  log_.write(core::severity::warn,
             "memory for keys and values could not be locked, so it may be swapped out: raise the "
             "limit (LimitMEMLOCK= in a systemd unit, ulimit -l in a shell)",
             {{"limit_bytes", static_cast<std::int64_t>(limit.rlim_cur)}});
}

}  // namespace tacit::app
