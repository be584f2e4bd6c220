// A disk that remembers which logs of a store were read, and on which they can be cut short. A log
// that RocksDB does not read is not needed any more: all of it is in tables.
#pragma once

#include <rocksdb/file_system.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "kv/log_scan.hpp"

namespace tacit::kv {

class watched_logs final : public rocksdb::FileSystemWrapper {
 public:
  explicit watched_logs(std::shared_ptr<rocksdb::FileSystem> real)
      : FileSystemWrapper(real ? std::move(real) : rocksdb::FileSystem::Default()) {}
  char const* Name() const override { return "watched_logs"; }

  // From now on they end where they are whole.
  void cut(std::vector<scanned_log> const& logs) {
    for (scanned_log const& log : logs) bytes_[log.name] = log.sound_bytes;
  }
  // The names of those that were read.
  [[nodiscard]] std::set<std::string> const& read() const noexcept { return read_; }

  rocksdb::IOStatus NewSequentialFile(std::string const& name, rocksdb::FileOptions const& how,
                                      std::unique_ptr<rocksdb::FSSequentialFile>* opened,
                                      rocksdb::IODebugContext* context) override {
    auto const status = FileSystemWrapper::NewSequentialFile(name, how, opened, context);
    std::string const log = std::filesystem::path(name).filename();
    if (status.ok() && log.ends_with(".log")) read_.insert(log);
    auto const known = bytes_.find(log);
    if (status.ok() && known != bytes_.end()) {
      *opened = std::make_unique<short_file>(std::move(*opened), known->second);
    }
    return status;
  }

 private:
  class short_file final : public rocksdb::FSSequentialFileOwnerWrapper {
   public:
    short_file(std::unique_ptr<rocksdb::FSSequentialFile> whole, std::uint64_t bytes)
        : FSSequentialFileOwnerWrapper(std::move(whole)), left_(bytes) {}
    rocksdb::IOStatus Read(std::size_t wanted, rocksdb::IOOptions const& how, rocksdb::Slice* got,
                           char* to, rocksdb::IODebugContext* context) override {
      auto const status = FSSequentialFileOwnerWrapper::Read(std::min<std::uint64_t>(wanted, left_),
                                                             how, got, to, context);
      if (status.ok()) left_ -= got->size();
      return status;
    }

   private:
    std::uint64_t left_;
  };

  // For the thread that opens the database.
  std::set<std::string> read_;
  std::map<std::string, std::uint64_t> bytes_;
};

}  // namespace tacit::kv
