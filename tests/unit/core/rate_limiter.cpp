// The arithmetic of the token buckets, and their sharing by threads.
#include "core/rate_limiter.hpp"

#include <boost/test/unit_test.hpp>
#include <latch>
#include <thread>

#include "tests/unit/core/samples.hpp"

namespace tacit::core {
namespace {

constexpr std::uint64_t second = 1'000'000'000;
constexpr std::uint64_t period = bucket_period_nanoseconds;
constexpr std::uint64_t morning = 86'400 * second;  // some moment
constexpr std::uint32_t small_limits[] = {1, 2, 7, 30, 59, 60, 61, 120, 1000};

std::uint64_t rounded_up(std::uint64_t nanoseconds) { return (nanoseconds + second - 1) / second; }

// A bucket as one word with its own clock.
struct bucket {
  std::uint32_t tokens;
  std::uint64_t now = morning;
  std::uint64_t word = 0;

  rate_state take() {
    auto const decided = take_token(word, now, tokens);
    word = decided.full_at_nanoseconds;
    return decided.state;
  }
  rate_state look() const { return look_at_bucket(word, now, tokens); }
};

struct memory {
  std::unique_ptr<rate_limiter::word[]> words =
      std::make_unique<rate_limiter::word[]>(rate_limiter::words);
  std::span<rate_limiter::word, rate_limiter::words> table{words.get(), rate_limiter::words};
};

}  // namespace

BOOST_AUTO_TEST_SUITE(rate_limits)

BOOST_AUTO_TEST_CASE(a_full_bucket_gives_its_tokens_at_once_and_not_one_more) {
  for (std::uint32_t const tokens : small_limits) {
    BOOST_TEST_CONTEXT("limit " << tokens) {
      bucket one{tokens};
      BOOST_TEST(one.look().remaining == tokens);
      BOOST_TEST(one.look().reset_seconds == 0u);
      for (std::uint32_t left = tokens; left-- > 0;) {
        auto const state = one.take();
        BOOST_TEST(state.admitted);
        BOOST_TEST(state.limit == tokens);
        BOOST_TEST(state.remaining == left);
        BOOST_TEST(state.reset_seconds > 0u);
        BOOST_TEST(state.reset_seconds <= 60u);
      }
      std::uint64_t const word = one.word;
      auto const refused = one.take();
      BOOST_TEST(!refused.admitted);
      BOOST_TEST(refused.remaining == 0u);
      BOOST_TEST(refused.reset_seconds == rounded_up(period / tokens));
      BOOST_TEST(one.word == word);
    }
  }
}

BOOST_AUTO_TEST_CASE(an_empty_bucket_gains_one_token_in_its_share_of_a_minute) {
  for (std::uint32_t const tokens : small_limits) {
    BOOST_TEST_CONTEXT("limit " << tokens) {
      bucket one{tokens};
      while (one.take().admitted) {
      }
      std::uint64_t const share = one.word - one.now - (period - period / tokens);
      one.now += share - 1;
      BOOST_TEST(!one.look().admitted);
      BOOST_TEST(one.look().reset_seconds == 1u);
      BOOST_TEST(!one.take().admitted);
      one.now += 1;
      BOOST_TEST(one.look().remaining == 1u);
      BOOST_TEST(one.take().admitted);
      BOOST_TEST(!one.take().admitted);
    }
  }
}

BOOST_AUTO_TEST_CASE(an_empty_bucket_is_full_after_a_minute_and_never_fuller) {
  for (std::uint32_t const tokens : small_limits) {
    for (std::uint64_t const waited : {period, period + 1, 10 * period, 1000 * period}) {
      bucket one{tokens};
      while (one.take().admitted) {
      }
      one.now += waited;
      std::uint32_t admitted = 0;
      while (one.take().admitted) ++admitted;
      BOOST_TEST(admitted == tokens);
    }
  }
}

BOOST_AUTO_TEST_CASE(the_largest_limit_counts_to_its_last_token) {
  bucket one{limits::requests_per_minute_max};
  one.word = one.now + period - 3 * 60;  // a token is 60 ns: three are left
  BOOST_TEST(one.look().remaining == 3u);
  for (std::uint64_t left = 3; left-- > 0;) BOOST_TEST(one.take().remaining == left);
  BOOST_TEST(!one.take().admitted);
  BOOST_TEST(one.take().reset_seconds == 1u);
  one.now += 60;
  BOOST_TEST(one.take().admitted);
  BOOST_TEST(!one.take().admitted);
}

BOOST_AUTO_TEST_CASE(the_reset_is_the_time_until_full_or_when_empty_until_the_next_token) {
  bucket one{30};  // two seconds a token
  BOOST_TEST(one.take().reset_seconds == 2u);
  BOOST_TEST(one.take().reset_seconds == 4u);
  one.now += 1;
  BOOST_TEST(one.look().reset_seconds == 4u);
  BOOST_TEST(one.look().remaining == 28u);
  one.now += second;
  BOOST_TEST(one.look().reset_seconds == 3u);
  one.now += second - 1;
  BOOST_TEST(one.look().remaining == 29u);
  BOOST_TEST(one.look().reset_seconds == 2u);
  while (one.take().remaining > 0) {
  }
  BOOST_TEST(one.look().reset_seconds == 2u);
  one.now += second;
  BOOST_TEST(one.look().reset_seconds == 1u);
}

BOOST_AUTO_TEST_CASE(the_reset_that_a_refusal_names_is_long_enough) {
  for (std::uint32_t const tokens : small_limits) {
    std::mt19937_64 random(tokens);
    bucket one{tokens};
    for (int i = 0; i < 500; ++i) {
      one.now += random() % (2 * period / tokens);
      auto const state = one.take();
      if (state.admitted) continue;
      bucket later = one;
      later.now += state.reset_seconds * second;
      BOOST_REQUIRE(later.take().admitted);
      later = one;
      later.now += (state.reset_seconds - 1) * second;
      BOOST_REQUIRE((state.reset_seconds > 1 || !later.take().admitted));
    }
  }
}

BOOST_AUTO_TEST_CASE(a_word_of_another_clock_keeps_nobody_out_for_more_than_its_period) {
  for (std::uint32_t const tokens : {1u, 7u, 120u, limits::requests_per_minute_max}) {
    for (std::uint64_t const word :
         {morning + period, morning + period + 1, morning + 1000 * period, ~std::uint64_t{0}}) {
      bucket one{tokens, morning, word};
      auto const state = one.take();
      BOOST_TEST(!state.admitted);
      BOOST_TEST(state.remaining == 0u);
      BOOST_TEST(state.reset_seconds == rounded_up(period / tokens));
      one.now += period / tokens;
      BOOST_TEST(one.take().admitted);
      one.now += period;
      BOOST_TEST(one.look().remaining == tokens);
    }
  }
  bucket old{30, morning, 1};  // long full
  BOOST_TEST(old.take().remaining == 29u);
}

BOOST_AUTO_TEST_CASE(waiting_never_takes_a_token_away_and_taking_never_gives_one) {
  for (std::uint32_t const tokens : small_limits) {
    std::mt19937_64 random(tokens);
    bucket one{tokens};
    for (int i = 0; i < 2000; ++i) {
      auto const before = one.look();
      if (random() % 2 == 0) {
        one.now += random() % (period / tokens);
        BOOST_REQUIRE(one.look().remaining >= before.remaining);
      } else {
        auto const after = one.take();
        BOOST_REQUIRE(after.admitted == (before.remaining > 0));
        BOOST_REQUIRE(after.remaining == before.remaining - (after.admitted ? 1 : 0));
      }
      BOOST_REQUIRE(one.look().remaining <= tokens);
    }
  }
}

BOOST_AUTO_TEST_CASE(no_minute_admits_more_than_two_buckets_full) {
  // N at once and N that come back in the 60 seconds: the bound of a token bucket.
  for (std::uint32_t const tokens : {1u, 7u, 30u}) {
    bucket one{tokens};
    std::uint32_t admitted = 0;
    for (std::uint64_t const end = one.now + period; one.now < end; one.now += second / 50) {
      if (one.take().admitted) ++admitted;
    }
    BOOST_TEST(admitted >= 2 * tokens - 1);
    BOOST_TEST(admitted <= 2 * tokens);
  }
}

BOOST_AUTO_TEST_CASE(threads_that_share_a_bucket_get_its_tokens_and_not_one_more) {
  constexpr int thread_count = 4;
  for (std::uint32_t const tokens : {1u, 7u, 120u, 3'000'000u}) {
    memory shared;
    rate_limiter limiter(shared.table, {tokens, tokens, tokens});
    std::atomic<std::uint32_t> admitted = 0;
    std::latch all_here(thread_count);
    {
      std::vector<std::jthread> threads;
      for (int i = 0; i < thread_count; ++i) {
        threads.emplace_back([&] {
          std::uint32_t mine = 0;
          all_here.arrive_and_wait();
          for (std::uint32_t asked = 0; asked < tokens; ++asked) {
            mine += limiter.take(7, bucket_kind::write, morning).admitted;
          }
          admitted += mine;
        });
      }
    }
    BOOST_TEST(admitted == tokens);
  }
}

BOOST_AUTO_TEST_CASE(buckets_of_other_slots_and_kinds_and_addresses_are_left_alone) {
  memory shared;
  rate_limiter limiter(shared.table, {2, 3, 1});
  auto const empty = [&](std::uint16_t slot, bucket_kind kind) {
    while (limiter.take(slot, kind, morning).admitted) {
    }
  };
  empty(0, bucket_kind::read);
  empty(4095, bucket_kind::write);
  BOOST_TEST(limiter.take(0, bucket_kind::write, morning).remaining == 2u);
  BOOST_TEST(limiter.take(4095, bucket_kind::read, morning).remaining == 1u);
  BOOST_TEST(limiter.take(1, bucket_kind::read, morning).remaining == 1u);
  BOOST_TEST(limiter.take_failure(0, morning).admitted);
  BOOST_TEST(!limiter.take_failure(limits::address_buckets, morning).admitted);  // the same bucket
  BOOST_TEST(limiter.take_failure(~std::uint64_t{0}, morning).admitted);
  BOOST_TEST(limiter.take(4094, bucket_kind::write, morning).remaining == 2u);
}

BOOST_AUTO_TEST_CASE(a_slot_that_is_given_out_again_has_full_buckets) {
  memory shared;
  rate_limiter limiter(shared.table, {2, 2, 1});
  for (std::uint16_t const slot : std::to_array<std::uint16_t>({4, 5})) {
    for (auto const kind : {bucket_kind::read, bucket_kind::write}) {
      while (limiter.take(slot, kind, morning).admitted) {
      }
    }
  }
  limiter.clear(5);
  BOOST_TEST(limiter.take(5, bucket_kind::read, morning).remaining == 1u);
  BOOST_TEST(limiter.take(5, bucket_kind::write, morning).remaining == 1u);
  BOOST_TEST(!limiter.take(4, bucket_kind::read, morning).admitted);
  BOOST_TEST(!limiter.take(4, bucket_kind::write, morning).admitted);
}

BOOST_AUTO_TEST_CASE(a_limit_of_zero_is_no_limit_and_says_the_largest_number) {
  memory shared;
  rate_limiter limiter(shared.table, {0, 1, 0});
  for (int i = 0; i < 1000; ++i) {
    auto const state = limiter.take(3, bucket_kind::read, morning);
    BOOST_TEST(state.admitted);
    BOOST_TEST(state.limit == 999'999'999'999'999u);
    BOOST_TEST(state.remaining == 999'999'999'999'999u);
    BOOST_TEST(state.reset_seconds == 0u);
  }
  BOOST_TEST(limiter.take(3, bucket_kind::write, morning).admitted);
  BOOST_TEST(!limiter.take(3, bucket_kind::write, morning).admitted);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace tacit::core
