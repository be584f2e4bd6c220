// The limits of a head: exactly at the limit it is taken, one beyond it is not.
#include <boost/test/unit_test.hpp>

#include "net/framing.hpp"
#include "tests/unit/core/samples.hpp"

namespace tacit::net {
namespace {

using core::errc;
using core::test::is;
namespace limits = core::limits;

constexpr framing_limits standard{};

std::string head_with(std::string const& target, std::string const& fields) {
  return "GET " + target + " HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n";
}
std::string target_of(std::size_t bytes) {
  std::string target(bytes, 't');
  target[0] = '/';
  return target;
}
// A head of exactly that many bytes.
std::string head_of(std::size_t bytes) {
  std::size_t const empty = head_with("/", "X-A: \r\n").size();
  return head_with("/", "X-A: " + std::string(bytes - empty, 'v') + "\r\n");
}
std::string fields(std::size_t count) {
  std::string text;
  for (std::size_t i = 0; i < count; ++i) text += "X-" + std::to_string(i) + ": v\r\n";
  return text;
}

bool taken(std::string_view bytes, framing_limits const& limits = standard) {
  auto const head = parse_request_head(bytes, limits);
  return head && *head;
}

// Refused with that error whole, and from the first byte that shows it on.
void check_refused(std::string const& bytes, errc why) {
  BOOST_TEST(is(parse_request_head(bytes, standard), why));
  for (std::size_t part = 0; part < bytes.size(); part += 7) {
    auto const head = parse_request_head(std::string_view(bytes).substr(0, part), standard);
    BOOST_TEST((head ? !head->has_value() : head.error() == why));
  }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(framing_limit)

BOOST_AUTO_TEST_CASE(a_head_of_8_kib_is_taken_and_a_longer_one_refused) {
  BOOST_TEST(head_of(limits::head_bytes_max).size() == 8192u);
  BOOST_TEST(taken(head_of(limits::head_bytes_max)));
  BOOST_TEST(taken(head_of(limits::head_bytes_max) + std::string(100'000, 'b')));
  check_refused(head_of(limits::head_bytes_max + 1), errc::headers_too_large);
  check_refused(head_of(3 * limits::head_bytes_max), errc::headers_too_large);
}

BOOST_AUTO_TEST_CASE(a_head_without_an_end_is_refused_once_it_is_too_long) {
  std::string const open = "GET / HTTP/1.1\r\nHost: a\r\nX-A: ";
  std::string const full = open + std::string(limits::head_bytes_max - open.size(), 'v');
  auto const at_limit = parse_request_head(full, standard);
  BOOST_TEST((at_limit && !at_limit->has_value()));
  BOOST_TEST(is(parse_request_head(full + "v", standard), errc::headers_too_large));
}

BOOST_AUTO_TEST_CASE(a_smaller_limit_of_the_settings_holds) {
  framing_limits const small{100, 10};
  BOOST_TEST(taken(head_of(100), small));
  BOOST_TEST(is(parse_request_head(head_of(101), small), errc::headers_too_large));
  auto const body = [&](std::string_view length) -> core::result<void> {
    std::string bytes = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ";
    bytes.append(length).append("\r\n\r\n");
    auto const head = parse_request_head(bytes, small);
    if (!head) return head.error();
    return {};
  };
  BOOST_TEST(body("10").has_value());
  BOOST_TEST(is(body("11"), errc::payload_too_large));
}

BOOST_AUTO_TEST_CASE(
    a_target_of_1_kib_is_taken_and_a_longer_one_refused_at_its_first_byte_too_many) {
  std::size_t const most = limits::target_bytes_max;
  BOOST_TEST(taken(head_with(target_of(most), "")));
  std::string with_query = target_of(most);
  with_query[1] = '?';
  BOOST_TEST(taken(head_with(with_query, "")));
  for (std::size_t const bytes : {most + 1, 2 * most, 20 * most}) {
    check_refused(head_with(target_of(bytes), ""), errc::uri_too_long);
  }
  std::string open = "GET ";
  open.append(target_of(most));
  BOOST_TEST(!parse_request_head(open, standard)->has_value());
  open.push_back('t');
  BOOST_TEST(is(parse_request_head(open, standard), errc::uri_too_long));
}

BOOST_AUTO_TEST_CASE(of_64_fields_all_are_taken_and_of_65_none) {
  BOOST_TEST(taken(head_with("/", fields(limits::fields_max - 1))));  // and Host
  check_refused(head_with("/", fields(limits::fields_max)), errc::headers_too_large);
  check_refused(head_with("/", fields(limits::fields_max * 3)), errc::headers_too_large);
}

BOOST_AUTO_TEST_CASE(a_body_of_64_kib_is_taken_and_a_longer_one_refused) {
  auto const body = [](std::size_t bytes) {
    return "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(bytes) + "\r\n\r\n";
  };
  auto const head = parse_request_head(body(limits::body_bytes_max), standard);
  BOOST_REQUIRE(head.has_value());
  BOOST_TEST((*head)->body_bytes == 65'536u);
  check_refused(body(limits::body_bytes_max + 1), errc::payload_too_large);
}

BOOST_AUTO_TEST_CASE(a_request_id_is_taken_over_when_it_has_the_form_and_else_left_out) {
  auto const id = [](std::string const& text) {
    std::string const bytes = head_with("/", "X-Request-Id: " + text + "\r\n");
    auto const head = parse_request_head(bytes, standard);
    BOOST_REQUIRE(head.has_value());
    return std::string((*head)->request_id.value_or("none"));
  };
  BOOST_TEST(id("a") == "a");
  BOOST_TEST(id("AZaz09._-") == "AZaz09._-");
  BOOST_TEST(id(" a \t") == "a");
  BOOST_TEST(id(std::string(128, 'i')) == std::string(128, 'i'));
  BOOST_TEST(id(std::string(129, 'i')) == "none");
  for (char const* text : {"", "a b", "a,b", "a/b", "\"a\"", "a:b", "\xC3\xA9", "a;b", "<a>"}) {
    BOOST_TEST_CONTEXT(text) { BOOST_TEST(id(text) == "none"); }
  }
  for (unsigned c = 0x21; c < 0x100; ++c) {
    if (c == 0x7F) continue;
    bool const good = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                      c == '.' || c == '_' || c == '-';
    std::string const text(1, static_cast<char>(c));
    BOOST_TEST((id(text) == text) == good);
  }
}

BOOST_AUTO_TEST_CASE(what_a_refused_head_was_is_told_when_it_was_well_formed) {
  auto const known = recover_head(
      "POST /a?b HTTP/1.1\r\nHost: a\r\nX-Request-Id: r1\r\nContent-Length: 70000\r\n\r\n");
  BOOST_REQUIRE(known.has_value());
  BOOST_TEST((known->verb == method::post));
  BOOST_TEST(known->target == "/a?b");
  BOOST_TEST(known->request_id.value() == "r1");
  BOOST_TEST(known->body_bytes == 0u);
  for (char const* head : {"", "GET / HTTP/1.1\r\nHost: a\r\n", "GET / HTTP/1.1\nHost: a\r\n\r\n",
                           "GET / HTTP/1.1\r\nHost : a\r\n\r\n", "\r\n\r\n"}) {
    BOOST_TEST(!recover_head(head).has_value());
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace tacit::net
