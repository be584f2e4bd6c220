#include "bench/answer.hpp"

#include <boost/test/unit_test.hpp>
#include <string>
#include <vector>

#include "bench/population.hpp"
#include "bench/work.hpp"

using namespace tacit::bench;

namespace {

std::string const times = R"("createdAt":"2026-04-18T09:12:44.000Z",)"
                          R"("updatedAt":"2026-04-21T15:03:10.000Z")";

std::string secret(std::string const& key, std::string const& last_four) {
  return R"({"key":")" + key + R"(","lastFour":")" + last_four + "\"," + times + "}";
}

std::string list_of(std::string const& secrets) {
  return R"({"data":{"secrets":[)" + secrets + "]}}";
}

bool is_list(std::string const& body) {
  return read_list(body, [](shown_secret const&) { return true; });
}

}  // namespace

BOOST_AUTO_TEST_SUITE(bench_answer)

BOOST_AUTO_TEST_CASE(an_answer_is_found_only_when_it_is_whole) {
  std::string const whole =
      "HTTP/1.1 200 OK\r\nDate: x\r\netag: \"17\"\r\nX-RateLimit-Limit: 120\r\n"
      "CONTENT-LENGTH: 5\r\n\r\nhello";
  answer found;
  for (std::size_t cut = 0; cut < whole.size(); ++cut) {
    BOOST_TEST((find_answer(whole.substr(0, cut), found) == framing::incomplete));
  }
  std::string const with_more = whole + "HTTP";
  BOOST_TEST((find_answer(with_more, found) == framing::complete));
  BOOST_TEST(found.status == 200u);
  BOOST_TEST(found.version == 17u);
  BOOST_TEST(found.limit == 120u);
  BOOST_TEST(found.body == "hello");
  BOOST_TEST(found.bytes == whole.size());
}

BOOST_AUTO_TEST_CASE(what_is_not_framed_by_a_length_is_not_understood) {
  answer found;
  for (std::string const head :
       {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "nonsense\r\n\r\n",
        "HTTP/1.1 abc OK\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n"}) {
    BOOST_TEST((find_answer(head, found) == framing::not_understood), head);
  }
  BOOST_TEST(
      (find_answer(std::string(answer_head_bytes_max + 1, 'x'), found) == framing::not_understood));
}

BOOST_AUTO_TEST_CASE(hashes_see_every_byte) {
  for (std::size_t const size : {1u, 31u, 32u, 33u, 100u}) {
    std::string const text(size, 'a');
    for (std::size_t i = 0; i < size; ++i) {
      std::string changed = text;
      changed[i] = 'b';
      BOOST_TEST(hash_of(text) != hash_of(changed));
    }
    BOOST_TEST(hash_of(text) != hash_of(text + '\0'));
    BOOST_TEST(hash_of(text) == hash_of(std::string(size, 'a')));
  }
}

BOOST_AUTO_TEST_CASE(lists_of_the_contract_are_read_whatever_their_spaces) {
  BOOST_TEST(is_list(list_of("")));
  BOOST_TEST(is_list(list_of(secret("A", ""))));
  BOOST_TEST(is_list(list_of(secret("A", "a\\\"b\\\\") + "," + secret("B", "1234"))));
  BOOST_TEST(is_list(" { \"data\" : {\n\"secrets\" : [ {" + times +
                     R"(, "lastFour" : "x", "key" : "A" } ] } } )"));
}

BOOST_AUTO_TEST_CASE(what_is_not_a_list_of_the_contract_is_refused) {
  std::string const good = list_of(secret("A", "1234"));
  for (std::size_t cut = 0; cut < good.size(); ++cut) BOOST_TEST(!is_list(good.substr(0, cut)));
  BOOST_TEST(!is_list(good + "x"));
  BOOST_TEST(!is_list(list_of(secret("A", "1234") + ",")));
  BOOST_TEST(!is_list(R"({"data":{"secrets":null}})"));
  BOOST_TEST(!is_list(list_of(R"({"key":"A","lastFour":"",)" + times + R"(,"value":"v"})")));
  BOOST_TEST(!is_list(list_of(R"({"key":"A","key":"A",)" + times + "}")));
  BOOST_TEST(!is_list(list_of(R"({"key":"A","lastFour":1,)" + times + "}")));
  BOOST_TEST(!is_list(list_of(R"({"key":"A","lastFour":"","createdAt":"2026-04-18T09:12:44.001Z",)"
                              R"("updatedAt":"2026-04-18T09:12:44.000Z"})")));
}

BOOST_AUTO_TEST_CASE(other_bodies_are_read) {
  BOOST_TEST((read_secret(R"({"data":{"secret":)" + secret("A", "1") + "}}")->key == "A"));
  BOOST_TEST(!read_secret(R"({"data":{"secret":null}})"));
  BOOST_TEST(*read_removed(R"({"data":{"success":true,"existed":true}})"));
  BOOST_TEST(!*read_removed(R"({"data":{"existed":false,"success":true}})"));
  BOOST_TEST(!read_removed(R"({"data":{"success":false,"existed":true}})").has_value());
  BOOST_TEST((*read_error_code(R"({"error":{"message":"m","code":"NOT_FOUND"}})") == "NOT_FOUND"));
  BOOST_TEST(!read_error_code("<html>").has_value());
}

BOOST_AUTO_TEST_CASE(deliveries_are_read_whole_or_not) {
  auto const is_delivery = [](std::string const& body) {
    return read_delivery(body, "p", [](std::string_view, std::string_view) { return true; });
  };
  BOOST_TEST(is_delivery(R"({"data":{"project":"p","revision":7,"env":{},"withheld":[]}})"));
  BOOST_TEST(is_delivery(R"({"data":{"project":"p","revision":7,"env":{"A":"1"},"withheld":[]}})"));
  BOOST_TEST(!is_delivery(R"({"data":{"project":"q","revision":7,"env":{},"withheld":[]}})"));
  BOOST_TEST(!is_delivery(R"({"data":{"project":"p","revision":7,"env":{},"withheld":["PATH"]}})"));
  BOOST_TEST(!is_delivery(R"({"data":{"project":"p","revision":7,"env":{}}})"));
}

BOOST_AUTO_TEST_CASE(a_list_must_be_what_was_written) {
  population data("run-", {2, 2, 40});
  data.note_write(1, 0, 5, 10);
  data.note_write(1, 1, 6, 12);
  data.note_write(1, 1, 7, 11);  // older: does not count
  auto const text = [](std::uint32_t tag) {
    tag_text const chars = text_of_tag(tag);
    return std::string(chars.data(), chars.size());
  };
  std::vector<left_entry> const left{{0, 9, 1}, {1, 3, 8}};
  std::string const lane = secret("LANE_00003", text(8)) + ",";
  std::string const first = secret("SECRET_00000", text(5));
  std::string const second = "," + secret("SECRET_00001", text(6));
  auto const fault = [&](std::string const& secrets) {
    return fault_of_list(list_of(secrets), {data, 1, true}, left);
  };
  BOOST_TEST(fault(lane + first + second) == "");
  BOOST_TEST(fault(lane + first) != "");
  BOOST_TEST(fault(first + second) != "");
  BOOST_TEST(fault("") != "");
  BOOST_TEST(fault(lane + first + second + "," + secret("Z", "")) != "");
  BOOST_TEST(fault(lane + first + "," + secret("SECRET_00001", text(7))) != "");
  BOOST_TEST(data.has_versions());
}

BOOST_AUTO_TEST_SUITE_END()
