#include "app/standard_streams.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <initializer_list>

namespace tacit::app {

bool keep_standard_streams_apart() noexcept {
  for (int const number : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(number, F_GETFD) >= 0) continue;
    // The lowest that is free is this one.
    if (::open("/", O_PATH | O_CLOEXEC) != number) return false;
  }
  return true;
}

bool has_stream(int descriptor) noexcept {
  int const flags = ::fcntl(descriptor, F_GETFL);
  return flags >= 0 && (flags & O_PATH) == 0;
}

}  // namespace tacit::app
