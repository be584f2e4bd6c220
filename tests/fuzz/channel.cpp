// The messages between keeper and api process. For every datagram: what is taken encodes to bytes
// that mean the same, and, but for truth values, to the very bytes; it is of one direction only.
#include "core/channel.hpp"

#include <string>
#include <vector>

#include "core/limits.hpp"
#include "core/sealing.hpp"
#include "tests/fuzz/target.hpp"

namespace {

using namespace tacit::core;

std::string encoded(start_message const& message) {
  return std::string(encode_start(message).reveal());
}
std::string encoded(identity_message const& message) {
  return std::string(encode_identity(message).reveal());
}
// Receipts are packed into as few messages as they need: each of them is taken again, and the last
// alone says that it is.
std::string encoded(receipts_message const& message) {
  std::vector<std::string> const batch = encode_batch(message.receipts);
  std::string all;
  for (std::string const& one : batch) {
    CHECK(one.size() <= limits::channel_message_bytes_max);
    auto const taken = decode_to_api(one);
    CHECK(taken && std::holds_alternative<receipts_message>(*taken));
    CHECK(std::get<receipts_message>(*taken).last == (&one == &batch.back()));
    all += one;
  }
  return all;
}
template <typename Message>
std::string encoded(Message const& message) {
  return encode_message(message);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  init_crypto();
  std::string_view const datagram = tacit::fuzz::as_text(data, size);
  auto const to_api = decode_to_api(datagram);
  auto const to_keeper = decode_to_keeper(datagram);
  CHECK(!to_api || !to_keeper);
  if (to_api) {
    auto const encode = [](auto const& message) { return encoded(message); };
    std::string const again = std::visit(encode, *to_api);
    if (!std::holds_alternative<receipts_message>(*to_api)) {
      CHECK(again.size() == datagram.size());
      auto const twice = decode_to_api(again);
      CHECK(twice && twice->index() == to_api->index() && std::visit(encode, *twice) == again);
      if (!std::holds_alternative<start_message>(*to_api)) CHECK(again == datagram);
    }
  }
  if (to_keeper) {
    auto const encode = [](auto const& message) { return encoded(message); };
    CHECK(std::visit(encode, *to_keeper) == datagram);
    if (auto const* const record = std::get_if<record_message>(&*to_keeper)) {
      CHECK(record->sealed.size() <= sealed_value_bytes_max);
    }
    if (auto const* const fetched = std::get_if<fetched_message>(&*to_keeper)) {
      CHECK(fetched->came_of == fetch_outcome::found || fetched->came_of == fetch_outcome::absent ||
            fetched->came_of == fetch_outcome::unavailable);
    }
  }
  return 0;
}
