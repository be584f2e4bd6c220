// Callers and permits: every caller against every permit.
#include "core/access.hpp"

#include <boost/test/unit_test.hpp>

#include "tests/unit/core/samples.hpp"

namespace tacit::core {
namespace {

caller key_holder(std::uint8_t permissions, project_scope scope) {
  return *caller::from_api_key(test::api_key(permissions, std::move(scope)), {});
}

// What a permit's check says: nothing when it is given.
template <typename Permit>
std::optional<errc> verdict(result<Permit> const& permit) {
  if (permit) return std::nullopt;
  return permit.error();
}

std::optional<errc> expected(bool found, bool allowed) {
  if (!found) return errc::not_found;
  if (!allowed) return errc::forbidden;
  return std::nullopt;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(access)

BOOST_AUTO_TEST_CASE(each_caller_gets_exactly_the_permits_of_its_scope_and_permissions) {
  test::open_gate gate;
  project_id const mine = test::project("mine");
  project_scope const scopes[] = {
      {true, {}}, {false, {mine}}, {false, {test::project("other")}}, {false, {}}};
  for (unsigned bits = 0; bits < 8; ++bits) {
    for (project_scope const& scope : scopes) {
      auto const who = gate.admit(key_holder(static_cast<std::uint8_t>(bits), scope));
      bool const in_scope = &scope < scopes + 2;
      bool const admin = (bits & 4u) != 0;
      for (auto const state : {project_state::absent, project_state::present}) {
        BOOST_TEST_CONTEXT("permissions " << bits << ", scope " << &scope - scopes << ", present "
                                          << (state == project_state::present)) {
          bool const found = in_scope && state == project_state::present;
          BOOST_CHECK(verdict(permit_read(who, mine, state)) ==
                      expected(found, admin || (bits & 1u) != 0));
          BOOST_CHECK(verdict(permit_write(who, mine, state)) ==
                      expected(found, admin || (bits & 2u) != 0));
          // Who may not manage it must not learn of it; who may, may also when it is absent.
          BOOST_CHECK(verdict(permit_admin_of(who, mine, state)) ==
                      expected(admin || found, admin));
        }
      }
      BOOST_CHECK(verdict(permit_list(who)) == expected(true, admin || (bits & 1u) != 0));
      BOOST_CHECK(verdict(permit_admin(who)) == expected(true, admin));
    }
  }
}

BOOST_AUTO_TEST_CASE(the_local_owner_gets_every_permit_for_a_project_that_is_there) {
  test::open_gate gate;
  auto const owner = gate.owner();
  project_id const any = test::project("any");
  BOOST_TEST(permit_read(owner, any, project_state::present).has_value());
  BOOST_TEST(permit_write(owner, any, project_state::present).has_value());
  BOOST_TEST(test::is(permit_read(owner, any, project_state::absent), errc::not_found));
  BOOST_TEST(test::is(permit_write(owner, any, project_state::absent), errc::not_found));
  BOOST_TEST((permit_list(owner)->scope() == nullptr));
  BOOST_TEST(!permit_admin(owner)->in_use().has_value());
  BOOST_TEST(permit_admin_of(owner, any, project_state::absent).has_value());
  BOOST_TEST((owner.who().api_key() == nullptr));
}

BOOST_AUTO_TEST_CASE(a_permit_carries_what_it_was_given_for) {
  test::open_gate gate;
  project_id const mine = test::project("mine");
  auto const some = gate.admit(key_holder(7, {false, {mine}}));
  BOOST_CHECK(permit_read(some, mine, project_state::present)->project() == mine);
  BOOST_CHECK(permit_write(some, mine, project_state::present)->project() == mine);
  BOOST_TEST((permit_list(some)->scope() == &some.who().api_key()->scope));
  BOOST_CHECK(permit_admin(some)->in_use() == api_key_id::parse("key-1").value());
  auto const all = gate.admit(key_holder(1, {true, {}}));
  BOOST_TEST((permit_list(all)->scope() == nullptr));
}

BOOST_AUTO_TEST_CASE(an_unknown_or_expired_key_makes_no_caller) {
  BOOST_TEST(test::is(caller::from_api_key(nullptr, {}), errc::unauthorized));
  auto const key = test::api_key(1, {true, {}});
  BOOST_TEST(caller::from_api_key(key, {1'000'000}).has_value());
  key->expires = timestamp{1000};
  BOOST_TEST(caller::from_api_key(key, {999}).has_value());
  BOOST_TEST(test::is(caller::from_api_key(key, {1000}), errc::unauthorized));
  BOOST_TEST(test::is(caller::from_api_key(key, {1001}), errc::unauthorized));
}

BOOST_AUTO_TEST_CASE(an_empty_bucket_admits_no_key_and_always_the_local_owner) {
  test::open_gate gate;
  rate_limiter limiter(
      std::span<rate_limiter::word, rate_limiter::words>(gate.memory.get(), rate_limiter::words),
      {1, 1, 1});
  auto const key = test::api_key(7, {true, {}});
  auto const ask = [&](bucket_kind kind) {
    return admission(*caller::from_api_key(key, {}), limiter, kind, 0);
  };
  admission const first = ask(bucket_kind::read);
  BOOST_TEST(first.granted.has_value());
  BOOST_TEST(first.rate.has_value());
  admission const second = ask(bucket_kind::read);
  BOOST_TEST(!second.granted.has_value());
  BOOST_REQUIRE(second.rate.has_value());
  BOOST_TEST(!second.rate->admitted);
  BOOST_TEST(ask(bucket_kind::write).granted.has_value());  // a bucket of its own
  for (int i = 0; i < 10; ++i) {
    admission const owner(caller::local_owner(), limiter, bucket_kind::read, 0);
    BOOST_TEST(owner.granted.has_value());
    BOOST_TEST(!owner.rate.has_value());
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace tacit::core
