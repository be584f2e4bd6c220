// Descriptors 0, 1 and 2.
#pragma once

namespace tacit::app {

// To be called before the program opens anything. A standard stream that it was started without
// gets a descriptor in its place that nothing can be read from or written to (EBADF, as before),
// and that ends with an exec: so nothing of ours ever takes that number, to get what is meant for a
// log or a terminal, and a command that we become or start is without the stream just the same.
// False with errno set when there are no descriptors left.
[[nodiscard]] bool keep_standard_streams_apart() noexcept;

// Whether it is a stream that we were started with.
[[nodiscard]] bool has_stream(int descriptor) noexcept;

}  // namespace tacit::app
