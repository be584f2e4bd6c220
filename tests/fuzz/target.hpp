// A fuzz target: one source file a surface, which defines LLVMFuzzerTestOneInput. libFuzzer,
// AFL++ and replay.cpp call it (docs/reliability.md). A target judges: besides what the sanitizers
// see, it CHECKs what must hold for every input, so that a wrong answer is a crash too.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/check.hpp"

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size);

namespace tacit::fuzz {

inline std::string_view as_text(std::uint8_t const* data, std::size_t size) {
  return {reinterpret_cast<char const*>(data), size};
}

// The first byte of the input, 0 when it is empty; the input is then without it.
inline std::uint8_t take_byte(std::string_view& input) {
  if (input.empty()) return 0;
  auto const byte = static_cast<std::uint8_t>(input.front());
  input.remove_prefix(1);
  return byte;
}

// FNV-1a: a choice that is the same for the same input.
inline std::size_t choice_of(std::string_view input) {
  std::uint64_t hash = 0xCBF2'9CE4'8422'2325u;
  for (char const c : input) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100'0000'01B3u;
  return static_cast<std::size_t>(hash >> 8);
}

}  // namespace tacit::fuzz
