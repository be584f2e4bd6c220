#include "kv/changed_tables.hpp"

#include <fcntl.h>
#include <rocksdb/file_checksum.h>
#include <unistd.h>

#include <optional>
#include <vector>

namespace tacit::kv {

namespace {

constexpr std::size_t piece_bytes = 256u << 10;

// Nothing when it cannot be read.
std::optional<std::string> checksum_of(std::string const& path,
                                       rocksdb::FileChecksumGenerator& sum) {
  int const file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (file < 0) return std::nullopt;
  std::vector<char> piece(piece_bytes);
  ssize_t got = 0;
  while ((got = ::read(file, piece.data(), piece.size())) > 0) {
    sum.Update(piece.data(), static_cast<std::size_t>(got));
  }
  ::close(file);
  if (got < 0) return std::nullopt;
  sum.Finalize();
  return sum.GetChecksum();
}

}  // namespace

std::shared_ptr<rocksdb::FileChecksumGenFactory> table_checksums() {
  return rocksdb::GetFileChecksumGenCrc32cFactory();
}

std::set<std::string> find_changed_tables(rocksdb::DB& engine) {
  std::set<std::string> changed;
  std::vector<rocksdb::LiveFileMetaData> tables;
  engine.GetLiveFilesMetaData(&tables);
  auto const sums = table_checksums();
  for (rocksdb::LiveFileMetaData const& table : tables) {
    if (table.file_checksum_func_name == rocksdb::kUnknownFileChecksumFuncName) continue;
    auto const sum =
        sums->CreateFileChecksumGenerator({table.relative_filename, table.file_checksum_func_name});
    auto const now = sum == nullptr
                         ? std::nullopt
                         : checksum_of(table.directory + "/" + table.relative_filename, *sum);
    if (now != table.file_checksum) changed.insert(table.relative_filename);
  }
  return changed;
}

}  // namespace tacit::kv
