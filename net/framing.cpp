#include "net/framing.hpp"

#include <algorithm>
#include <boost/beast/http/basic_parser.hpp>
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
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           c == '.' || c == '_' || c == '-';
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
                : verb == http::verb::delete_ ? method::delete_
                                              : method::other;
    needs_length_ = verb == http::verb::post || verb == http::verb::put ||
                    verb == http::verb::patch;
    head.target = to_view(target);
    if (version != 11 && version != 10) has_bad_field = true;
  }

  void on_field_impl(http::field name, field_text text, field_text raw, error_code&) override {
    ++fields;
    std::string_view const value = to_view(raw);
    switch (name) {
      case http::field::host:
        ++hosts;
        if (value.find_first_of(" \t,/@") != std::string_view::npos) has_bad_field = true;
        break;
      case http::field::content_length:
        ++content_lengths;
        content_length = parse_content_length(value);
        if (!content_length) has_bad_field = true;
        break;
      case http::field::transfer_encoding:
        has_transfer_encoding = true;
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
      case http::field::expect:
        head.expects_continue = boost::beast::iequals(raw, "100-continue");
        if (!head.expects_continue) has_bad_field = true;
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

 private:
  bool needs_length_ = false;
};

// Length of the target in a request line that may not be complete: between its first two spaces.
std::size_t target_bytes(std::string_view line) {
  std::size_t const first = line.find(' ');
  if (first == std::string_view::npos) return 0;
  std::string_view const rest = line.substr(first + 1);
  return std::min(rest.find(' '), rest.size());
}

// Every line of a head ends in CRLF, none begins with white space (a folded line), and no other
// control character stands in it but a tab.
bool has_clean_lines(std::string_view head) {
  for (std::size_t i = 0; i < head.size(); ++i) {
    auto const c = static_cast<unsigned char>(head[i]);
    if (c == '\r') {
      if (i + 1 == head.size()) return true;  // the rest of it is not here yet
      if (head[i + 1] != '\n') return false;
      ++i;
      if (i + 1 < head.size() && (head[i + 1] == ' ' || head[i + 1] == '\t')) return false;
    } else if ((c < 0x20 && c != '\t') || c == 0x7F) {
      return false;
    }
  }
  return true;
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
  if (parser.head.target.size() > core::limits::target_bytes_max) return errc::uri_too_long;
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

}  // namespace

result<std::optional<request_head>> parse_request_head(std::string_view bytes,
                                                       framing_limits const& limits) {
  // RFC 9112 section 2.2: one empty line before a request is let pass.
  std::size_t const skipped = bytes.starts_with("\r\n") ? 2 : 0;
  bytes.remove_prefix(skipped);
  std::size_t const end = bytes.find("\r\n\r\n");
  bool const complete = end != std::string_view::npos;
  std::string_view const head = complete ? bytes.substr(0, end + 4) : bytes;

  if (target_bytes(head.substr(0, head.find('\r'))) > core::limits::target_bytes_max) {
    return errc::uri_too_long;
  }
  if (!has_clean_lines(head)) return errc::malformed_request;
  if (head.size() > limits.head_bytes) return errc::headers_too_large;
  if (!complete) return std::optional<request_head>();

  head_parser parser;
  parser.header_limit(static_cast<std::uint32_t>(limits.head_bytes + 1));
  parser.body_limit(boost::none);
  error_code error;
  parser.put(boost::asio::const_buffer(head.data(), head.size()), error);
  bool const parsed = !error || error == http::error::need_more;
  if (!parsed || !parser.is_header_done()) {
    if (has_field(head, "transfer-encoding:")) return errc::length_required;
    return errc::malformed_request;
  }
  if (auto const refused = judge(parser, limits)) return *refused;

  request_head taken = parser.head;
  taken.head_bytes = skipped + head.size();
  taken.body_bytes = static_cast<std::size_t>(parser.content_length.value_or(0));
  taken.keep_alive = parser.keep_alive();
  return std::optional<request_head>(taken);
}

}  // namespace tacit::net
