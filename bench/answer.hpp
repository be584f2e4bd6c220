// Answers as they come from a server: where one ends, and what its body says. As little is parsed
// as the checks need; a body that was found right before is recognised by its hash.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace tacit::bench {

inline constexpr std::size_t answer_head_bytes_max = 16 * 1024;

struct answer {
  unsigned status = 0;
  std::uint64_t version = 0;  // the number in the ETag, 0 without one
  std::uint64_t limit = 0;    // X-RateLimit-Limit, 0 without one
  std::size_t bytes = 0;      // head and body
  bool closes = false;        // the server will close the connection behind it
  std::string_view body;
};

enum class framing { complete, incomplete, not_understood };

// Looks at the first answer in `bytes`. `found.bytes` is set as soon as the head is complete; the
// rest when the result is complete. Only bodies with a Content-Length are understood.
[[nodiscard]] framing find_answer(std::string_view bytes, answer& found) noexcept;

// 64 bits of a body; not against an adversary.
[[nodiscard]] std::uint64_t hash_of(std::string_view bytes) noexcept;

// The four members of a secret in an answer. Views into the body.
struct shown_secret {
  std::string_view key;
  std::string_view last_four;
  std::string_view created;
  std::string_view updated;
};

// All of these take any JSON of the contract's shape, whatever its spaces and the order of its
// members, and nothing else. Texts with escapes are given as they stand.

// False when the body is not a list of secrets, or `visit` says false to one.
[[nodiscard]] bool read_list(std::string_view body,
                             std::function<bool(shown_secret const&)> const& visit);
[[nodiscard]] std::optional<shown_secret> read_secret(std::string_view body);
// `existed` of the answer to a DELETE.
[[nodiscard]] std::optional<bool> read_removed(std::string_view body);
// `code` of an error.
[[nodiscard]] std::optional<std::string_view> read_error_code(std::string_view body);

// What the keeper delivers. False when the body is of another shape, names another project,
// withholds something, or `visit` says false to a name and its value.
[[nodiscard]] bool read_delivery(
    std::string_view body, std::string_view project,
    std::function<bool(std::string_view, std::string_view)> const& visit);

}  // namespace tacit::bench
