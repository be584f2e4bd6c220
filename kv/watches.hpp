// Projects that somebody waits for: the commit thread says which have changed, one thread takes
// them. A watch ends with the change that it told of.
#pragma once

#include <mutex>
#include <span>
#include <unordered_set>
#include <vector>

#include "core/name.hpp"

namespace tacit::kv {

class watches {
 public:
  watches();  // throws std::system_error when there are no descriptors left
  watches(watches const&) = delete;
  watches& operator=(watches const&) = delete;
  ~watches();

  // From any thread. What is written before any() was asked is not missed by who adds first and
  // reads then.
  void add(core::project_id const& id);
  [[nodiscard]] bool any() const;
  void fire(std::span<core::project_id const> changed);

  // Readable while there is something to take (an eventfd).
  [[nodiscard]] int descriptor() const noexcept { return descriptor_; }
  [[nodiscard]] std::vector<core::project_id> take();

 private:
  int descriptor_;
  mutable std::mutex mutex_;
  std::unordered_set<core::project_id> watched_;  // guarded by mutex_
  std::vector<core::project_id> fired_;           // guarded by mutex_
};

}  // namespace tacit::kv
