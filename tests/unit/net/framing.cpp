// Request heads: a table of what is taken and what is refused, each fed whole and in every prefix.
#include "net/framing.hpp"

#include <boost/test/unit_test.hpp>
#include <string>
#include <vector>

#include "tests/unit/core/samples.hpp"

namespace tacit::net {
namespace {

using core::errc;

constexpr framing_limits standard{};

struct refusal {
  std::string_view head;
  errc why;
};

constexpr errc malformed = errc::malformed_request;
constexpr errc length = errc::length_required;

constexpr std::string_view taken[] = {
    "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /?a=b&c=%20 HTTP/1.1\r\nHost: a\r\n\r\n",
    "GET /a/b-c_d.e~f HTTP/1.1\r\nHost: a:8787\r\n\r\n",
    "GET / HTTP/1.1\r\nhost:a\r\n\r\n",
    "GET / HTTP/1.1\r\nHOST: \ta \t\r\n\r\n",
    "GET / HTTP/1.1\r\nHost:\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: [::1]:8787\r\n\r\n",
    "GET / HTTP/1.0\r\nHost: a\r\n\r\n",
    "DELETE /a HTTP/1.1\r\nHost: a\r\n\r\n",
    "DELETE /a HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
    "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n",
    "get / HTTP/1.1\r\nHost: a\r\n\r\n",
    "BREW / HTTP/1.1\r\nHost: a\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 65536\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\t7 \r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nX-A: \r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nX-A: a\tb c\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nX-A: \x80\xFF\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nExpect: 100-Continue\r\n\r\n",
};

constexpr refusal refused[] = {
    // Which request it is.
    {"\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", malformed},
    {" GET / HTTP/1.1\r\nHost: a\r\n\r\n", malformed},
    {"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", malformed},
    {"GET /  HTTP/1.1\r\nHost: a\r\n\r\n", malformed},
    {"GET / HTTP/1.1 \r\nHost: a\r\n\r\n", malformed},
    {"GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", malformed},
    {"GET /\r\nHost: a\r\n\r\n", malformed},
    {"GET HTTP/1.1\r\nHost: a\r\n\r\n", malformed},
    {"/ HTTP/1.1\r\nHost: a\r\n\r\n", malformed},
    {"G\x80T / HTTP/1.1\r\nHost: a\r\n\r\n", malformed},
    {"GET( / HTTP/1.1\r\nHost: a\r\n\r\n", malformed},
    {"GET / HTTP/2.0\r\nHost: a\r\n\r\n", malformed},
    {"GET / HTTP/1.2\r\nHost: a\r\n\r\n", malformed},
    {"GET / HTTP/0.9\r\nHost: a\r\n\r\n", malformed},
    {"GET / HTTP/11\r\nHost: a\r\n\r\n", malformed},
    {"GET / http/1.1\r\nHost: a\r\n\r\n", malformed},
    {"GET / HTTPS/1.1\r\nHost: a\r\n\r\n", malformed},
    {"PRI * HTTP/2.0\r\n\r\n", malformed},
    {"hello\r\n\r\n", malformed},
    {"\x16\x03\x01\x02", malformed},
    // Target.
    {"GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n", malformed},
    {"GET a HTTP/1.1\r\nHost: a\r\n\r\n", malformed},
    {"GET ?a HTTP/1.1\r\nHost: a\r\n\r\n", malformed},
    {"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", malformed},
    {"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n", malformed},
    {"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", malformed},
    // Host.
    {"GET / HTTP/1.1\r\n\r\n", malformed},
    {"GET / HTTP/1.0\r\n\r\n", malformed},
    {"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", malformed},
    {"GET / HTTP/1.1\r\nHost: a\r\nhost: b\r\n\r\n", malformed},
    {"GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", malformed},
    {"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", malformed},
    {"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", malformed},
    {"GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", malformed},
    // Lines.
    {"GET / HTTP/1.1\nHost: a\r\n\r\n", malformed},
    {"GET / HTTP/1.1\r\nHost: a\n\r\n", malformed},
    {"GET / HTTP/1.1\r\nHost: a\r\n\n", malformed},
    {"GET / HTTP/1.1\r\nHost: a\rX-A: b\r\n\r\n", malformed},
    {"GET / HTTP/1.1\r\nHost: a\r\r\n\r\n", malformed},
    {"GET / HTTP/1.1\r\r\nHost: a\r\n\r\n", malformed},
    {"\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", malformed},
    {"GET / HTTP/1.1\r\nHost: a\r\nX-A: b\r\n c\r\n\r\n", malformed},
    {"GET / HTTP/1.1\r\nHost: a\r\nX-A: b\r\n\tc\r\n\r\n", malformed},
    {"GET / HTTP/1.1\r\n Host: a\r\n\r\n", malformed},
    {"GET / HTTP/1.1\r\nHost: a\r\n \r\n\r\n", malformed},
    // Fields.
    {"GET / HTTP/1.1\r\nHost : a\r\n\r\n", malformed},
    {"GET / HTTP/1.1\r\nHost: a\r\nX-A : b\r\n\r\n", malformed},
    {"GET / HTTP/1.1\r\nHost: a\r\nX-A\r\n\r\n", malformed},
    {"GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n", malformed},
    {"GET / HTTP/1.1\r\nHost: a\r\nX A: b\r\n\r\n", malformed},
    {"GET / HTTP/1.1\r\nHost: a\r\nX(A): b\r\n\r\n", malformed},
    {"GET / HTTP/1.1\r\nHost: a\r\nX\x80: b\r\n\r\n", malformed},
    {"GET / HTTP/1.1\r\nHost: a\r\nX-A: \x01\r\n\r\n", malformed},
    {"GET / HTTP/1.1\r\nHost: a\r\nX-A: \x1B[1m\r\n\r\n", malformed},
    {"GET / HTTP/1.1\r\nHost: a\r\nX-A: \x7F\r\n\r\n", malformed},
    {"GET / HTTP/1.1\r\nHost: a\r\nAuthorization: b\r\nAuthorization: c\r\n\r\n", malformed},
    {"GET / HTTP/1.1\r\nHost: a\r\nContent-Type: b\r\ncontent-type: b\r\n\r\n", malformed},
    {"GET / HTTP/1.1\r\nHost: a\r\nExpect: 200-ok\r\n\r\n", malformed},
    // Length of the body.
    {"POST / HTTP/1.1\r\nHost: a\r\n\r\n", length},
    {"PUT / HTTP/1.1\r\nHost: a\r\n\r\n", length},
    {"PATCH / HTTP/1.1\r\nHost: a\r\n\r\n", length},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n", malformed},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", malformed},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n", malformed},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1.0\r\n\r\n", malformed},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x1\r\n\r\n", malformed},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1 1\r\n\r\n", malformed},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1,1\r\n\r\n", malformed},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\n", malformed},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1;\r\n\r\n", malformed},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551616\r\n\r\n", malformed},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", malformed},
    {"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", malformed},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 65537\r\n\r\n", errc::payload_too_large},
    {"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 65537\r\n\r\n", errc::payload_too_large},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551615\r\n\r\n",
     errc::payload_too_large},
    // Transfer-Encoding, whatever it says and whatever stands beside it.
    {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", length},
    {"POST / HTTP/1.1\r\nHost: a\r\ntransfer-encoding: gzip\r\n\r\n", length},
    {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n", length},
    {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n\r\n", length},
    {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n", length},
    {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n", length},
    {"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", length},
    {"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", length},
    {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n",
     length},
    {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n",
     length},
    {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\nContent-Length: 4\r\n\r\n",
     malformed},
};

// "" for a head that is taken, "…" for one that is not complete, else the error.
std::string verdict(std::string_view bytes, framing_limits const& limits = standard) {
  auto const parsed = parse_request_head(bytes, limits);
  if (!parsed) return "error " + std::to_string(static_cast<int>(parsed.error()));
  return *parsed ? "" : "…";
}
std::string verdict_of(errc why) { return "error " + std::to_string(static_cast<int>(why)); }

// Every prefix is incomplete until it has the verdict of the whole, and then has it for good.
void check_prefixes(std::string_view head, std::string const& whole) {
  BOOST_TEST(verdict(head) == whole);
  bool decided = false;
  for (std::size_t bytes = 0; bytes < head.size(); ++bytes) {
    std::string const part = verdict(head.substr(0, bytes));
    decided = decided || part != "…";
    BOOST_TEST(part == (decided ? whole : "…"));
  }
}

// Of bytes that outlive it.
request_head parsed(std::string_view bytes) {
  auto const head = parse_request_head(bytes, standard);
  BOOST_REQUIRE(head.has_value());
  BOOST_REQUIRE(head->has_value());
  return **head;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(framing)

BOOST_AUTO_TEST_CASE(a_good_head_is_taken_once_it_is_complete) {
  for (std::string_view const head : taken) {
    BOOST_TEST_CONTEXT("head " << &head - taken) {
      for (std::size_t bytes = 0; bytes < head.size(); ++bytes) {
        BOOST_TEST(verdict(head.substr(0, bytes)) == "…");
      }
      BOOST_TEST(verdict(head) == "");
      auto const more = parse_request_head(std::string(head) + "\n\x01 not a head", standard);
      BOOST_REQUIRE(more.has_value());
      BOOST_REQUIRE(more->has_value());
      BOOST_TEST((*more)->head_bytes == head.size());
    }
  }
}

BOOST_AUTO_TEST_CASE(a_bad_head_is_refused_whole_and_never_otherwise_in_parts) {
  for (refusal const& one : refused) {
    BOOST_TEST_CONTEXT("head " << &one - refused) { check_prefixes(one.head, verdict_of(one.why)); }
  }
  BOOST_TEST(verdict(std::string_view("GET / HTTP/1.1\r\nHost: a\0\r\n\r\n", 28)) ==
             verdict_of(malformed));
}

BOOST_AUTO_TEST_CASE(a_control_character_anywhere_is_refused_and_so_is_one_in_a_name) {
  std::string const head = "GET /a HTTP/1.1\r\nHost: a\r\nX-A: b\r\n\r\n";
  for (std::size_t at = 0; at < head.size(); ++at) {
    for (unsigned c = 0; c < 0x20; ++c) {
      if (c == '\t' || static_cast<char>(c) == head[at]) continue;
      std::string changed = head;
      changed[at] = static_cast<char>(c);
      BOOST_TEST(verdict(changed) == verdict_of(malformed));
    }
  }
}

BOOST_AUTO_TEST_CASE(a_head_says_what_the_request_says) {
  auto const head = parsed(
      "POST /api/v1/x?y HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer k\r\n"
      "Content-Type: application/json\r\nContent-Length: 12\r\nIf-None-Match: \"3\"\r\n"
      "x-request-id: abc-1._Z\r\nExpect: 100-continue\r\n\r\n{body}");
  BOOST_TEST((head.verb == method::post));
  BOOST_TEST(head.target == "/api/v1/x?y");
  BOOST_TEST(head.body_bytes == 12u);
  BOOST_TEST(head.authorization.value() == "Bearer k");
  BOOST_TEST(head.content_type.value() == "application/json");
  BOOST_TEST(head.if_none_match.value() == "\"3\"");
  BOOST_TEST(head.request_id.value() == "abc-1._Z");
  BOOST_TEST(head.expects_continue);
  BOOST_TEST(head.keep_alive);
  auto const bare = parsed("DELETE / HTTP/1.1\r\nHost: a\r\n\r\n");
  BOOST_TEST((bare.verb == method::del));
  BOOST_TEST(bare.body_bytes == 0u);
  BOOST_TEST(!bare.authorization.has_value());
  BOOST_TEST(!bare.content_type.has_value());
  BOOST_TEST(!bare.if_none_match.has_value());
  BOOST_TEST(!bare.request_id.has_value());
  BOOST_TEST(!bare.expects_continue);
}

BOOST_AUTO_TEST_CASE(methods_are_told_apart_by_their_exact_letters) {
  auto const verb = [](std::string const& text) {
    return parsed(text + " / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n").verb;
  };
  BOOST_TEST((verb("GET") == method::get));
  BOOST_TEST((verb("HEAD") == method::head));
  BOOST_TEST((verb("POST") == method::post));
  BOOST_TEST((verb("DELETE") == method::del));
  for (char const* text : {"get", "Get", "post", "delete", "PUT", "PATCH", "OPTIONS", "TRACE",
                           "GETS", "GE", "DEL", "X"}) {
    BOOST_TEST_CONTEXT(text) { BOOST_TEST((verb(text) == method::other)); }
  }
}

BOOST_AUTO_TEST_CASE(a_connection_stays_open_as_version_and_field_say) {
  auto const stays = [](std::string const& version, std::string const& field) {
    return parsed("GET / HTTP/" + version + "\r\nHost: a\r\n" + field + "\r\n").keep_alive;
  };
  BOOST_TEST(stays("1.1", ""));
  BOOST_TEST(!stays("1.1", "Connection: close\r\n"));
  BOOST_TEST(!stays("1.1", "Connection: Close\r\n"));
  BOOST_TEST(!stays("1.1", "connection: x, close\r\n"));
  BOOST_TEST(!stays("1.0", ""));
  BOOST_TEST(stays("1.0", "Connection: keep-alive\r\n"));
}

// All that a head says, to compare.
std::string summary_of(core::result<std::optional<request_head>> const& parsed) {
  if (!parsed) return "refused " + std::to_string(static_cast<int>(parsed.error()));
  if (!*parsed) return "incomplete";
  request_head const& head = **parsed;
  std::string text = std::to_string(static_cast<int>(head.verb)) + " " + std::string(head.target) +
                     " " + std::to_string(head.head_bytes) + " " + std::to_string(head.body_bytes) +
                     (head.keep_alive ? " stays" : " ends") +
                     (head.expects_continue ? " expects" : "");
  for (auto const& part :
       {head.authorization, head.content_type, head.if_none_match, head.request_id}) {
    text += part ? " [" + std::string(*part) + "]" : " -";
  }
  return text;
}

BOOST_AUTO_TEST_CASE(a_remembered_head_says_what_a_parsed_one_says) {
  core::short_tag_key key;
  core::fill_random(key.reveal_mutable());
  std::vector<std::string> heads;
  for (std::string_view const head : taken) heads.emplace_back(head);
  for (refusal const& one : refused) heads.emplace_back(one.head);
  heads.emplace_back(
      "POST /api/v1/x?y HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer k\r\n"
      "Content-Type: application/json\r\nContent-Length: 12\r\nIf-None-Match: \"3\"\r\n"
      "x-request-id: abc-1._Z\r\nExpect: 100-continue\r\n\r\n{body}");
  heads.emplace_back("GET / HTTP/1.1\r\nHost: a\r\nIf-None-Match: 1\r\nIf-None-Match: 2\r\n\r\n");
  for (std::string const& head : heads) {
    head_memory memory;
    for (int time = 0; time < 3; ++time) {
      std::string const elsewhere = head;  // the same bytes at another address
      BOOST_TEST(summary_of(memory.parse(elsewhere, standard, key)) ==
                 summary_of(parse_request_head(elsewhere, standard)));
    }
    for (std::string const& other : heads) {
      std::string const behind = other + heads.front();
      BOOST_TEST(summary_of(memory.parse(behind, standard, key)) ==
                 summary_of(parse_request_head(behind, standard)));
    }
  }
}

BOOST_AUTO_TEST_CASE(a_head_that_differs_in_one_byte_is_not_the_remembered_one) {
  core::short_tag_key key;
  core::fill_random(key.reveal_mutable());
  std::string const head =
      "GET /a HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer one\r\nX-Request-Id: r\r\n\r\n";
  for (std::size_t at = 0; at < head.size(); ++at) {
    for (int const flip : {1, 2, 0x20, 0x80}) {
      head_memory memory;
      BOOST_TEST_REQUIRE(memory.parse(head, standard, key).has_value());
      std::string changed = head;
      changed[at] = static_cast<char>(changed[at] ^ flip);
      BOOST_TEST(summary_of(memory.parse(changed, standard, key)) ==
                 summary_of(parse_request_head(changed, standard)));
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace tacit::net
