#include "core/check.hpp"

#include <cstdio>
#include <cstdlib>

namespace tacit::core {

void check_failed(char const* condition, char const* file, int line) noexcept {
  std::fprintf(stderr, "tacit: broken invariant at %s:%d: %s\n", file, line, condition);
  std::abort();
}

}  // namespace tacit::core
