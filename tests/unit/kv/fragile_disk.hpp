// A disk whose power can be cut: what was not synced is gone, or there in part.
#pragma once

#include <rocksdb/file_system.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace tacit::kv::test {

// For one folder. After so many operations the power is off: nothing changes any more and
// everything fails. lose() then leaves what a machine might find: of each file what was synced and
// a piece of the rest (the first so many bytes, or so many pages and zeros for others); of the
// names made, renamed and removed since the folder was synced the first few. From any thread.
class fragile_disk final : public rocksdb::FileSystemWrapper {
 public:
  struct settings {
    std::uint64_t cut_after = 0;  // operations
    bool syncs_logs = true;       // false: a disk that lies, the control
  };
  fragile_disk(std::string limbo, settings configured)
      : FileSystemWrapper(rocksdb::FileSystem::Default()),
        limbo_(std::move(limbo)),
        configured_(configured) {
    std::filesystem::create_directories(limbo_);
  }
  char const* Name() const override { return "fragile_disk"; }

  bool is_off() {
    std::lock_guard const lock(mutex_);
    return off_;
  }
  void cut() {
    std::lock_guard const lock(mutex_);
    off_ = true;
  }
  // Once nobody uses it any more.
  void lose(std::mt19937_64& rng) {
    std::lock_guard const lock(mutex_);
    std::size_t const kept = rng() % (names_.size() + 1);
    for (std::size_t at = names_.size(); at > kept; --at) undo(names_[at - 1]);
    for (auto const& [name, bytes] : files_) {
      if (std::filesystem::exists(name)) lose_tail(name, bytes, rng);
    }
    std::filesystem::remove_all(limbo_);
  }

  using debug = rocksdb::IODebugContext*;
  using options = rocksdb::IOOptions const&;
  using io = rocksdb::IOStatus;

  io NewWritableFile(std::string const& name, rocksdb::FileOptions const& how,
                     std::unique_ptr<rocksdb::FSWritableFile>* made, debug context) override {
    std::lock_guard const lock(mutex_);
    if (!goes_on()) return failed();
    bool const is_new = !std::filesystem::exists(name);
    auto const status = FileSystemWrapper::NewWritableFile(name, how, made, context);
    if (!status.ok()) return status;
    if (is_new) names_.push_back({change::made, name, {}, {}});
    files_[name] = {};
    *made = std::make_unique<file>(std::move(*made), *this, name);
    return status;
  }
  io RenameFile(std::string const& from, std::string const& to, options how,
                debug context) override {
    std::lock_guard const lock(mutex_);
    if (!goes_on()) return failed();
    names_.push_back({change::renamed, from, to, keep(to)});
    files_[to] = files_[from];
    files_.erase(from);
    return FileSystemWrapper::RenameFile(from, to, how, context);
  }
  io DeleteFile(std::string const& name, options how, debug context) override {
    std::lock_guard const lock(mutex_);
    if (!goes_on()) return failed();
    names_.push_back({change::removed, name, {}, keep(name)});
    return FileSystemWrapper::DeleteFile(name, how, context);
  }
  io NewDirectory(std::string const& name, options how, std::unique_ptr<rocksdb::FSDirectory>* made,
                  debug context) override {
    auto const status = FileSystemWrapper::NewDirectory(name, how, made, context);
    if (status.ok()) *made = std::make_unique<directory>(std::move(*made), *this);
    return status;
  }

 private:
  struct length {
    std::uint64_t now = 0;
    std::uint64_t synced = 0;
  };
  struct change {
    enum kind { made, renamed, removed } what;
    std::string name;
    std::string to;
    std::string kept;  // what had this name before
  };

  class file final : public rocksdb::FSWritableFileOwnerWrapper {
   public:
    file(std::unique_ptr<rocksdb::FSWritableFile> real, fragile_disk& disk, std::string name)
        : FSWritableFileOwnerWrapper(std::move(real)), disk_(disk), name_(std::move(name)) {}

