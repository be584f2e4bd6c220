// The RocksDB database of a store: opening it, its column families, its settings, and what its
// errors mean to us.
#pragma once

#include <rocksdb/db.h>
#include <rocksdb/file_system.h>

#include <array>
#include <atomic>
#include <memory>
#include <stdexcept>
#include <string>

#include "core/crypto.hpp"
#include "core/error.hpp"
#include "core/log.hpp"
#include "core/record.hpp"
#include "kv/log_scan.hpp"
#include "kv/store_mark.hpp"

namespace tacit::kv {

// The store cannot be opened: one line that says why and what to do.
class open_failure : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};
// For want of room on the disk alone: when there is some, it opens.
class no_room_to_open : public open_failure {
 public:
  using open_failure::open_failure;
};

// Why a store cannot be opened that has something wrong in it, and what to do.
[[nodiscard]] std::string explain_damage(std::string const& folder, std::string const& what);

// Where a store lies, and what it takes to open it.
struct store_place {
  std::string folder;
  core::key_check check{};
  core::log* log = nullptr;
  // What RocksDB takes for the disk; null for the real one. The mark lies on the real one always.
  std::shared_ptr<rocksdb::FileSystem> disk;
};

class engine_events;

// An open database. Closes it when it goes (families first: RocksDB insists). Reads and writes from
// any thread.
class database {
 public:
  // Opens the store in `folder`, or makes one when there is none; adds the families that a store of
  // an earlier tacit lacks. Throws open_failure: another
  // root key, a newer format, a damaged or unreadable store, a read-only disk. Nothing is changed
  // then.
  static std::unique_ptr<database> open(store_place const& place);
  static std::unique_ptr<database> open(std::string const& folder, core::key_check const& check,
                                        core::log& log) {
    return open({folder, check, &log, nullptr});
  }
  // Opens a store that open() may refuse, for reading: what is damaged is an error when it is read.
  // Throws open_failure: another root key, another format, a damaged list of files or an older one.
  static std::unique_ptr<database> open_what_is_left(store_place const& place);
  ~database();
  database(database const&) = delete;
  database& operator=(database const&) = delete;

  [[nodiscard]] rocksdb::DB& engine() const noexcept { return *engine_; }
  [[nodiscard]] rocksdb::ColumnFamilyHandle* in(core::family which) const noexcept;
  [[nodiscard]] store_place const& place() const noexcept { return place_; }

  // The engine met a full disk, in a write or in its own work. It takes writes no more, or soon
  // will not: only opening it again helps, when there is room. From any thread.
  [[nodiscard]] bool met_full_disk() const noexcept;

  // Notes in the mark how far the list of files has come, when it has since the last time: a cut
  // that falls behind it is refused from then on. What cannot be written is left for the next time.
  // For one thread, the one that has writes.
  void raise_floor();
  // Notes in the mark, without a sync, that every change so far is on disk: a log that ends before
  // them is refused from then on. For the same thread, behind each synced write.
  void note_changes() noexcept;

  // Writes everything that is in memory to table files, so that the next start replays nothing.
  // When that fails (false) nothing is lost: the log has it all.
  bool flush() noexcept;

 private:
  explicit database(store_place place);
  // look and rescue change nothing, also not the files; rescue takes tables that are damaged, until
  // they are read.
  enum class open_mode { look, rescue, use };
  void open_engine(open_mode mode);
  [[nodiscard]] core::result<void> mark_as_made();
  // The number of the first log that is needed, when there are more behind it; else 0.
  [[nodiscard]] std::uint64_t oldest_of_many_logs() const;
  void write_first_rows(core::key_check const& check);
  void check_rows(core::key_check const& check) const;

  store_place place_;
  std::unique_ptr<rocksdb::Env> env_;  // null: the default one
  std::shared_ptr<rocksdb::Logger> logger_;
  std::shared_ptr<engine_events> events_;
  std::unique_ptr<rocksdb::DB> engine_;
  // Of the thread that has writes: the last change that is on disk.
  std::uint64_t last_change_ = 0;
  change_note note_;
  std::array<rocksdb::ColumnFamilyHandle*, 8> families_{};  // 0 is RocksDB's unused default
};

// The logs that the engine would read, whatever is in them: the others are in tables. Nothing of
// them is read, nothing is changed.
[[nodiscard]] logs_in_use find_logs_in_use(store_place place);

// Whether `folder` holds a store (also one that cannot be opened, as with its CURRENT or its mark
// gone). A folder that we may not look into is taken to hold one: it is another's, and has been in
// use.
[[nodiscard]] bool store_exists(std::string const& folder);

inline rocksdb::Slice as_slice(std::string_view text) { return {text.data(), text.size()}; }
inline std::string_view as_text(rocksdb::Slice slice) { return {slice.data(), slice.size()}; }

}  // namespace tacit::kv
