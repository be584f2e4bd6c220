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
  // How long this takes tells something of a keyed hash, of which nobody without the key can make
  // use.
  auto const found = keys.find(hash);
  return found == keys.end() ? nullptr : found->second;
}

}  // namespace tacit::core
