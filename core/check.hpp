// CHECK: an invariant of the program. Unlike assert it is on in every build: a broken invariant in
// a process that holds secrets ends the process instead of going on with unknown state.
// An expected error is never CHECKed: it is a result<T> (core/error.hpp).
#pragma once

namespace tacit::core {

// Writes one line with the place and the condition's text (never a value) to stderr and aborts.
[[noreturn]] void check_failed(char const* condition, char const* file, int line) noexcept;

}  // namespace tacit::core

#define CHECK(condition) \
  ((condition) ? static_cast<void>(0) : ::tacit::core::check_failed(#condition, __FILE__, __LINE__))
