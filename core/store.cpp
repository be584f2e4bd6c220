#include "core/store.hpp"

#include <cstring>

namespace tacit::core {

// The hash is keyed and random already: any part of it will do.
std::size_t api_key_directory::by_hash::operator()(api_key_hash const& hash) const noexcept {
  std::size_t number = 0;
  std::memcpy(&number, hash.data(), sizeof number);
  return number;
}

std::shared_ptr<api_key_entry const> api_key_directory::find(api_key_hash const& hash) const {
  auto const found = keys.find(hash);
  if (found == keys.end()) return nullptr;
  return equal_in_constant_time(found->second->hash, hash) ? found->second : nullptr;
}

}  // namespace tacit::core
