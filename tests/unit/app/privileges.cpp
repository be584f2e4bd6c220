// Who a process is and what it may do by that: accounts, capabilities, dumps.
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <cerrno>
#include <fstream>
#include <string>

#include "app/sandbox/sandbox.hpp"
#include "tests/unit/app/confined_child.hpp"

namespace tacit::app {
namespace {

// The value of a line of /proc/self/status.
std::string own_status(std::string const& name) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(name + ":\t")) return line.substr(name.size() + 2);
  }
  return "absent";
}

constexpr char const* no_capabilities = "0000000000000000";

boost::test_tools::assertion_result as_root(boost::unit_test::test_unit_id) {
  boost::test_tools::assertion_result root(geteuid() == 0);
  root.message() << "it needs root";
  return root;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(privileges)

BOOST_AUTO_TEST_CASE(no_capability_is_left_after_they_are_dropped) {
  BOOST_TEST(in_child([] {
               bool const was_root = geteuid() == 0;
               drop_capabilities();
               for (char const* set : {"CapInh", "CapPrm", "CapEff", "CapAmb"}) {
                 if (own_status(set) != no_capabilities) return 1;
               }
               if (own_status("NoNewPrivs") != "1") return 2;
               return was_root && own_status("CapBnd") != no_capabilities ? 3 : 0;
             }) == 0);
}

BOOST_AUTO_TEST_CASE(root_without_capabilities_gets_none_from_an_exec,
                     *boost::unit_test::precondition(as_root)) {
  // grep's answer: 0 when CapEff has a digit that is not zero.
  auto const exec_and_look = [] {
    execl("/bin/grep", "grep", "-Eq", "^CapEff:.*[1-9a-f]", "/proc/self/status", nullptr);
    return errno;
  };
  BOOST_TEST(in_child(exec_and_look) == 0);
  BOOST_TEST(in_child([&] {
               drop_capabilities();
               return exec_and_look();
             }) == 1);
}

BOOST_AUTO_TEST_CASE(a_process_that_became_a_user_cannot_go_back,
                     *boost::unit_test::precondition(as_root)) {
  BOOST_TEST(in_child([] {
               account const nobody = find_account("nobody");
               become(nobody);
               if (getuid() != nobody.uid || geteuid() != nobody.uid) return 1;
               if (getgid() != nobody.gid || getegid() != nobody.gid) return 2;
               if (getgroups(0, nullptr) != 0) return 3;
               if (setuid(0) == 0 || setgid(0) == 0 || setreuid(0, 0) == 0) return 4;
               if (prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 0) return 5;
               for (char const* set : {"CapInh", "CapPrm", "CapEff", "CapAmb", "CapBnd"}) {
                 if (own_status(set) != no_capabilities) return 6;
               }
               return 0;
             }) == 0);
}

BOOST_AUTO_TEST_CASE(only_root_can_become_another_user) {
  BOOST_TEST(in_child([] {
               account const nobody = find_account("nobody");
               if (geteuid() == 0) become(nobody);
               try {
                 become(account{0, 0});
               } catch (startup_error const&) {
                 return 0;
               }
               return 1;
             }) == 0);
}

BOOST_AUTO_TEST_CASE(an_account_is_found_by_its_name_or_refused) {
  BOOST_TEST(find_account("root").uid == 0u);
  BOOST_CHECK_THROW(static_cast<void>(find_account("tacit-has-no-such-user")), startup_error);
}

BOOST_AUTO_TEST_CASE(a_process_is_not_dumpable_and_leaves_no_core_once_it_asked_for_that) {
  BOOST_TEST(in_child([] {
               make_undumpable();
               rlimit core{};
               getrlimit(RLIMIT_CORE, &core);
               if (core.rlim_cur != 0 || core.rlim_max != 0) return 1;
               return prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0 ? 0 : 2;
             }) == 0);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace tacit::app
