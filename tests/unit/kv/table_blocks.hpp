// The blocks of a RocksDB table, so that a test can exchange whole ones.
//
//   table   blocks, each with a kind(1) and a checksum(4) behind it; footer(53)
//   footer  checksum kind(1)  handle of the list of metablocks  handle of the index  zeros
//           version(4)  magic(8)
//   handle  offset(varint)  bytes(varint)
//   index   entry…  restarts(4 each)  count(4); each entry: 0(varint)  key bytes(varint)  key
//           handle of a data block
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "core/check.hpp"
#include "core/wire.hpp"

namespace tacit::kv::test {

struct table_block {
  std::size_t begin = 0;
  std::size_t bytes = 0;  // with what lies behind it
};

class block_reader {
 public:
  explicit block_reader(std::string_view bytes) : left_(bytes) {}
  std::uint64_t number() {
    std::uint64_t value = 0;
    for (unsigned shift = 0;; shift += 7) {
      auto const byte = static_cast<unsigned char>(left_.at(0));
      left_.remove_prefix(1);
      value |= std::uint64_t{byte & 0x7Fu} << shift;
      if (byte < 0x80) return value;
    }
  }
  table_block handle() {
    std::size_t const begin = number();
    return {begin, number() + trailer_bytes};
  }
  void skip(std::size_t bytes) { left_.remove_prefix(bytes); }
  bool is_empty() const { return left_.empty(); }

  static constexpr std::size_t trailer_bytes = 5;

 private:
  std::string_view left_;
};

// The data blocks, in order, and behind them all others.
inline std::vector<table_block> blocks_of(std::string const& table) {
  constexpr std::size_t footer_bytes = 53;
  block_reader footer(std::string_view(table).substr(table.size() - footer_bytes + 1));
  table_block const metablocks = footer.handle();
  table_block const index = footer.handle();
  std::string_view entries = std::string_view(table).substr(index.begin, index.bytes - 5);
  std::uint32_t restarts = 0;
  core::wire_reader count(entries.substr(entries.size() - 4));
  restarts = count.number<std::uint32_t>();
  entries.remove_suffix(4 + 4 * restarts);
  std::vector<table_block> found;
  for (block_reader at(entries); !at.is_empty();) {
    CHECK(at.number() == 0);
    at.skip(at.number());
    found.push_back(at.handle());
  }
  found.push_back(index);
  found.push_back(metablocks);
  return found;
}

}  // namespace tacit::kv::test
