// RocksDB's write-ahead logs, and its list of files, which is a log too, read without RocksDB: how
// far they are whole, and whether changes lie behind a damage. RocksDB takes some damage for the
// end of a log, and goes on without what was acknowledged behind it.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.hpp"

namespace tacit::kv {

struct scanned_log {
  std::string name;
  std::uint64_t bytes = 0;
  std::uint64_t sound_bytes = 0;      // the end of the last record before any damage
  std::uint64_t readable_behind = 0;  // bytes of whole records that begin behind it
  [[nodiscard]] bool is_whole() const noexcept { return sound_bytes == bytes; }
};

// Called with each whole record behind a damage: a batch as RocksDB wrote it.
using lost_record_visitor = std::function<void(std::string_view batch)>;
// Called with each whole record before any; false when it does not belong behind those before it,
// which is a damage.
using record_check = std::function<bool(std::string_view record)>;

// One log, or what is left of it.
[[nodiscard]] scanned_log scan_log(std::string_view bytes, lost_record_visitor const& visit,
                                   record_check const& follows = {});

// A list of files. errc::unavailable when it cannot be read.
[[nodiscard]] core::result<scanned_log> scan_list(std::string const& path);

struct logs_in_use {
  std::set<std::string> names;
  // The number of the last change of which the list of files knows: what is in front of the logs is
  // no later one.
  std::uint64_t last_listed_change = std::numeric_limits<std::uint64_t>::max() - 1;
};

// These logs of a store, oldest first. Each record must begin with the number behind those of the
// one before: none is missing, there twice or another's. Everything in the logs behind one that is
// not whole, or empty, counts as behind a damage: their sound_bytes is 0. errc::unavailable when
// one cannot be read.
[[nodiscard]] core::result<std::vector<scanned_log>> scan_logs(std::string const& folder,
                                                               logs_in_use const& logs,
                                                               lost_record_visitor const& visit);

// The first log that is damaged in front of whole records; null when there is none. What was being
// written when a machine stopped ends a log early, but nothing begins behind it.
[[nodiscard]] scanned_log const* find_damaged_log(std::vector<scanned_log> const& logs) noexcept;

}  // namespace tacit::kv
