// Request heads. For every input: the verdict does not depend on how the bytes arrive, and what is
// taken is what a slow, plain reading of RFC 9112 finds too: one Host, no Transfer-Encoding, at
// most one Content-Length, clean lines. What a connection remembers changes nothing.
#include "net/framing.hpp"

#include <algorithm>
#include <cctype>
#include <cstring>
#include <string>

#include "tests/fuzz/target.hpp"

namespace {

using namespace tacit;
using net::request_head;
using tacit::core::result;
using verdict = result<std::optional<request_head>>;

bool is_same(verdict const& a, verdict const& b) {
  if (a.has_error() || b.has_error()) {
    return a.has_error() && b.has_error() && a.error() == b.error();
  }
  if (!*a || !*b) return !*a && !*b;
  request_head const& one = **a;
  request_head const& other = **b;
  return one.verb == other.verb && one.target == other.target &&
         one.head_bytes == other.head_bytes && one.body_bytes == other.body_bytes &&
         one.keep_alive == other.keep_alive && one.expects_continue == other.expects_continue &&
         one.authorization == other.authorization && one.content_type == other.content_type &&
         one.if_none_match == other.if_none_match && one.request_id == other.request_id;
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

// Reads a head that was taken again, line by line.
void check_taken(std::string_view head, request_head const& taken, net::framing_limits limits) {
  CHECK(head.ends_with("\r\n\r\n"));
  if (head.starts_with("\r\n")) head.remove_prefix(2);
  CHECK(head.size() <= limits.head_bytes && taken.body_bytes <= limits.body_bytes);
  CHECK(head.find("\r\n\r\n") == head.size() - 4);
  std::string_view const first = head.substr(0, head.find("\r\n"));
  CHECK(first.ends_with(" HTTP/1.1") || first.ends_with(" HTTP/1.0"));
  CHECK(std::count(first.begin(), first.end(), ' ') == 2);
  CHECK(taken.target.starts_with('/') && first.find(taken.target) != first.npos);

  std::size_t hosts = 0, lengths = 0, fields = 0, length = 0;
  for (std::size_t at = first.size() + 2; at < head.size() - 2; ++fields) {
    std::string_view const line = head.substr(at, head.find("\r\n", at) - at);
    at += line.size() + 2;
    std::size_t const colon = line.find(':');
    CHECK(colon != line.npos && colon > 0);
    for (char const c : line)
      CHECK(c == '\t' || (static_cast<unsigned char>(c) >= 0x20 && c != 0x7F));
    for (char const c : line.substr(0, colon)) {
      CHECK(std::isalnum(static_cast<unsigned char>(c)) || std::strchr("!#$%&'*+-.^_`|~", c));
    }
    std::string const name = lower(line.substr(0, colon));
    CHECK(name != "transfer-encoding");
    if (name == "host") ++hosts;
    if (name != "content-length") continue;
    ++lengths;
    std::string_view digits = line.substr(colon + 1);
    while (digits.starts_with(' ') || digits.starts_with('\t')) digits.remove_prefix(1);
    while (digits.ends_with(' ') || digits.ends_with('\t')) digits.remove_suffix(1);
    CHECK(!digits.empty());
    for (char const c : digits) {
      CHECK(c >= '0' && c <= '9');
      length = length * 10 + static_cast<std::size_t>(c - '0');
    }
  }
  CHECK(hosts == 1 && lengths <= 1 && fields <= core::limits::fields_max);
  CHECK(length == taken.body_bytes);
}

// What a connection remembers of its last head changes no verdict: not on the same bytes again, on
// nearly the same, nor on a piece of them.
void check_remembered(std::string_view bytes, net::framing_limits limits) {
  core::init_crypto();
  core::short_tag_key const key;
  net::head_memory memory;
  std::string nearly(bytes);
  if (!nearly.empty()) {
    std::size_t const choice = fuzz::choice_of(bytes);
    char& byte = nearly[choice / 8 % nearly.size()];
    byte = static_cast<char>(byte ^ 1 << choice % 8);
  }
  std::string_view const piece = bytes.substr(0, bytes.size() / 2);
  for (std::string_view const one : {bytes, bytes, std::string_view(nearly), bytes, piece, bytes}) {
    CHECK(is_same(memory.parse(one, limits, key), net::parse_request_head(one, limits)));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  constexpr std::size_t cuts_max = 64;
  std::string_view const bytes = fuzz::as_text(data, size);
  net::framing_limits const limits{1024, 4096};  // small, so that they are met
  verdict const whole = net::parse_request_head(bytes, limits);
  std::size_t const step = size / cuts_max + 1;
  for (std::size_t cut = fuzz::choice_of(bytes) % step; cut < size; cut += step) {
    // As a session calls it: again with each piece, until there is a verdict.
    verdict const early = net::parse_request_head(bytes.substr(0, cut), limits);
    CHECK((early && !*early) || is_same(early, whole));
  }
  if (whole && *whole) check_taken(bytes.substr(0, (*whole)->head_bytes), **whole, limits);
  check_remembered(bytes, limits);
  [[maybe_unused]] auto const told = net::recover_head(bytes);
  return 0;
}