    io Append(rocksdb::Slice const& bytes, options how, debug context) override {
      std::lock_guard const lock(disk_.mutex_);
      if (!disk_.goes_on()) return failed();
      disk_.files_[name_].now += bytes.size();
      return FSWritableFileOwnerWrapper::Append(bytes, how, context);
    }
    io Append(rocksdb::Slice const& bytes, options how, rocksdb::DataVerificationInfo const&,
              debug context) override {
      return Append(bytes, how, context);
    }
    io Truncate(std::uint64_t size, options how, debug context) override {
      std::lock_guard const lock(disk_.mutex_);
      if (!disk_.goes_on()) return failed();
      return FSWritableFileOwnerWrapper::Truncate(size, how, context);
    }
    io Sync(options, debug) override { return sync(); }
    io Fsync(options, debug) override { return sync(); }
    io RangeSync(std::uint64_t, std::uint64_t, options, debug) override { return io::OK(); }

   private:
    io sync() {
      std::lock_guard const lock(disk_.mutex_);
      if (!disk_.goes_on()) return failed();
      if (disk_.configured_.syncs_logs || !name_.ends_with(".log")) {
        auto& bytes = disk_.files_[name_];
        bytes.synced = bytes.now;
      }
      return io::OK();
    }

    fragile_disk& disk_;
    std::string name_;
  };

  class directory final : public rocksdb::FSDirectoryWrapper {
   public:
    directory(std::unique_ptr<rocksdb::FSDirectory> real, fragile_disk& disk)
        : FSDirectoryWrapper(std::move(real)), disk_(disk) {}
    io Fsync(options, debug) override { return sync(); }
    io FsyncWithDirOptions(options, debug, rocksdb::DirFsyncOptions const&) override {
      return sync();
    }

   private:
    io sync() {
      std::lock_guard const lock(disk_.mutex_);
      if (!disk_.goes_on()) return failed();
      disk_.names_.clear();
      return io::OK();
    }
    fragile_disk& disk_;
  };

  static io failed() { return io::IOError("the power is off"); }
  bool goes_on() {
    if (configured_.cut_after > 0 && ++operations_ >= configured_.cut_after) off_ = true;
    return !off_;
  }
  std::string keep(std::string const& name) {
    if (!std::filesystem::exists(name)) return {};
    std::string kept = limbo_ + "/" + std::to_string(++kept_files_);
    std::filesystem::create_hard_link(name, kept);
    return kept;
  }
  void undo(change const& one) {
    if (one.what == change::made) std::filesystem::remove(one.name);
    if (one.what == change::renamed) {
      std::filesystem::rename(one.to, one.name);
      files_[one.name] = files_[one.to];
      files_.erase(one.to);
    }
    if (one.kept.empty()) return;
    std::filesystem::rename(one.kept, one.what == change::renamed ? one.to : one.name);
  }
  static void lose_tail(std::string const& name, length const& bytes, std::mt19937_64& rng) {
    if (bytes.now <= bytes.synced) return;
    std::uint64_t const unsynced = bytes.now - bytes.synced;
    std::uint64_t const kept = rng() % 3 == 0 ? 0 : rng() % (unsynced + 1);
    std::filesystem::resize_file(name, bytes.synced + kept);
    if (kept == 0 || rng() % 2 != 0) return;
    // Pages reach a disk in any order; one that did not is zeros when a later one or the size did.
    std::fstream opened(name, std::ios::in | std::ios::out | std::ios::binary);
    for (std::uint64_t at = bytes.synced; at < bytes.synced + kept;) {
      std::uint64_t const end = std::min((at / page + 1) * page, bytes.synced + kept);
      opened.seekp(static_cast<std::streamoff>(at));
      if (rng() % 2 == 0) opened << std::string(end - at, '\0');
      at = end;
    }
  }

  static constexpr std::uint64_t page = 4096;
  std::string const limbo_;
  settings const configured_;
  std::mutex mutex_;                     // guards all below
  std::map<std::string, length> files_;  // those that were made since the power is on
  std::vector<change> names_;            // since the folder was synced
  std::uint64_t operations_ = 0;
  std::uint64_t kept_files_ = 0;
  bool off_ = false;
};

}  // namespace tacit::kv::test
