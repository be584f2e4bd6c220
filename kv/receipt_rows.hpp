// Receipts as rows of the family `deliveries`: one a project and consumer.
#pragma once

#include <rocksdb/write_batch.h>

#include <vector>

#include "core/crypto.hpp"
#include "core/receipt.hpp"
#include "kv/database.hpp"

namespace tacit::kv {

// Adds to the batch what the receipts change, none of which are of the same project and consumer:
// a whole one replaces the consumer's row, one of a part is added to it (less the secrets that are
// stored no more). Receipts of a project that does not exist are passed over. A new consumer beyond
// limits::consumers_per_project_max makes the one of the oldest delivery go. A row that is damaged
// or cannot be read counts as missing, and as the oldest.
//
// For the commit thread: nobody else may write meanwhile.
void put_receipts(database const& store, core::row_keys const& keys,
                  std::vector<core::receipt> receipts, rocksdb::WriteBatch& batch);

}  // namespace tacit::kv
