// A delivery's body: whole, or an error.
#include "net/delivery_answer.hpp"

#include <boost/test/unit_test.hpp>

#include "core/sealing.hpp"
#include "tests/unit/core/samples.hpp"

namespace tacit::net {
namespace {

using core::errc;
using core::test::is;

struct one_store {
  core::api_share api = core::derive_api_share(core::test::sample_root());
  core::keeper_share keeper = core::derive_keeper_share(core::test::sample_root());
  core::project_id project = core::test::project("bot");
  core::sealer seals{api.public_key, api.record};
  core::delivery_policy policy{1000, {}, {}};
  sealed_set set{77, {}};

  core::record_message seal(std::string_view name, std::string_view value) {
    core::secret_name const parsed = core::test::secret(name);
    std::uint64_t const record_id = set.records.size() + 1;
    return {1, parsed, record_id, 5, seals.seal(value, {project, parsed, record_id}, 0)};
  }
  void add(std::string_view name, std::string_view value) {
    set.records.push_back(seal(name, value));
  }
  core::result<core::secret_buffer> body() {
    return make_delivery_body(keeper, policy, project, set);
  }
  bool says(std::string_view expected) {
    auto const made = body();
    return made && made->reveal() == expected;
  }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(delivery_bodies, one_store)

BOOST_AUTO_TEST_CASE(a_project_without_secrets_is_an_empty_set_and_no_error) {
  BOOST_CHECK(says(R"({"data":{"project":"bot","revision":77,"env":{},"withheld":[]}})"));
}

BOOST_AUTO_TEST_CASE(every_value_is_there_under_its_name_and_escaped) {
  add("A", "first");
  add("B", "a \"quote\"\\\n\t\x01\x1F\x7F");
  add("C", "\xC3\xA9\xF0\x9F\x94\x91");
  add("D", "");
  BOOST_CHECK(says(R"({"data":{"project":"bot","revision":77,"env":{"A":"first",)"
                   R"("B":"a \"quote\"\\\n\t\u0001\u001f)"
                   "\x7F"
                   R"(","C":")"
                   "\xC3\xA9\xF0\x9F\x94\x91"
                   R"(","D":""},"withheld":[]}})"));
}

BOOST_AUTO_TEST_CASE(withheld_names_are_told_and_their_values_are_not) {
  add("A", "first");
  add("LD_PRELOAD", "evil.so");
  add("PATH", "evil");
  add("Z", "last");
  BOOST_CHECK(says(R"({"data":{"project":"bot","revision":77,"env":{"A":"first","Z":"last"},)"
                   R"("withheld":["LD_PRELOAD","PATH"]}})"));
  policy = core::delivery_policy(1000, {}, {"PATH"});
  BOOST_CHECK(says(R"({"data":{"project":"bot","revision":77,)"
                   R"("env":{"A":"first","PATH":"evil","Z":"last"},"withheld":["LD_PRELOAD"]}})"));
}

BOOST_AUTO_TEST_CASE(a_set_of_the_largest_values_is_delivered_whole) {
  std::string const value(core::limits::value_bytes_max, '\x01');
  for (int i = 0; i < 25; ++i) add("K" + std::to_string(i), value);
  auto const made = body();
  BOOST_REQUIRE(made.has_value());
  std::size_t const escaped = value.size() * 6 * 25;
  BOOST_TEST(made->size() > escaped);
  BOOST_TEST(made->size() < escaped + 1000);
}

BOOST_AUTO_TEST_CASE(one_record_that_does_not_open_makes_the_whole_answer_an_error) {
  add("A", "first");
  add("B", "second");
  BOOST_TEST(body().has_value());
  for (std::size_t record = 0; record < 2; ++record) {
    std::string& sealed = set.records[record].sealed;
    std::string const good = sealed;
    for (std::size_t at : {std::size_t{0}, std::size_t{1}, std::size_t{90}, good.size() - 1}) {
      sealed[at] = static_cast<char>(~static_cast<unsigned char>(sealed[at]));
      BOOST_TEST(is(body(), errc::corrupt));
      sealed = good;
    }
    sealed.pop_back();
    BOOST_TEST(is(body(), errc::corrupt));
    sealed.clear();
    BOOST_TEST(is(body(), errc::corrupt));
    sealed = good;
  }
  BOOST_TEST(body().has_value());
}

BOOST_AUTO_TEST_CASE(a_record_of_another_place_makes_the_whole_answer_an_error) {
  add("A", "first");
  add("B", "second");
  std::swap(set.records[0].sealed, set.records[1].sealed);
  BOOST_TEST(is(body(), errc::corrupt));
  std::swap(set.records[0].sealed, set.records[1].sealed);
  ++set.records[0].record_id;
  BOOST_TEST(is(body(), errc::corrupt));
  --set.records[0].record_id;
  BOOST_TEST(body().has_value());
  BOOST_TEST(
      is(make_delivery_body(keeper, policy, core::test::project("bot2"), set), errc::corrupt));
  core::keeper_share const others =
      core::derive_keeper_share(core::test::counting_key<core::root_key>(1));
  BOOST_TEST(is(make_delivery_body(others, policy, project, set), errc::corrupt));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace tacit::net
