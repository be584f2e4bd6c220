#include "kv/watches.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

namespace tacit::kv {

watches::watches() : descriptor_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (descriptor_ < 0) throw std::system_error(errno, std::generic_category());
}

watches::~watches() { ::close(descriptor_); }

void watches::add(core::project_id const& id) {
  std::lock_guard const lock(mutex_);
  watched_.insert(id);
}

bool watches::any() const {
  std::lock_guard const lock(mutex_);
  return !watched_.empty();
}

void watches::fire(std::span<core::project_id const> changed) {
  std::lock_guard const lock(mutex_);
  for (core::project_id const& id : changed) {
    if (watched_.erase(id) > 0) fired_.push_back(id);
  }
  if (fired_.empty()) return;
  std::uint64_t const one = 1;
  [[maybe_unused]] auto const told = ::write(descriptor_, &one, sizeof one);
}

std::vector<core::project_id> watches::take() {
  std::lock_guard const lock(mutex_);
  std::uint64_t ignored = 0;
  [[maybe_unused]] auto const cleared = ::read(descriptor_, &ignored, sizeof ignored);
  return std::exchange(fired_, {});
}

}  // namespace tacit::kv
