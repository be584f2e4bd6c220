// What the suites share: hexadecimal, seeded bytes, fixed keys, callers and their permits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/access.hpp"
#include "core/crypto.hpp"
#include "core/name.hpp"

namespace tacit::core::test {

inline std::string from_hex(std::string_view hex) {
  auto const digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  std::string bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes.push_back(static_cast<char>(digit(hex[i]) * 16 + digit(hex[i + 1])));
  }
  return bytes;
}

inline std::string_view as_text(bytes_view bytes) {
  return {reinterpret_cast<char const*>(bytes.data()), bytes.size()};
}

// The 32 bytes first, first + 1, …
template <typename Key>
Key counting_key(unsigned first) {
  Key key;
  for (unsigned char& byte : key.reveal_mutable()) byte = static_cast<unsigned char>(first++);
  return key;
}

// 00 01 02 … 1f: the root key of every known answer.
inline root_key sample_root() {
  init_crypto();
  return counting_key<root_key>(0);
}

inline std::string random_bytes(std::mt19937_64& random, std::size_t size) {
  std::string bytes(size, '\0');
  for (char& c : bytes) c = static_cast<char>(random() & 0xFFu);
  return bytes;
}

inline project_id project(std::string_view id) { return *project_id::parse(id); }
inline secret_name secret(std::string_view name) { return *secret_name::parse(name); }

// Whether the result is this error.
template <typename T>
bool is(result<T> const& outcome, errc expected) {
  return !outcome && outcome.error() == expected;
}

// The texts that differ from `bytes` in one bit.
template <typename Visit>
void for_each_flipped_bit(std::string const& bytes, Visit&& visit) {
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    for (unsigned bit = 0; bit < 8; ++bit) {
      std::string changed = bytes;
      changed[at] = static_cast<char>(static_cast<unsigned char>(changed[at]) ^ (1u << bit));
      visit(changed);
    }
  }
}

// An API key as the directory holds it.
inline std::shared_ptr<api_key_entry> api_key(std::uint8_t permissions, project_scope scope) {
  auto key = std::make_shared<api_key_entry>(*api_key_id::parse("key-1"));
  key->name = "deploy";
  key->permissions = permission_set::from_bits(permissions);
  key->scope = std::move(scope);
  return key;
}

// A limiter's memory that admits everybody.
struct open_gate {
  std::unique_ptr<rate_limiter::word[]> memory =
      std::make_unique<rate_limiter::word[]>(rate_limiter::words);
  rate_limiter limiter{
      std::span<rate_limiter::word, rate_limiter::words>(memory.get(), rate_limiter::words),
      {0, 0, 0}};

  admitted admit(caller who) {
    return *admission(std::move(who), limiter, bucket_kind::read, 0).granted;
  }
  admitted owner() { return admit(caller::local_owner()); }
};

inline read_permit may_read(project_id const& id) {
  return *permit_read(open_gate().owner(), id, project_state::present);
}
inline write_permit may_write(project_id const& id) {
  return *permit_write(open_gate().owner(), id, project_state::present);
}
inline admin_permit is_admin() { return *permit_admin(open_gate().owner()); }

}  // namespace tacit::core::test
