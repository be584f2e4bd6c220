// What the store holds, as the rest of the program sees it (entries) and as the commit decides on
// it (rows). record.hpp turns rows into bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/label.hpp"
#include "core/name.hpp"
#include "core/timestamp.hpp"

namespace tacit::core {

// A project's row: what people set.
struct project_row {
  std::string name;
  std::uint32_t secret_limit = 0;  // 0: as the setting says
  timestamp created;
};

// A project's counters: what each write changes.
struct counter_row {
  std::uint32_t secrets = 0;
  std::uint64_t revision = 0;  // of the store-wide sequence
  timestamp updated;
};

// A secret's metadata row. The value lies under record_id.
struct secret_row {
  std::uint64_t version = 0;  // of the store-wide sequence
  timestamp created;
  timestamp updated;
  std::uint64_t record_id = 0;
  label last_four;
};

struct project_entry {
  project_id id;
  std::string name;
  std::uint32_t secret_count = 0;
  std::uint32_t secret_limit = 0;
  timestamp created;
  timestamp updated;
};

struct secret_entry {
  secret_name name;
  std::uint64_t version = 0;
  timestamp created;
  timestamp updated;
  label last_four;
};

// List and revision come from one snapshot. Sorted by name.
struct secret_list {
  std::uint64_t revision = 0;
  std::vector<secret_entry> secrets;
};

}  // namespace tacit::core
