// Tables of a store that are not what was written. Each block of a table has a checksum of its own,
// which does not say where the block belongs: RocksDB takes a whole one from another place, or from
// an older table, and finds rows that are older, or none. The list of files has a checksum of each
// table.
#pragma once

#include <rocksdb/db.h>

#include <set>
#include <string>

namespace tacit::kv {

// What the list of files has of each table from now on.
[[nodiscard]] std::shared_ptr<rocksdb::FileChecksumGenFactory> table_checksums();

// The names of those tables, or that cannot be read; reads all of them. One that was written before
// the list had checksums is taken as it is.
[[nodiscard]] std::set<std::string> find_changed_tables(rocksdb::DB& engine);

}  // namespace tacit::kv
