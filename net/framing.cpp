#include "net/framing.hpp"

#include <algorithm>
#include <array>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/rfc7230.hpp>
#include <charconv>

namespace tacit::net {

namespace http = boost::beast::http;
using boost::beast::error_code;
using core::errc;
using core::result;
using field_text = boost::beast::string_view;

namespace {

std::string_view to_view(field_text text) { return {text.data(), text.size()}; }

bool is_request_id(std::string_view text) {
  auto const allowed = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '.' ||
           c == '_' || c == '-';
  };
  return !text.empty() && text.size() <= core::limits::request_id_bytes_max &&
         std::all_of(text.begin(), text.end(), allowed);
}

// RFC 9112 section 6.3: digits only. A list of equal numbers is legal there, and refused here.
std::optional<std::uint64_t> parse_content_length(std::string_view text) {
  std::uint64_t number = 0;
  auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

bool is_hex(char c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F') || (c >= 'a' && c <= 'f');
}

// RFC 3986 section 3.2.2, a name or an IPv4 address: unreserved, escapes and sub-delims but for the
// comma, which would make a list of two names.
bool is_host_name(std::string_view text) {
  constexpr std::string_view marks = "-._~!$&'()*+;=";
  for (std::size_t i = 0; i < text.size(); ++i) {
    char const c = text[i];
    bool const plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                       marks.find(c) != std::string_view::npos;
    bool const escape =
        c == '%' && text.size() - i > 2 && is_hex(text[i + 1]) && is_hex(text[i + 2]);
    if (!plain && !escape) return false;
  }
  return true;
}

// RFC 9110 section 7.2: a name or an IPv6 address in brackets, and perhaps a port. May be empty.
bool is_host(std::string_view text) {
  std::string_view port;
  if (text.starts_with('[')) {
    std::size_t const end = text.find(']');
    if (end == std::string_view::npos || end == 1) return false;
    for (char const c : text.substr(1, end - 1)) {
      if (!is_hex(c) && c != ':' && c != '.') return false;
    }
    port = text.substr(end + 1);
  } else {
    std::size_t const colon = std::min(text.find(':'), text.size());
    if (!is_host_name(text.substr(0, colon))) return false;
    port = text.substr(colon);
  }
  if (!port.empty() && port.front() != ':') return false;
  return port.find_first_not_of("0123456789", 1) == std::string_view::npos;
}

// Takes what Beast reads from one complete head; texts point into the bytes given to put().
class head_parser final : public http::basic_parser<true> {
 public:
  request_head head;
  std::size_t fields = 0;
  std::size_t hosts = 0;
  std::size_t content_lengths = 0;
  bool has_transfer_encoding = false;
  bool has_bad_field = false;
  std::optional<std::uint64_t> content_length;

 private:
  void on_request_impl(http::verb verb, field_text, field_text target, int version,
                       error_code&) override {
    head.verb = verb == http::verb::get       ? method::get
                : verb == http::verb::head    ? method::head
                : verb == http::verb::post    ? method::post
                : verb == http::verb::delete_ ? method::del
                                              : method::other;
    needs_length_ =
        verb == http::verb::post || verb == http::verb::put || verb == http::verb::patch;
    head.target = to_view(target);
    if (version != 11 && version != 10) has_bad_field = true;
    keeps_ = version == 11;
    knows_continue_ = version == 11;
  }

  void on_field_impl(http::field name, field_text text, field_text raw, error_code&) override {
    ++fields;
    std::string_view const value = to_view(raw);
    switch (name) {
      case http::field::host:
        ++hosts;
        if (!is_host(value)) has_bad_field = true;
        break;
      case http::field::content_length:
        ++content_lengths;
        content_length = parse_content_length(value);
        if (!content_length) has_bad_field = true;
        break;
      case http::field::transfer_encoding:
        has_transfer_encoding = true;
        break;
      case http::field::connection:
        for (auto const& option : http::opt_token_list(raw)) {
          closes_ = closes_ || boost::beast::iequals(option, "close");
          keeps_ = keeps_ || boost::beast::iequals(option, "keep-alive");
        }
        break;
      case http::field::authorization:
        set_once(head.authorization, value);
        break;
      case http::field::content_type:
        set_once(head.content_type, value);
        break;
      case http::field::if_none_match:
        head.if_none_match = head.if_none_match ? std::string_view{} : value;
        break;
      case http::field::expect:  // RFC 9110 section 10.1.1: ignored in HTTP/1.0
        head.expects_continue = knows_continue_;
        if (!boost::beast::iequals(raw, "100-continue")) has_bad_field = true;
        break;
      case http::field::unknown:
        if (boost::beast::iequals(text, "X-Request-Id") && is_request_id(value)) {
          head.request_id = value;
        }
        break;
      default:
        break;
    }
  }

  void set_once(std::optional<std::string_view>& field, std::string_view value) {
    if (field) has_bad_field = true;
    field = value;
  }

  void on_header_impl(error_code&) override {}
  void on_response_impl(int, field_text, int, error_code&) override {}
  void on_body_init_impl(boost::optional<std::uint64_t> const&, error_code&) override {}
  std::size_t on_body_impl(field_text body, error_code&) override { return body.size(); }
  void on_chunk_header_impl(std::uint64_t, field_text, error_code&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, field_text body, error_code&) override {
    return body.size();
  }
  void on_finish_impl(error_code&) override {}

 public:
  bool needs_length() const { return needs_length_; }
  // RFC 9112 section 9.3. Beast's own word would also heed Proxy-Connection, which is nothing
  // (appendix C.2.2), and stay with HTTP/1.0 when both options are given.
  bool stays() const { return keeps_ && !closes_; }

 private:
  bool needs_length_ = false;
  bool knows_continue_ = false;
  bool keeps_ = false;
  bool closes_ = false;
};

// How far a raw head is good.
struct head_scan {
  std::size_t bytes = 0;  // of the whole head, with its empty line; 0 while it is not complete
  std::optional<errc> fault;
};

// Bytes that end a piece of a head or must not stand in one; all others are passed over quickly.
constexpr std::array<bool, 256> make_special_bytes() {
  std::array<bool, 256> special{};
  for (std::size_t c = 0; c < 0x20; ++c) special[c] = c != '\t';
  special[0x7F] = true;
  special[' '] = true;
  return special;
}

// One pass, so that the first fault counts. Every line ends in CRLF, none begins with white space
// (a folded line), no other control character stands in it but a tab.
head_scan scan_head(std::string_view bytes, std::size_t head_bytes_max) {
  static constexpr auto special = make_special_bytes();
  constexpr std::size_t none = std::string_view::npos;
  std::size_t line = 0;       // where the current line begins
  std::size_t target = none;  // where the target begins, once that is known and until it ends
  bool saw_target = false;
  for (std::size_t i = 0; i <= bytes.size(); ++i) {
    while (i < bytes.size() && !special[static_cast<unsigned char>(bytes[i])]) ++i;
    std::size_t const target_end = target == none ? none : target + core::limits::target_bytes_max;
    if (target_end < std::min(i, head_bytes_max)) return {0, errc::uri_too_long};
    if (i > head_bytes_max) return {0, errc::headers_too_large};
    if (i == bytes.size()) return {};
    if (i == head_bytes_max) return {0, errc::headers_too_large};

    char const c = bytes[i];
    if (c == ' ') {
      if (i == line && i > 0) return {0, errc::malformed_request};
      target = line == 0 && !saw_target ? i + 1 : none;
      saw_target = true;
      continue;
    }
    if (c == '\n') return {0, errc::malformed_request};  // the CR before one skips it
    if (c != '\r') return {0, errc::malformed_request};
    if (i + 1 == bytes.size()) return {};
    if (i + 1 == head_bytes_max) return {0, errc::headers_too_large};
    if (bytes[i + 1] != '\n') return {0, errc::malformed_request};
    if (i == line) return {i + 2, std::nullopt};
    ++i;
    line = i + 1;
    target = none;
    if (line < bytes.size() && bytes[line] == '\t') return {0, errc::malformed_request};
  }
  return {};
}

// Whether a line of the raw head, which has clean lines, begins with that name and a colon. For a
// head that Beast gave up on before it came to the field.
bool has_field(std::string_view head, std::string_view name_and_colon) {
  std::size_t line = head.find("\r\n") + 2;
  while (line < head.size()) {
    std::string_view const begin = head.substr(line, name_and_colon.size());
    if (boost::beast::iequals({begin.data(), begin.size()},
                              {name_and_colon.data(), name_and_colon.size()})) {
      return true;
    }
    line = head.find("\r\n", line) + 2;
  }
  return false;
}

// What a parsed head's fields say about whether it can be taken.
std::optional<errc> judge(head_parser const& parser, framing_limits const& limits) {
  if (parser.fields > core::limits::fields_max) return errc::headers_too_large;
  if (parser.has_transfer_encoding) return errc::length_required;
  if (parser.has_bad_field || parser.hosts != 1 || parser.content_lengths > 1) {
    return errc::malformed_request;
  }
  if (!parser.head.target.starts_with('/')) return errc::malformed_request;
  if (parser.needs_length() && !parser.content_length) return errc::length_required;
  if (parser.content_length.value_or(0) > limits.body_bytes) return errc::payload_too_large;
  return std::nullopt;
}

// RFC 9112 section 2.2: one empty line before a request is let pass.
std::size_t leading_bytes(std::string_view bytes) { return bytes.starts_with("\r\n") ? 2 : 0; }

// Whether Beast takes the complete head.
bool put_head(head_parser& parser, std::string_view head) {
  error_code error;
  parser.header_limit(static_cast<std::uint32_t>(head.size() + 1));
  parser.body_limit(boost::none);
  parser.put(boost::asio::const_buffer(head.data(), head.size()), error);
  return (!error || error == http::error::need_more) && parser.is_header_done();
}

}  // namespace

result<std::optional<request_head>> parse_request_head(std::string_view bytes,
                                                       framing_limits const& limits) {
  std::size_t const skipped = leading_bytes(bytes);
  bytes.remove_prefix(skipped);
  head_scan const scanned = scan_head(bytes, limits.head_bytes);
  if (scanned.fault) return *scanned.fault;
  if (scanned.bytes == 0) return std::optional<request_head>();

  std::string_view const head = bytes.substr(0, scanned.bytes);
  head_parser parser;
  if (!put_head(parser, head)) {
    // Beast gives up on a Transfer-Encoding beside a Content-Length before it shows the field.
    if (has_field(head, "transfer-encoding:")) return errc::length_required;
    return errc::malformed_request;
  }
  if (auto const refused = judge(parser, limits)) return *refused;

  request_head taken = parser.head;
  taken.head_bytes = skipped + head.size();
  taken.body_bytes = static_cast<std::size_t>(parser.content_length.value_or(0));
  taken.keep_alive = parser.stays();
  return std::optional<request_head>(taken);
}

result<std::optional<request_head>> head_memory::parse(std::string_view bytes,
                                                       framing_limits const& limits,
                                                       core::short_tag_key const& key) {
  bool const may_be_known = head_bytes_ > 0 && bytes.size() >= head_bytes_ &&
                            bytes.substr(0, head_bytes_).ends_with("\r\n\r\n");
  if (may_be_known) {
    auto const tag = core::make_short_tag(key, core::as_bytes(bytes.substr(0, head_bytes_)));
    if (core::equal_in_constant_time(tag, tag_)) return std::optional(recall(bytes));
  }
  auto parsed = parse_request_head(bytes, limits);
  if (!parsed) return parsed;
  std::optional<request_head> const& complete = *parsed;
  if (complete) remember(bytes, *complete, key);
  return parsed;
}

void head_memory::remember(std::string_view bytes, request_head const& head,
                           core::short_tag_key const& key) {
  auto const place = [bytes](std::optional<std::string_view> const& text) {
    if (!text) return part{};
    if (text->empty()) return part{0, 0, true};
    auto const begin = static_cast<std::uint32_t>(text->data() - bytes.data());
    return part{begin, static_cast<std::uint32_t>(begin + text->size()), true};
  };
  head_bytes_ = head.head_bytes;
  tag_ = core::make_short_tag(key, core::as_bytes(bytes.substr(0, head_bytes_)));
  texts_ = {place(head.target), place(head.authorization), place(head.content_type),
            place(head.if_none_match), place(head.request_id)};
  shape_ = {head.verb,
            {},
            head.head_bytes,
            head.body_bytes,
            head.keep_alive,
            head.expects_continue,
            {},
            {},
            {},
            {}};
}

request_head head_memory::recall(std::string_view bytes) const {
  auto const find = [bytes](part const& at) {
    return at.is_there ? std::optional(bytes.substr(at.begin, std::size_t{at.end} - at.begin))
                       : std::nullopt;
  };
  request_head head = shape_;
  head.target = find(texts_[0]).value_or("");
  head.authorization = find(texts_[1]);
  head.content_type = find(texts_[2]);
  head.if_none_match = find(texts_[3]);
  head.request_id = find(texts_[4]);
  return head;
}

std::optional<request_head> recover_head(std::string_view bytes) {
  bytes.remove_prefix(leading_bytes(bytes));
  head_scan const scanned = scan_head(bytes, bytes.size());
  if (scanned.fault || scanned.bytes == 0) return std::nullopt;
  head_parser parser;
  if (!put_head(parser, bytes.substr(0, scanned.bytes))) return std::nullopt;
  request_head known;
  known.verb = parser.head.verb;
  known.target = parser.head.target;
  known.request_id = parser.head.request_id;
  return known;
}

}  // namespace tacit::net
