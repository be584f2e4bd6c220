// Rows as bytes. Every row carries a tag, bound to its family and its key in the
// store: a changed, cut off or misplaced row is errc::corrupt. The grammar
// stands in record.cpp.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/api_key.hpp"
#include "core/crypto.hpp"
#include "core/entries.hpp"
#include "core/receipt.hpp"

namespace tacit::core {

enum class family : std::uint8_t {  // part of the format: never change a number
  projects = 1,
  secrets = 2,
  values = 3,
  counters = 4,
  api_keys = 5,
  meta = 6,
  deliveries = 7,
};

// Where a row lies.
struct row_place {
  family in;
  std::string_view key;
};

[[nodiscard]] std::string encode_project(row_keys const&, row_place, project_row const&);
[[nodiscard]] result<project_row> decode_project(row_keys const&, row_place, std::string_view);

[[nodiscard]] std::string encode_counters(row_keys const&, row_place, counter_row const&);
[[nodiscard]] result<counter_row> decode_counters(row_keys const&, row_place, std::string_view);

[[nodiscard]] std::string encode_secret(row_keys const&, row_place, secret_row const&);
[[nodiscard]] result<secret_row> decode_secret(row_keys const&, row_place, std::string_view);

[[nodiscard]] std::string encode_api_key(row_keys const&, row_place, api_key_entry const&);
[[nodiscard]] result<api_key_entry> decode_api_key(row_keys const&, row_place, std::string_view);

[[nodiscard]] std::string encode_sequence(row_keys const&, row_place, std::uint64_t);
[[nodiscard]] result<std::uint64_t> decode_sequence(row_keys const&, row_place, std::string_view);

// Its key is receipt_key_of(…).
[[nodiscard]] std::string encode_receipt(row_keys const&, row_place, receipt const&);
[[nodiscard]] result<receipt> decode_receipt(row_keys const&, row_place, std::string_view);

// Keys of a secret's two rows, in the families `secrets` and `values`. '/' is in no name, so they
// are unambiguous, and the rows of one project lie together, sorted by name.
[[nodiscard]] std::string secret_key_of(project_id const& project, secret_name const& name);
// Also of a project's rows in the family `deliveries`.
[[nodiscard]] std::string secrets_prefix_of(project_id const& project);
[[nodiscard]] std::string receipt_key_of(row_keys const&, project_id const& project,
                                         consumer const& to);

}  // namespace tacit::core
