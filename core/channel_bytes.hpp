// The numbers of the messages, and the bytes of a receipt in them. Private to core/channel*.cpp,
// and the grammar stands in channel.cpp.
#pragma once

#include <cstdint>
#include <string>

#include "core/error.hpp"
#include "core/receipt.hpp"
#include "core/wire.hpp"

namespace tacit::core {

enum class message_kind : std::uint8_t {
  start = 1,
  fetch = 2,
  drain = 3,
  ready = 4,
  record = 5,
  fetched = 6,
  receipts = 7,
  watch = 8,
  changed = 9,
  invite = 10,
  reply = 11,
  mark = 12,
  request = 13,
  marked = 14,
  identity = 15,
};

inline std::string message_of(message_kind which) {
  return std::string(1, static_cast<char>(which));
}

inline std::uint8_t to_byte(bool value) { return value ? 1 : 0; }

[[nodiscard]] result<receipt> decode_receipt(wire_reader& from);

}  // namespace tacit::core
