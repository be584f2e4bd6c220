// Request bodies: one flat JSON object with known members (RFC 8259). Read with Boost.JSON's SAX
// parser straight to where each member belongs, so that no copy of a secret is left in a tree.
// Boost.JSON itself would keep the last of two equal members; here that is refused, as are unknown
// members, nesting, other types, text behind the object, a byte-order mark, invalid UTF-8.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/error.hpp"
#include "core/secret.hpp"

namespace tacit::net {

// A member that may be a text or a list of texts.
struct text_or_list {
  std::optional<std::string> text;
  std::vector<std::string> list;
};

inline constexpr std::size_t list_items_max = 256;

// One member of the object: its name, where its value goes (which also says of what type it must
// be), and what the reader found. Targets are empty before.
struct body_member {
  std::string_view name;
  std::variant<std::string*, core::secret_buffer*, std::uint64_t*, text_or_list*> into;
  bool required = true;
  bool seen = false;
};

// What was wrong first, for error.details. Both are fixed texts: nothing of the body is in them.
struct body_problem {
  std::string_view field;  // a member's name as we know it, or "body"
  std::string_view issue;
};

// Nothing when the body is as described; texts longer than `text_bytes_max` (of a secret_buffer:
// than its capacity) are a problem.
[[nodiscard]] std::optional<body_problem> read_json_body(std::string_view body,
                                                         std::span<body_member> members,
                                                         std::size_t text_bytes_max);

}  // namespace tacit::net
