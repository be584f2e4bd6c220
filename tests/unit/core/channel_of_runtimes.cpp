// The messages that carry requests of other machines, and the epoch mark.
#include <boost/test/unit_test.hpp>

#include "core/channel.hpp"
#include "core/enrolment.hpp"
#include "tests/unit/core/samples.hpp"

namespace tacit::core {
namespace {

std::string sealed_of(std::size_t bytes) { return std::string(bytes, '\xA5'); }

}  // namespace

BOOST_AUTO_TEST_SUITE(channel_of_runtimes)

BOOST_AUTO_TEST_CASE(each_comes_over_as_it_was_in_its_own_direction_only) {
  std::string const invite = encode_message(invite_message{0x1234});
  std::string const reply = encode_message(reply_message{0x01020304, true, sealed_of(20'000)});
  std::string const piece = encode_message(reply_message{0x01020304, false, ""});
  std::string const mark = encode_message(mark_message{sealed_of(epoch_mark_bytes)});
  std::string const question = encode_message(mark_message{});
  std::string const request =
      encode_message(request_message{0x01020304, sealed_of(limits::remote_request_bytes_max)});
  std::string const marked = encode_message(marked_message{sealed_of(epoch_mark_bytes)});
  std::string const unmarked = encode_message(marked_message{});

  BOOST_TEST(std::get<invite_message>(*decode_to_api(invite)).requests == 0x1234);
  auto const got = std::get<reply_message>(*decode_to_api(reply));
  BOOST_TEST(got.request == 0x01020304u);
  BOOST_TEST(got.last);
  BOOST_TEST(got.sealed == sealed_of(20'000));
  BOOST_TEST(!std::get<reply_message>(*decode_to_api(piece)).last);
  BOOST_TEST(std::get<mark_message>(*decode_to_api(mark)).mark == sealed_of(epoch_mark_bytes));
  BOOST_TEST(std::get<mark_message>(*decode_to_api(question)).mark.empty());
  auto const asked = std::get<request_message>(*decode_to_keeper(request));
  BOOST_TEST(asked.request == 0x01020304u);
  BOOST_TEST(asked.sealed == sealed_of(limits::remote_request_bytes_max));
  BOOST_TEST(std::get<marked_message>(*decode_to_keeper(marked)).mark ==
             sealed_of(epoch_mark_bytes));
  BOOST_TEST(std::get<marked_message>(*decode_to_keeper(unmarked)).mark.empty());

  for (std::string const& one : {invite, reply, piece, mark, question}) {
    BOOST_TEST(test::is(decode_to_keeper(one), errc::corrupt));
  }
  for (std::string const& one : {request, marked, unmarked}) {
    BOOST_TEST(test::is(decode_to_api(one), errc::corrupt));
  }
}

BOOST_AUTO_TEST_CASE(what_is_cut_off_too_long_or_no_truth_value_is_refused) {
  auto const refused_by_keeper = [](std::string_view bytes) {
    return test::is(decode_to_keeper(bytes), errc::corrupt);
  };
  auto const refused_by_api = [](std::string_view bytes) {
    return test::is(decode_to_api(bytes), errc::corrupt);
  };
  std::string const request = encode_message(request_message{7, ""});
  for (std::size_t size = 0; size < request.size(); ++size) {
    BOOST_TEST(refused_by_keeper(request.substr(0, size)));
  }
  BOOST_TEST(refused_by_keeper(
      encode_message(request_message{7, sealed_of(limits::remote_request_bytes_max + 1)})));
  for (std::size_t size = 1; size <= 2 * epoch_mark_bytes; ++size) {
    bool const whole = size == epoch_mark_bytes;
    BOOST_TEST(refused_by_keeper(encode_message(marked_message{sealed_of(size)})) == !whole);
    BOOST_TEST(refused_by_api(encode_message(mark_message{sealed_of(size)})) == !whole);
  }
  std::string const invite = encode_message(invite_message{1});
  BOOST_TEST(refused_by_api(invite.substr(0, 2)));
  BOOST_TEST(refused_by_api(invite + "x"));
  std::string reply = encode_message(reply_message{7, true, ""});
  for (std::size_t size = 0; size < reply.size(); ++size) {
    BOOST_TEST(refused_by_api(reply.substr(0, size)));
  }
  reply.back() = '\2';
  BOOST_TEST(refused_by_api(reply));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace tacit::core
