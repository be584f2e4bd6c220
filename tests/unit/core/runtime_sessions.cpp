// What a runtime on another machine and the keeper say to each other, and who is let in.
#include "core/runtime_sessions.hpp"

#include <boost/test/unit_test.hpp>
#include <vector>

#include "core/runtime_message.hpp"
#include "tests/unit/core/samples.hpp"

namespace tacit::core {
namespace {

constexpr timestamp day{1'800'000'000'000};

// A keeper with one enrolled runtime, and what that runtime does.
struct door {
  exchange_private_key own = test::counting_key<exchange_private_key>(1);
  exchange_private_key runtime = test::counting_key<exchange_private_key>(101);
  exchange_public_key runtime_public = public_half(runtime);
  enrolment_book book;
  runtime_sessions sessions{own, book};
  moment at{day, 5'000'000};

  door() {
    BOOST_REQUIRE(book.add({*runtime_id::parse("web"),
                            test::project("shop"),
                            runtime_public,
                            day,
                            {day.unix_milliseconds + 1'000'000}},
                           day)
                      .has_value());
    sessions.set_certain(true);
  }

  exchange_private_key enrol_another(unsigned char first_byte) {
    auto key = test::counting_key<exchange_private_key>(first_byte);
    BOOST_REQUIRE(book.add({*runtime_id::parse("another-" + std::to_string(first_byte)),
                            test::project("shop"),
                            public_half(key),
                            day,
                            {day.unix_milliseconds + 1'000'000}},
                           day)
                      .has_value());
    return key;
  }

