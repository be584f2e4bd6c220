// What can be read of a damaged store, and a new store made of it. Reads only; every row is checked
// as the server would, and every value is opened.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/sealing.hpp"
#include "kv/database.hpp"
#include "kv/log_scan.hpp"

namespace tacit::kv {

// Says whether the value opens at its place.
using value_check = std::function<bool(core::value_place const&, std::string_view sealed)>;

struct recounted_project {
  core::project_id id;
  core::counter_row counters;
};

// Names are as "project/KEY", and nothing here is a value.
struct salvaged {
  std::set<std::string> faults;  // what the engine said of tables that it cannot read
  // Tables that are not as they were written: what they held may be older here, or missing.
  std::set<std::string> changed_tables;
  std::vector<scanned_log> damaged_logs;     // what is behind sound_bytes of them is lost
  std::optional<std::string> missing_log;    // its changes are lost, and those behind it
  std::uint64_t lost_last_changes = 0;       // rows that were changed last, behind the logs' end
  std::set<std::string> lost_changes;        // what the readable part of that had changed
  std::set<std::string> lost_secrets;        // of which a row or the value is not whole
  std::set<std::string> unnamed_projects;    // whose name and cap are lost: the id and the default
  std::vector<recounted_project> recounted;  // whose counter did not fit what is left
  std::set<std::string> lost_api_keys;
  std::uint64_t lost_receipts = 0;
  bool lost_epoch_mark = false;  // of the keeper's enrolled runtimes
  bool lost_sequence = false;
  bool lost_mark = false;  // the file STORE is there and says nothing

  std::uint64_t projects = 0;  // what is left
  std::uint64_t secrets = 0;
  std::uint64_t api_keys = 0;

  // Something is lost, or the engine found something that it cannot read.
  [[nodiscard]] bool is_damaged() const noexcept;
};

struct salvage_parts {
  core::row_keys const& keys;
  value_check opens;
};

// Reads the store at `from`; with `into`, an empty folder, writes what is left to a new store
// there. It answers to no ETag that the old one has given out. Throws open_failure: another root
// key, another format, a list of files that is damaged or an older one than the store had.
salvaged salvage(store_place const& from, salvage_parts const& parts,
                 std::optional<std::string> const& into);

}  // namespace tacit::kv
