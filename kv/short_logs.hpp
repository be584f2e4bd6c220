// A disk on which the logs of a store end where they are whole. For reading.
#pragma once

#include <rocksdb/file_system.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "kv/log_scan.hpp"

namespace tacit::kv {

class short_logs final : public rocksdb::FileSystemWrapper {
 public:
  explicit short_logs(std::vector<scanned_log> const& logs)
      : FileSystemWrapper(rocksdb::FileSystem::Default()) {
    for (scanned_log const& log : logs) bytes_[log.name] = log.sound_bytes;
  }
  char const* Name() const override { return "short_logs"; }

  rocksdb::IOStatus NewSequentialFile(std::string const& name, rocksdb::FileOptions const& how,
                                      std::unique_ptr<rocksdb::FSSequentialFile>* opened,
                                      rocksdb::IODebugContext* context) override {
    auto const status = FileSystemWrapper::NewSequentialFile(name, how, opened, context);
    auto const known = bytes_.find(std::filesystem::path(name).filename());
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

  std::map<std::string, std::uint64_t> bytes_;
};

}  // namespace tacit::kv
