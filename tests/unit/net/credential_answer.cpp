// What systemd is given: one value alone, or a whole set with an end, or an error.
#include "net/credential_answer.hpp"

#include <boost/test/unit_test.hpp>

#include "core/sealing.hpp"
#include "tests/unit/core/samples.hpp"

namespace tacit::net {
namespace {

using core::errc;
using core::test::is;

struct one_set {
  core::api_share api = core::derive_api_share(core::test::sample_root());
  core::keeper_share keeper = core::derive_keeper_share(core::test::sample_root());
  core::project_id project = core::test::project("bot");
  core::sealer seals{api.public_key, api.record};
  core::delivery_policy policy{1000, {}, {}};
  sealed_set set{77, {}};

  void add(std::string_view name, std::string_view value) {
    core::secret_name const parsed = core::test::secret(name);
    std::uint64_t const record_id = set.records.size() + 1;
    set.records.push_back(
        {1, parsed, record_id, 5, seals.seal(value, {project, parsed, record_id}, 0)});
  }
  void damage(std::size_t record) {
    char& byte = set.records[record].sealed[90];
    byte = static_cast<char>(~static_cast<unsigned char>(byte));
  }
  core::result<core::secret_buffer> single(std::string_view name) {
    return make_single_credential(keeper, policy, project, set, core::test::secret(name));
  }
  core::result<core::secret_buffer> whole() {
    return make_whole_credential(keeper, policy, project, set);
  }
};

bool says(core::result<core::secret_buffer> const& made, std::string_view expected) {
  return made && made->reveal() == expected;
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(credential_answers, one_set)

BOOST_AUTO_TEST_CASE(a_single_value_is_its_bytes) {
  add("A", "first");
  add("B", "a \"quote\"\n");
  add("C", "a\xEF\xBF\xBE");  // U+FFFE
  BOOST_CHECK(says(single("A"), "first"));
  BOOST_CHECK(says(single("B"), "a \"quote\"\n"));
  BOOST_CHECK(says(single("C"), "a\xEF\xBF\xBE"));
  BOOST_TEST(is(single("AA"), errc::not_found));
  BOOST_TEST(is(single("D"), errc::not_found));
}

BOOST_AUTO_TEST_CASE(a_single_value_needs_no_other_to_open) {
  add("A", "first");
  add("B", "second");
  damage(1);
  BOOST_CHECK(says(single("A"), "first"));
  BOOST_TEST(is(single("B"), errc::corrupt));
}

BOOST_AUTO_TEST_CASE(a_withheld_name_is_refused_whether_it_is_there_or_not) {
  add("LD_PRELOAD", "evil.so");
  BOOST_TEST(is(single("LD_PRELOAD"), errc::forbidden));
  BOOST_TEST(is(single("PATH"), errc::forbidden));
  policy = core::delivery_policy(1000, {}, {"LD_PRELOAD", "PATH"});
  BOOST_CHECK(says(single("LD_PRELOAD"), "evil.so"));
  BOOST_TEST(is(single("PATH"), errc::not_found));
}

BOOST_AUTO_TEST_CASE(a_whole_set_has_an_end_also_when_it_is_empty) {
  BOOST_CHECK(says(whole(), "# complete\n"));
  add("A", "first");
  add("LD_PRELOAD", "evil.so");
  add("Z", "$1");
  BOOST_CHECK(says(whole(), "A=\"first\"\nZ=\"\\$1\"\n# complete\n"));
}

BOOST_AUTO_TEST_CASE(a_whole_set_is_whole_or_an_error) {
  add("A", "first");
  add("B", "second");
  damage(1);
  BOOST_TEST(is(whole(), errc::corrupt));
  damage(1);
  BOOST_TEST(whole().has_value());
  add("C", "a\xEF\xBF\xBE");
  BOOST_TEST(is(whole(), errc::validation));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace tacit::net
