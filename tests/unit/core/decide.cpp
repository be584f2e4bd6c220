// The conditions of a write, on a small model in full.
#include "core/decide.hpp"

#include <boost/test/unit_test.hpp>

#include "tests/unit/core/samples.hpp"

namespace tacit::core {
namespace {

secret_row existing_row() {
  secret_row row;
  row.version = 40;
  row.created = timestamp{100};
  row.updated = timestamp{200};
  row.record_id = 9;
  return row;
}

struct situation {
  std::uint32_t secrets;
  std::uint32_t cap;
  bool existing;
  std::int64_t now;  // 200 is when project and secret were last changed
};

template <typename Visit>
void for_each_situation(Visit&& visit) {
  for (std::uint32_t secrets = 0; secrets <= 3; ++secrets) {
    for (std::uint32_t cap = 0; cap <= 3; ++cap) {
      for (bool const existing : {false, true}) {
        if (existing && secrets == 0) continue;
        for (std::int64_t const now : {50, 199, 200, 201, 1000}) {
          BOOST_TEST_CONTEXT("secrets " << secrets << ", cap " << cap << ", existing " << existing
                                        << ", now " << now) {
            visit(situation{secrets, cap, existing, now});
          }
        }
      }
    }
  }
}

}  // namespace

BOOST_AUTO_TEST_SUITE(decisions)

BOOST_AUTO_TEST_CASE(an_upsert_adds_below_the_cap_and_overwrites_always) {
  secret_row const row = existing_row();
  for_each_situation([&](situation const& in) {
    counter_row const before{in.secrets, 41, {200}};
    auto const decided =
        decide_upsert(before, in.existing ? &row : nullptr, in.cap, {{in.now}, 42});
    if (!in.existing && in.secrets >= in.cap) {
      BOOST_TEST(test::is(decided, errc::secret_limit_exceeded));
      return;
    }
    BOOST_REQUIRE(decided.has_value());
    std::int64_t const later = std::max<std::int64_t>(in.now, 200);
    BOOST_TEST(decided->counters.secrets == in.secrets + (in.existing ? 0u : 1u));
    BOOST_TEST((in.existing || decided->counters.secrets <= in.cap));
    BOOST_TEST(decided->counters.revision == 42u);
    BOOST_TEST(decided->counters.updated.unix_milliseconds == later);
    BOOST_TEST(decided->secret.version == 42u);
    BOOST_TEST(decided->secret.created.unix_milliseconds == (in.existing ? 100 : in.now));
    BOOST_TEST(decided->secret.updated.unix_milliseconds == (in.existing ? later : in.now));
  });
}

BOOST_AUTO_TEST_CASE(a_remove_takes_one_away_when_it_is_there_and_changes_nothing_when_not) {
  secret_row const row = existing_row();
  for_each_situation([&](situation const& in) {
    counter_row const before{in.secrets, 41, {200}};
    auto const decided = decide_remove(before, in.existing ? &row : nullptr, {{in.now}, 42});
    BOOST_REQUIRE(decided.has_value());
    BOOST_TEST(decided->secrets == in.secrets - (in.existing ? 1u : 0u));
    BOOST_TEST(decided->revision == (in.existing ? 42u : 41u));
    BOOST_TEST(decided->updated.unix_milliseconds ==
               (in.existing ? std::max<std::int64_t>(in.now, 200) : 200));
  });
}

BOOST_AUTO_TEST_CASE(a_remove_from_a_project_that_counts_none_is_corrupt) {
  secret_row const row = existing_row();
  BOOST_TEST(test::is(decide_remove(counter_row{}, &row, {{1}, 2}), errc::corrupt));
}

BOOST_AUTO_TEST_CASE(without_the_project_nothing_is_added_or_removed) {
  secret_row const row = existing_row();
  for (secret_row const* existing : {static_cast<secret_row const*>(nullptr), &row}) {
    BOOST_TEST(test::is(decide_upsert(std::nullopt, existing, 25, {}), errc::not_found));
    BOOST_TEST(test::is(decide_remove(std::nullopt, existing, {}), errc::not_found));
  }
}

BOOST_AUTO_TEST_CASE(no_order_of_adds_and_removes_gets_past_the_cap) {
  std::mt19937_64 random(13);
  for (int round = 0; round < 200; ++round) {
    auto const cap = static_cast<std::uint32_t>(random() % 4);
    std::optional<counter_row> project = counter_row{};
    std::array<std::optional<secret_row>, 5> secrets;
    std::int64_t latest = 0;
    for (std::uint64_t sequence = 1; sequence < 60; ++sequence) {
      auto& one = secrets[random() % secrets.size()];
      secret_row const* existing = one ? &*one : nullptr;
      write_moment const moment{{static_cast<std::int64_t>(random() % 1000)}, sequence};
      if (random() % 3 != 0) {
        if (auto decided = decide_upsert(project, existing, cap, moment)) {
          project = decided->counters;
          one = std::move(decided->secret);
        }
      } else {
        project = *decide_remove(project, existing, moment);
        one.reset();
      }
      auto const rows = std::count_if(secrets.begin(), secrets.end(),
                                      [](auto const& row) { return row.has_value(); });
      BOOST_REQUIRE(project->secrets == static_cast<std::uint32_t>(rows));
      BOOST_REQUIRE(project->secrets <= cap);
      BOOST_REQUIRE(project->updated.unix_milliseconds >= latest);
      latest = project->updated.unix_milliseconds;
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace tacit::core
