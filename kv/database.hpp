// The RocksDB database of a store: opening it, its column families, its settings, and what its
// errors mean to us.
#pragma once

#include <rocksdb/db.h>

#include <array>
#include <memory>
#include <stdexcept>
#include <string>

#include "core/crypto.hpp"
#include "core/error.hpp"
#include "core/log.hpp"
#include "core/record.hpp"

namespace tacit::kv {

// The store cannot be opened: one line that says why and what to do.
class open_failure : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

inline constexpr std::uint32_t store_format = 2;

// An open database. Closes it when it goes (families first: RocksDB insists). Reads and writes from
// any thread.
class database {
 public:
  // Opens the store in `folder`, or makes one when there is none; adds the families that a store of
  // an earlier tacit lacks. Throws open_failure: another
  // root key, a newer format, a damaged or unreadable store, a read-only disk. Nothing is changed
  // then.
  static std::unique_ptr<database> open(std::string const& folder, core::key_check const& check,
                                        core::log& log);
  ~database();
  database(database const&) = delete;
  database& operator=(database const&) = delete;

  [[nodiscard]] rocksdb::DB& engine() const noexcept { return *engine_; }
  [[nodiscard]] rocksdb::ColumnFamilyHandle* in(core::family which) const noexcept;
  [[nodiscard]] std::string const& folder() const noexcept { return folder_; }

  // Writes everything that is in memory to table files, so that the next start replays nothing.
  void flush() noexcept;

 private:
  database(std::string folder, std::shared_ptr<rocksdb::Logger> logger);
  enum class open_mode { look, use };  // look: changes nothing, also not the files
  void open_engine(open_mode mode);
  void write_first_rows(core::key_check const& check);
  void check_rows(core::key_check const& check) const;

  std::string folder_;
  std::shared_ptr<rocksdb::Logger> logger_;
  std::unique_ptr<rocksdb::DB> engine_;
  std::array<rocksdb::ColumnFamilyHandle*, 8> families_{};  // 0 is RocksDB's unused default
};

// Whether `folder` holds a store (also one that cannot be opened). A folder that we may not look
// into is taken to hold one: it is another's, and has been in use.
[[nodiscard]] bool store_exists(std::string const& folder);

inline rocksdb::Slice as_slice(std::string_view text) { return {text.data(), text.size()}; }
inline std::string_view as_text(rocksdb::Slice slice) { return {slice.data(), slice.size()}; }

}  // namespace tacit::kv
