// What a read or a write on a connection comes to.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tacit::net {

enum class io_state : std::uint8_t {
  done,         // `bytes` were moved, at least one
  would_block,  // nothing now
  ended,        // read: the peer sends no more. Both: the connection is broken
};
struct io_result {
  io_state state = io_state::ended;
  std::size_t bytes = 0;
};

enum class readiness : std::uint8_t { readable, writable };

}  // namespace tacit::net
