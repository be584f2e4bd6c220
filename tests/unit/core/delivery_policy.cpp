#include "core/delivery_policy.hpp"

#include <boost/test/unit_test.hpp>

#include "core/store.hpp"
#include "tests/unit/core/samples.hpp"

namespace tacit::core {
namespace {

constexpr std::uint32_t owner = 1000;
constexpr std::uint32_t stranger = 2000;

delivery_grant grant_of(std::string_view project) {
  return {test::project(project), {}, {}, {}, {}, {}};
}

delivery_policy with(delivery_grant const& grant) { return {owner, {grant}, {}}; }

constexpr std::string_view withheld[] = {
    "PATH",
    "IFS",
    "ENV",
    "BASH_ENV",
    "SHELLOPTS",
    "BASHOPTS",
    "GCONV_PATH",
    "NODE_PATH",
    "NODE_OPTIONS",
    "PYTHONPATH",
    "PYTHONHOME",
    "PERL5LIB",
    "PERL5OPT",
    "RUBYLIB",
    "RUBYOPT",
    "PYTHONSTARTUP",
    "_JAVA_OPTIONS",
    "LD_PRELOAD",
    "LD_AUDIT",
    "LD_LIBRARY_PATH",
    "LD_",
    "LD_X",
    "DYLD_",
    "DYLD_INSERT_LIBRARIES",
    "JAVA_TOOL_OPTIONS",
    "JDK_JAVA_OPTIONS",
};
constexpr std::string_view delivered[] = {
    "API_KEY", "PATHS",   "MY_PATH", "PAT",         "LD",       "LDX",    "OLD_PRELOAD",
    "DYLD",    "XDYLD_A", "ENVX",    "ENVIRONMENT", "NODE_ENV", "PYTHON", "JAVA_OPTIONS",
    "IFS2",    "A",       "HOME",    "BASH",        "",
};

}  // namespace

BOOST_AUTO_TEST_SUITE(delivery_policies)

BOOST_AUTO_TEST_CASE(root_and_the_owner_read_every_project_without_a_grant) {
  delivery_policy const policy(owner, {}, {});
  for (std::uint32_t const uid : {0u, owner}) {
    BOOST_TEST(policy.may_read_any({uid, {uid}, ""}));
    BOOST_TEST(policy.may_read({uid, {uid}, ""}, "any"));
  }
  for (std::uint32_t const uid : {1u, owner + 1, stranger, ~0u}) {
    BOOST_TEST(!policy.may_read_any({uid, {0, owner}, "bot.service"}));
    BOOST_TEST(!policy.may_read({uid, {0, owner}, "bot.service"}, "any"));
  }
}

BOOST_AUTO_TEST_CASE(a_grant_without_any_condition_grants_nothing) {
  auto const policy = with(grant_of("bot"));
  BOOST_TEST(!policy.may_read_any({stranger, {stranger}, ""}));
  BOOST_TEST(!policy.may_read({stranger, {stranger}, ""}, "bot"));
  BOOST_TEST(!policy.may_read({stranger, {stranger}, "bot.service"}, "bot"));
}

BOOST_AUTO_TEST_CASE(every_condition_that_is_given_must_hold) {
  for (unsigned given = 0; given < 8; ++given) {
    delivery_grant grant = grant_of("bot");
    grant.has_uid = (given & 1u) != 0;
    grant.uid = 70;
    grant.has_gid = (given & 2u) != 0;
    grant.gid = 80;
    if (given & 4u) grant.unit = "bot.service";
    auto const policy = with(grant);
    BOOST_TEST(policy.asks_for_unit() == ((given & 4u) != 0));
    for (unsigned holds = 0; holds < 8; ++holds) {
      delivery_peer const peer{holds & 1u ? 70u : 71u,
                               holds & 2u ? std::vector<std::uint32_t>{5, 80, 90}
                                          : std::vector<std::uint32_t>{5, 70, 81},
                               holds & 4u ? "bot.service" : ""};
      bool const expected = given != 0 && (given & holds) == given;
      BOOST_TEST_CONTEXT("given " << given << ", holds " << holds) {
        BOOST_TEST(policy.may_read(peer, "bot") == expected);
        BOOST_TEST(policy.may_read_any(peer) == expected);
        BOOST_TEST(!policy.may_read(peer, "bot2"));
        BOOST_TEST(!policy.may_read(peer, "bo"));
        BOOST_TEST(!policy.may_read(peer, ""));
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(a_uid_or_gid_of_zero_is_a_condition_like_another) {
  delivery_grant grant = grant_of("bot");
  grant.has_gid = true;
  auto const policy = with(grant);
  BOOST_TEST(policy.may_read({stranger, {7, 0}, ""}, "bot"));
  BOOST_TEST(!policy.may_read({stranger, {7}, ""}, "bot"));
  BOOST_TEST(!policy.may_read({stranger, {}, ""}, "bot"));
}

BOOST_AUTO_TEST_CASE(a_unit_matches_whole_and_not_in_part) {
  delivery_grant grant = grant_of("bot");
  grant.unit = "bot.service";
  auto const policy = with(grant);
  for (char const* unit :
       {"", "bot", "bot.servic", "xbot.service", "bot.service2", "BOT.service"}) {
    BOOST_TEST(!policy.may_read({stranger, {}, unit}, "bot"));
  }
  BOOST_TEST(policy.may_read({stranger, {}, "bot.service"}, "bot"));
}

BOOST_AUTO_TEST_CASE(systemd_loads_for_a_unit_what_grants_of_the_unit_alone_name) {
  auto const granted = [](std::string_view project, std::string unit) {
    delivery_grant grant = grant_of(project);
    grant.unit = std::move(unit);
    return grant;
  };
  delivery_grant with_uid = granted("by-uid", "bot.service");
  with_uid.has_uid = true;
  delivery_grant with_gid = granted("by-gid", "bot.service");
  with_gid.has_gid = true;
  delivery_policy const policy(
      owner,
      {granted("one", "bot.service"), with_uid, with_gid, granted("two", "two.service"),
       granted("one", "bot.service"), granted("one", "two.service"), grant_of("none")},
      {});
  using ids = std::vector<project_id>;
  BOOST_TEST((policy.projects_of_unit("bot.service") == ids{test::project("one")}));
  BOOST_TEST(
      (policy.projects_of_unit("two.service") == ids{test::project("two"), test::project("one")}));
  for (char const* unit : {"", "bot", "bot.servic", "bot.service2", "BOT.service"}) {
    BOOST_TEST(policy.projects_of_unit(unit).empty(), unit);
  }
}

BOOST_AUTO_TEST_CASE(one_of_several_grants_is_enough_for_its_own_project) {
  delivery_grant first = grant_of("one");
  first.has_uid = true;
  first.uid = 70;
  delivery_grant second = grant_of("two");
  second.has_uid = true;
  second.uid = 71;
  delivery_policy const policy(owner, {first, second}, {});
  BOOST_TEST(policy.may_read({70, {}, ""}, "one"));
  BOOST_TEST(!policy.may_read({70, {}, ""}, "two"));
  BOOST_TEST(!policy.may_read({71, {}, ""}, "one"));
  BOOST_TEST(policy.may_read({71, {}, ""}, "two"));
  BOOST_TEST(!policy.may_read_any({72, {70, 71}, ""}));
}

BOOST_AUTO_TEST_CASE(names_that_change_how_programs_load_code_are_withheld_and_no_others) {
  delivery_policy const policy(owner, {}, {});
  for (std::string_view const name : withheld) {
    BOOST_TEST_CONTEXT(name) { BOOST_TEST(policy.withholds(name)); }
  }
  for (std::string_view const name : delivered) {
    BOOST_TEST_CONTEXT(name) { BOOST_TEST(!policy.withholds(name)); }
  }
}

BOOST_AUTO_TEST_CASE(a_name_that_the_settings_allow_is_delivered_and_only_that_one) {
  delivery_policy const policy(owner, {}, {"PATH", "LD_PRELOAD"});
  BOOST_TEST(!policy.withholds("PATH"));
  BOOST_TEST(!policy.withholds("LD_PRELOAD"));
  BOOST_TEST(policy.withholds("LD_PRELOADX"));
  BOOST_TEST(policy.withholds("LD_AUDIT"));
  BOOST_TEST(policy.withholds("IFS"));
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(api_key_directories)

BOOST_AUTO_TEST_CASE(a_key_is_found_by_its_whole_hash_only) {
  api_key_directory directory;
  auto const key = test::api_key(1, {});
  for (unsigned i = 0; i < key->hash.size(); ++i) key->hash[i] = static_cast<unsigned char>(i);
  BOOST_TEST((directory.find(key->hash) == nullptr));
  directory.keys.emplace(key->hash, key);
  BOOST_TEST((directory.find(key->hash) == key));
  for (std::size_t i = 0; i < key->hash.size(); ++i) {
    api_key_hash other = key->hash;
    other[i] ^= 0x80u;
    BOOST_TEST((directory.find(other) == nullptr));
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace tacit::core
