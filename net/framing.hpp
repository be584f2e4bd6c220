// HTTP/1.1 request heads (RFC 9112), strictly: what two parsers could read differently is refused.
// The raw bytes are looked at first for what a parser no longer shows (bare CR and LF, folded
// lines, control characters), then Beast parses, then the fields are judged. No I/O, no allocation
// but for the parser's own.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "core/crypto.hpp"
#include "core/error.hpp"
#include "core/limits.hpp"

namespace tacit::net {

enum class method : std::uint8_t { get, head, post, del, other };

struct framing_limits {
  std::size_t head_bytes = core::limits::head_bytes_max;
  std::size_t body_bytes = core::limits::body_bytes_max;
};

// A request's head. The texts are views into the bytes that were parsed.
struct request_head {
  method verb = method::other;
  std::string_view target;     // origin form: begins with '/'
  std::size_t head_bytes = 0;  // up to and with the empty line
  std::size_t body_bytes = 0;  // Content-Length, 0 without
  bool keep_alive = false;
  bool expects_continue = false;
  std::optional<std::string_view> authorization;
  std::optional<std::string_view> content_type;
  std::optional<std::string_view> if_none_match;
  std::optional<std::string_view> request_id;  // when it is one that we take over
};

// Nothing while the head is not complete. An error says how the request cannot be taken: the
// connection ends after its answer, because where the next request begins is not known.
//   uri_too_long         target longer than limits::target_bytes_max
//   headers_too_large    head longer than the limit, or more than limits::fields_max fields
//   length_required      any Transfer-Encoding, or a method with a body and no Content-Length
//   payload_too_large    Content-Length beyond the limit
//   malformed_request    anything else
// Of several faults the first in the order of the bytes counts, however the bytes arrive.
[[nodiscard]] core::result<std::optional<request_head>> parse_request_head(
    std::string_view bytes, framing_limits const& limits);

// As parse_request_head, for the requests of one connection in turn: a head of the same bytes as
// the last one, which is the rule with clients that keep a connection, is not parsed again. Keeps
// no text of it, which names an API key: only a keyed tag (SipHash) and where the parts stand.
class head_memory {
 public:
  [[nodiscard]] core::result<std::optional<request_head>> parse(std::string_view bytes,
                                                                framing_limits const& limits,
                                                                core::short_tag_key const& key);

 private:
  struct part {
    std::uint32_t begin = 0;
    std::uint32_t end = 0;
    bool is_there = false;
  };

  void remember(std::string_view bytes, request_head const& head, core::short_tag_key const& key);
  [[nodiscard]] request_head recall(std::string_view bytes) const;

  std::size_t head_bytes_ = 0;  // 0: none yet
  core::short_tag tag_{};
  request_head shape_;  // without its texts
  std::array<part, 5> texts_;
};

// What can be told of a request that was refused, for its answer and its log line: its head, when
// that is complete and well formed. Only method, target and request id are set.
[[nodiscard]] std::optional<request_head> recover_head(std::string_view bytes);

}  // namespace tacit::net
