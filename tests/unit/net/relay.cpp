// Requests on their way to the keeper: as many as it invited, each done once.
#include "net/relay.hpp"

#include <poll.h>

#include <boost/test/unit_test.hpp>
#include <deque>

#include "core/limits.hpp"
#include "net/now.hpp"

namespace tacit::net {
namespace {

bool is_readable(int descriptor) {
  pollfd one{descriptor, POLLIN, 0};
  return ::poll(&one, 1, 0) == 1;
}

struct counted {
  explicit counted(std::string sealed) : request{std::move(sealed), {}, [this] { ++times_done; }} {}
  counted(counted const&) = delete;
  counted& operator=(counted const&) = delete;
  ~counted() = default;

  unsigned times_done = 0;
  relayed_request request;
};

}  // namespace

BOOST_AUTO_TEST_SUITE(relays)

BOOST_AUTO_TEST_CASE(no_more_are_handed_over_than_were_invited) {
  relay passes;
  counted a("a");
  counted b("b");
  BOOST_TEST(!is_readable(passes.descriptor()));
  BOOST_TEST(passes.submit(a.request));
  BOOST_TEST(passes.submit(b.request));
  BOOST_TEST(is_readable(passes.descriptor()));
  BOOST_TEST(passes.take().empty());
  passes.invite(1);
  BOOST_TEST(is_readable(passes.descriptor()));
  auto const first = passes.take();
  BOOST_REQUIRE(first.size() == 1u);
  BOOST_TEST(first[0].sealed == "a");
  BOOST_TEST(passes.take().empty());
  passes.invite(5);
  auto const second = passes.take();
  BOOST_REQUIRE(second.size() == 1u);
  BOOST_TEST(second[0].sealed == "b");
  BOOST_TEST(second[0].request != first[0].request);
  passes.reply({second[0].request, false, "one "});
  passes.reply({first[0].request, true, ""});
  BOOST_TEST(b.times_done == 0u);
  passes.reply({second[0].request, true, "two"});
  passes.reply({second[0].request, true, "three"});
  passes.reply({77, true, "nobody's"});
  BOOST_TEST(a.times_done == 1u);
  BOOST_TEST(b.times_done == 1u);
  BOOST_TEST(a.request.reply == "");
  BOOST_TEST(b.request.reply == "one two");
}

BOOST_AUTO_TEST_CASE(invitations_add_up) {
  relay passes;
  counted a("a");
  counted b("b");
  passes.invite(1);
  passes.invite(1);
  BOOST_TEST(passes.submit(a.request));
  BOOST_TEST(passes.submit(b.request));
  BOOST_TEST(passes.take().size() == 2u);
  passes.close();
}

BOOST_AUTO_TEST_CASE(one_address_does_not_take_the_places_of_others) {
  relay passes;
  std::deque<counted> flood;
  for (std::size_t i = 0; i < core::limits::remote_requests_per_address_max; ++i) {
    BOOST_REQUIRE(passes.submit(flood.emplace_back("x").request));
  }
  BOOST_TEST(!passes.submit(flood.emplace_back("x").request));
  counted other("y");
  other.request.address_hash = 7;
  BOOST_TEST(passes.submit(other.request));
  // What is handed over waits no more.
  passes.invite(1);
  BOOST_TEST(passes.take().size() == 1u);
  BOOST_TEST(passes.submit(flood.emplace_back("x").request));
  BOOST_TEST(!passes.submit(flood.emplace_back("x").request));
  passes.close();
}

BOOST_AUTO_TEST_CASE(the_end_is_told_to_all_once) {
  relay passes;
  counted under_way("a");
  counted waiting("b");
  counted late("c");
  passes.invite(1);
  BOOST_TEST(passes.submit(under_way.request));
  auto const taken = passes.take();
  BOOST_TEST(passes.submit(waiting.request));
  passes.reply({taken[0].request, false, "a piece"});
  passes.close();
  passes.reply({taken[0].request, true, "late"});
  BOOST_TEST(!passes.submit(late.request));
  BOOST_TEST(under_way.times_done == 1u);
  BOOST_TEST(waiting.times_done == 1u);
  BOOST_TEST(late.times_done == 0u);
  BOOST_TEST(under_way.request.reply == "");
}

BOOST_AUTO_TEST_CASE(a_reply_that_does_not_come_or_not_whole_is_given_up) {
  relay passes;
  counted without("a");
  counted in_part("b");
  counted not_invited("c");
  passes.invite(2);
  for (counted* const one : {&without, &in_part, &not_invited}) {
    BOOST_TEST(passes.submit(one->request));
  }
  auto const taken = passes.take();
  BOOST_REQUIRE(taken.size() == 2u);
  passes.reply({taken[1].request, false, "a piece"});
  auto const late = monotonic_microseconds() / 1'000'000 + relay::reply_seconds_max + 1;
  passes.forget_late(late - 5);
  BOOST_TEST(without.times_done == 0u);
  passes.forget_late(late);
  passes.forget_late(late);
  passes.reply({taken[0].request, true, "too late"});
  passes.reply({taken[1].request, true, "too late"});
  passes.close();
  for (counted* const one : {&without, &in_part, &not_invited}) {
    BOOST_TEST(one->times_done == 1u);
    BOOST_TEST(one->request.reply == "");
  }
}

BOOST_AUTO_TEST_CASE(only_so_many_wait) {
  relay passes;
  std::vector<std::unique_ptr<counted>> all;
  for (std::size_t i = 0; i <= core::limits::remote_requests_max; ++i) {
    all.push_back(std::make_unique<counted>("x"));
    all.back()->request.address_hash = i;
    BOOST_TEST(passes.submit(all.back()->request) == (i < core::limits::remote_requests_max));
  }
  passes.close();
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace tacit::net