  struct visit {
    noise_initiator from;
    std::string hello;
  };
  visit come(exchange_private_key const& with) {
    exchange_public_key const half = public_half(with);
    noise_initiator from({with, half, sessions.own_public(), runtime_prologue},
                         make_exchange_key());
    std::string const first = *from.begin("");
    return {std::move(from), encode_message(hello_message{half, first})};
  }
  struct outcome {
    welcome said;
    noise_session session;
  };
  outcome shake(exchange_private_key const& with) {
    visit one = come(with);
    auto const answer = sessions.greet(one.hello, at);
    BOOST_REQUIRE(answer.has_value());
    auto finished = one.from.finish(*answer);
    BOOST_REQUIRE(finished.has_value());
    auto const said = decode_welcome(finished->payload);
    BOOST_REQUIRE(said.has_value());
    return {*said, std::move(finished->session)};
  }
  static std::string ask(outcome& of, runtime_request const& request) {
    return encode_message(ask_message{of.said.session, of.session.seal(encode_request(request))});
  }
  static runtime_request sample_request() { return {test::project("shop"), 7, 20, "box"}; }
};

opened_answer read_answer(result<opened_answer> got) {
  BOOST_REQUIRE(got.has_value());
  return *std::move(got);
}

std::string sealed_answer(noise_session session, remote_outcome outcome, std::string_view body) {
  answer_sealer sealer(std::move(session), {outcome, static_cast<std::uint32_t>(body.size())},
                       body);
  std::string all;
  while (!sealer.done()) all += sealer.next();
  return all;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(sessions_of_runtimes)

BOOST_FIXTURE_TEST_CASE(who_is_enrolled_asks_once, door) {
  outcome met = shake(runtime);
  BOOST_CHECK(met.said.told == verdict::go_on);
  BOOST_TEST(sessions.waiting() == 1u);
  std::string const asked = ask(met, sample_request());
  auto const taken = sessions.take(asked, at);
  BOOST_REQUIRE(taken.has_value());
  BOOST_CHECK(taken->runtime == runtime_public);
  BOOST_TEST(taken->request.project.text() == "shop");
  BOOST_TEST(*taken->request.known_revision == 7u);
  BOOST_TEST(taken->request.wait_seconds == 20u);
  BOOST_TEST(taken->request.host == "box");
  BOOST_TEST(!sessions.take(asked, at).has_value());
  BOOST_TEST(sessions.waiting() == 0u);
}

BOOST_FIXTURE_TEST_CASE(a_recorded_conversation_gets_nothing, door) {
  visit one = come(runtime);
  auto const welcome_1 = sessions.greet(one.hello, at);
  auto finished = one.from.finish(*welcome_1);
  auto const said = decode_welcome(finished->payload);
  std::string const asked = encode_message(
      ask_message{said->session, finished->session.seal(encode_request(sample_request()))});
  BOOST_REQUIRE(sessions.take(asked, at).has_value());
  // The same hello is welcomed with another challenge, so that the same ask is nobody's.
  auto const welcome_2 = sessions.greet(one.hello, at);
  BOOST_REQUIRE(welcome_2.has_value());
  // Keys of its own: an api process can put the new session's number before the recorded ask.
  BOOST_TEST(welcome_2->substr(0, key_bytes) != welcome_1->substr(0, key_bytes));
  BOOST_TEST(!sessions.take(asked, at).has_value());
  BOOST_TEST(sessions.waiting() == 1u);
}

BOOST_FIXTURE_TEST_CASE(who_is_not_enrolled_hears_it_in_a_form_that_nobody_else_can_make, door) {
  auto const stranger = test::counting_key<exchange_private_key>(55);
  BOOST_CHECK(shake(stranger).said.told == verdict::unauthorized);
  at.now.unix_milliseconds += 1'000'000;  // expired
  BOOST_CHECK(shake(runtime).said.told == verdict::unauthorized);
  at.now = day;
  BOOST_CHECK(shake(runtime).said.told == verdict::go_on);
  BOOST_REQUIRE(book.remove(*runtime_id::parse("web")).has_value());
  BOOST_CHECK(shake(runtime).said.told == verdict::unauthorized);
  BOOST_TEST(sessions.waiting() == 1u);
}

BOOST_FIXTURE_TEST_CASE(while_the_book_may_be_old_nobody_is_let_in_or_turned_away, door) {
  sessions.set_certain(false);
  BOOST_CHECK(shake(runtime).said.told == verdict::unavailable);
  BOOST_CHECK(shake(test::counting_key<exchange_private_key>(55)).said.told ==
              verdict::unavailable);
  BOOST_TEST(sessions.waiting() == 0u);
}

BOOST_FIXTURE_TEST_CASE(the_key_of_somebody_else_is_of_no_use, door) {
  // A captured api process knows every public key.
  auto const false_runtime = test::counting_key<exchange_private_key>(77);
  noise_initiator posing({false_runtime, runtime_public, sessions.own_public(), runtime_prologue},
                         make_exchange_key());
  std::string const hello = encode_message(hello_message{runtime_public, *posing.begin("")});
  BOOST_TEST(!sessions.greet(hello, at).has_value());
}

BOOST_FIXTURE_TEST_CASE(no_bit_of_hello_and_ask_can_be_changed, door) {
  visit const one = come(runtime);
  moment when = at;
  test::for_each_flipped_bit(one.hello, [&](std::string const& changed) {
    when.boot_milliseconds += 1000;
    BOOST_TEST(!sessions.greet(changed, when).has_value());
  });
  for (std::size_t size = 0; size < one.hello.size(); ++size) {
    BOOST_TEST(!sessions.greet(one.hello.substr(0, size), at).has_value());
  }
  BOOST_TEST(!sessions.greet(one.hello + "x", at).has_value());
  at.boot_milliseconds = when.boot_milliseconds + 1000;
  std::string const sample = [&] {
    outcome met = shake(runtime);
    return ask(met, sample_request());
  }();
  for (std::size_t bit = 0; bit < sample.size() * 8; ++bit) {
    at.boot_milliseconds += 30'000;
    outcome met = shake(runtime);
    std::string asked = ask(met, sample_request());
    asked[bit / 8] =
        static_cast<char>(static_cast<unsigned char>(asked[bit / 8]) ^ (1u << (bit % 8)));
    BOOST_TEST(!sessions.take(asked, at).has_value());
  }
}

BOOST_FIXTURE_TEST_CASE(a_false_ask_uses_the_handshake_up, door) {
  outcome met = shake(runtime);
  std::string const good = ask(met, sample_request());
  std::string bad = good;
  bad.back() = static_cast<char>(bad.back() ^ 1);
  BOOST_TEST(!sessions.take(bad, at).has_value());
  BOOST_TEST(!sessions.take(good, at).has_value());
}

BOOST_FIXTURE_TEST_CASE(a_handshake_waits_so_long_and_no_longer, door) {
  outcome early = shake(runtime);
  at.boot_milliseconds += limits::handshake_milliseconds_max - 1;
  outcome later = shake(runtime);
  BOOST_TEST(sessions.take(ask(early, sample_request()), at).has_value());
  at.boot_milliseconds += limits::handshake_milliseconds_max;
  BOOST_TEST(!sessions.take(ask(later, sample_request()), at).has_value());
  BOOST_TEST(sessions.waiting() == 0u);
}

BOOST_FIXTURE_TEST_CASE(one_runtime_does_not_take_the_places_of_others, door) {
  for (std::size_t i = 0; i < limits::handshakes_per_runtime_max; ++i) {
    BOOST_CHECK(shake(runtime).said.told == verdict::go_on);
  }
  BOOST_CHECK(shake(runtime).said.told == verdict::unavailable);
  auto const other = enrol_another(33);
  BOOST_CHECK(shake(other).said.told == verdict::go_on);
}

BOOST_FIXTURE_TEST_CASE(so_many_handshakes_wait_however_many_runtimes_there_are, door) {
  unsigned char number = 120;
  for (std::size_t held = 0; held < limits::handshakes_max; ++held) {
    at.boot_milliseconds += 2;  // slower than the pace of all
    if (held % limits::handshakes_per_runtime_max == 0) runtime = enrol_another(number++);
    BOOST_CHECK(shake(runtime).said.told == verdict::go_on);
  }
  at.boot_milliseconds += 2;
  runtime = enrol_another(number);
  BOOST_CHECK(shake(runtime).said.told == verdict::unavailable);
  BOOST_TEST(sessions.waiting() == limits::handshakes_max);
}

BOOST_FIXTURE_TEST_CASE(all_runtimes_together_cost_so_many_handshakes_a_second, door) {
  std::vector<visit> each;
  constexpr auto of_one = limits::handshakes_per_runtime_per_second_max;
  for (unsigned char i = 0; i <= limits::handshakes_per_second_max / of_one; ++i) {
    each.push_back(come(enrol_another(static_cast<unsigned char>(120 + i))));
  }
  unsigned answered = 0;
  for (visit const& one : each) {
    for (unsigned i = 0; i < of_one; ++i) answered += sessions.greet(one.hello, at) ? 1u : 0u;
  }
  BOOST_TEST(answered == limits::handshakes_per_second_max);
  at.boot_milliseconds += 1000;
  BOOST_TEST(sessions.greet(each.back().hello, at).has_value());
}

BOOST_FIXTURE_TEST_CASE(strangers_are_few_a_second_and_keep_no_runtime_out, door) {
  auto const stranger = test::counting_key<exchange_private_key>(55);
  visit const one = come(stranger);
  unsigned answered = 0;
  for (unsigned i = 0; i < 4 * limits::strangers_per_second_max; ++i) {
    if (sessions.greet(one.hello, at)) ++answered;
  }
  BOOST_TEST(answered == limits::strangers_per_second_max);
  BOOST_CHECK(shake(runtime).said.told == verdict::go_on);
  at.boot_milliseconds += 1000;
  BOOST_TEST(sessions.greet(one.hello, at).has_value());
}

BOOST_FIXTURE_TEST_CASE(who_sends_the_key_of_one_runtime_keeps_no_other_out, door) {
  auto const other = enrol_another(33);
  // Recorded, or made up: each costs the keeper a handshake.
  visit const one = come(runtime);
  unsigned answered = 0;
  for (unsigned i = 0; i < 2 * limits::handshakes_per_second_max; ++i) {
    if (sessions.greet(one.hello, at)) ++answered;
  }
  BOOST_TEST(answered == limits::handshakes_per_runtime_per_second_max);
  BOOST_CHECK(shake(other).said.told == verdict::go_on);
  at.boot_milliseconds += 1000;
  BOOST_TEST(sessions.greet(one.hello, at).has_value());
}

BOOST_AUTO_TEST_CASE(a_pace_is_kept_however_long_it_was_quiet) {
  paced pace(10);
  unsigned taken = 0;
  for (int i = 0; i < 100; ++i) taken += pace.take(1'000'000'000) ? 1u : 0u;
  BOOST_TEST(taken == 10u);
  BOOST_TEST(!pace.take(1'000'000'099));
  BOOST_TEST(pace.take(1'000'000'100));
  taken = 0;
  for (int i = 0; i < 100; ++i) taken += pace.take(2'000'000'000) ? 1u : 0u;
  BOOST_TEST(taken == 10u);
}

BOOST_AUTO_TEST_CASE(requests_come_back_as_they_were_and_others_are_refused) {
  runtime_request const whole{test::project(std::string(64, 'p')), 1ull << 63, 20,
                              std::string(64, 'h')};
  std::string const bytes = encode_request(whole);
  auto const again = decode_request(bytes);
  BOOST_REQUIRE(again.has_value());
  BOOST_TEST(encode_request(*again) == bytes);
  BOOST_TEST(*again->known_revision == 1ull << 63);
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    BOOST_TEST(!decode_request(bytes.substr(0, size)).has_value());
  }
  BOOST_TEST(!decode_request(bytes + "x").has_value());
  runtime_request too_long = whole;
  too_long.wait_seconds = limits::remote_wait_seconds_max + 1;
  BOOST_TEST(!decode_request(encode_request(too_long)).has_value());
}

BOOST_FIXTURE_TEST_CASE(answers_of_every_size_arrive_whole_or_not_at_all, door) {
  std::size_t const chunk = limits::remote_chunk_bytes;
  for (std::size_t const size : {std::size_t{0}, std::size_t{1}, chunk - 6, chunk - 5, chunk - 4,
                                 2 * chunk - 5, 3 * chunk + 11}) {
    std::mt19937_64 random(size);
    std::string const body = test::random_bytes(random, size);
    outcome met = shake(runtime);
    auto taken = sessions.take(ask(met, sample_request()), at);
    BOOST_REQUIRE(taken.has_value());
    std::string const sealed =
        sealed_answer(std::move(taken->session), remote_outcome::found, body);
    auto const open = [&](std::string_view bytes) {
      // The runtime's side as it was: a session opens each message once.
      noise_session copy = std::move(met.session);
      auto got = open_answer(std::move(copy), bytes);
      return got;
    };
    auto const got = read_answer(open(sealed));
    BOOST_CHECK(got.outcome == remote_outcome::found);
    BOOST_CHECK(got.body.reveal() == body);
  }
}

BOOST_FIXTURE_TEST_CASE(an_answer_that_is_not_whole_is_none, door) {
  std::string const body(2 * limits::remote_chunk_bytes, 'v');
  std::size_t const sealed_chunk = limits::remote_chunk_bytes + aead_tag_bytes;
  auto const outcome_of = [&](auto change) {
    at.boot_milliseconds += 1000;
    outcome met = shake(runtime);
    auto taken = sessions.take(ask(met, sample_request()), at);
    BOOST_REQUIRE(taken.has_value());
    std::string const sealed =
        sealed_answer(std::move(taken->session), remote_outcome::found, body);
    return open_answer(std::move(met.session), change(sealed)).has_value();
  };
  BOOST_TEST(outcome_of([](std::string all) { return all; }));
  BOOST_TEST(!outcome_of([](std::string all) { return all + "x"; }));
  BOOST_TEST(!outcome_of([](std::string) { return std::string(); }));
  for (std::size_t const cut : {std::size_t{1}, std::size_t{16}, std::size_t{25}, sealed_chunk}) {
    BOOST_TEST(!outcome_of([cut](std::string all) { return all.substr(0, all.size() - cut); }));
  }
  BOOST_TEST(!outcome_of([&](std::string all) { return all.substr(0, sealed_chunk); }));
  BOOST_TEST(!outcome_of([&](std::string all) { return all.substr(sealed_chunk); }));
  BOOST_TEST(!outcome_of([&](std::string all) {
    return all.substr(sealed_chunk, sealed_chunk) + all.substr(0, sealed_chunk) +
           all.substr(2 * sealed_chunk);
  }));
  for (std::size_t const at_byte :
       {std::size_t{0}, std::size_t{4}, sealed_chunk, sealed_chunk * 2}) {
    BOOST_TEST(!outcome_of([at_byte](std::string all) {
      all[at_byte] = static_cast<char>(all[at_byte] ^ 1);
      return all;
    }));
  }
}

// The last chunk is full here, so that what follows is not a part of it.
BOOST_FIXTURE_TEST_CASE(nothing_may_stand_behind_an_answer, door) {
  std::string const body(limits::remote_chunk_bytes - 5, 'v');
  for (std::string const& behind : {std::string(), std::string("x"), std::string(40, 'x')}) {
    outcome met = shake(runtime);
    auto taken = sessions.take(ask(met, sample_request()), at);
    BOOST_REQUIRE(taken.has_value());
    std::string const sealed =
        sealed_answer(std::move(taken->session), remote_outcome::found, body);
    BOOST_TEST(sealed.size() == limits::remote_chunk_bytes + aead_tag_bytes);
    auto const opened = open_answer(std::move(met.session), sealed + behind);
    BOOST_TEST(opened.has_value() == behind.empty());
  }
}

BOOST_FIXTURE_TEST_CASE(the_outcomes_stay_apart, door) {
  for (auto const outcome_sent :
       {remote_outcome::found, remote_outcome::unchanged, remote_outcome::refused,
        remote_outcome::absent, remote_outcome::unavailable, remote_outcome::unauthorized}) {
    outcome met = shake(runtime);
    auto taken = sessions.take(ask(met, sample_request()), at);
    std::string const sealed = sealed_answer(std::move(taken->session), outcome_sent, "");
    BOOST_TEST(sealed.size() == 5 + aead_tag_bytes);
    auto const got = read_answer(open_answer(std::move(met.session), sealed));
    BOOST_CHECK(got.outcome == outcome_sent);
    BOOST_TEST(got.body.empty());
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace tacit::core
