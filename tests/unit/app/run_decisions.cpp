// What `run` decides without asking anybody: names, signals, when to act, its options.
#include <boost/test/unit_test.hpp>
#include <csignal>

#include "app/cli/delivered.hpp"
#include "app/run/options.hpp"
#include "app/run/quiet_time.hpp"
#include "app/run/selection.hpp"
#include "app/run/signal_name.hpp"
#include "core/check.hpp"
#include "core/crypto.hpp"

namespace tacit::app {
namespace {

// Locked memory is libsodium's.
struct crypto_started {
  crypto_started() { core::init_crypto(); }
};

using std::chrono::milliseconds;

quiet_time::clock::time_point at(int ms) {
  return quiet_time::clock::time_point(std::chrono::hours(1)) + milliseconds(ms);
}

delivered set_of(std::string_view env) {
  std::string const body = R"({"data":{"project":"p","revision":1,"env":)" + std::string(env) +
                           R"(,"withheld":["IFS","PATH"]}})";
  core::secret_buffer bytes(body.size());
  CHECK(bytes.append(body));
  return read_delivered(std::move(bytes), "p").value();
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(decisions_of_run, crypto_started)

BOOST_AUTO_TEST_CASE(a_burst_is_acted_on_once_it_is_over) {
  quiet_time quiet(milliseconds(100));
  BOOST_CHECK(!quiet.due());
  quiet.note_change(at(0));
  BOOST_CHECK(quiet.due() == at(100));
  quiet.note_change(at(60));
  BOOST_CHECK(quiet.due() == at(160));
  quiet.forget();
  BOOST_CHECK(!quiet.due());
  quiet.note_change(at(500));
  BOOST_CHECK(quiet.due() == at(600));
}

BOOST_AUTO_TEST_CASE(a_burst_without_end_is_acted_on_all_the_same) {
  quiet_time quiet(milliseconds(100));
  for (int ms = 0; ms <= 5000; ms += 50) quiet.note_change(at(ms));
  BOOST_CHECK(quiet.due() == at(1000));
}

BOOST_AUTO_TEST_CASE(without_debounce_a_change_is_acted_on_at_once) {
  quiet_time quiet(milliseconds(0));
  quiet.note_change(at(7));
  BOOST_CHECK(quiet.due() == at(7));
}

BOOST_AUTO_TEST_CASE(lists_of_names) {
  BOOST_CHECK(parse_names("A") == std::vector<std::string>{"A"});
  BOOST_CHECK((parse_names("A,B_2") == std::vector<std::string>{"A", "B_2"}));
  for (std::string_view const bad :
       {"", ",", "A,", ",A", "A,,B", "a", "A B", "A, B", "A=1", "1A"}) {
    BOOST_TEST(!parse_names(bad).has_value(), bad);
  }
}

BOOST_AUTO_TEST_CASE(only_what_is_wanted_stays_and_what_is_required_and_not_there_is_named) {
  delivered set = set_of(R"({"A":"1","B":"2","C":""})");
  BOOST_TEST(narrow(set, {}).empty());
  BOOST_TEST(set.values.size() == 3u);
  selection wanted{std::vector<std::string>{"A", "C", "PATH", "Z"}, {"C", "Y", "B", "Y", "A"}};
  BOOST_CHECK((narrow(set, wanted) == std::vector<std::string>{"B", "Y"}));
  BOOST_TEST(set.values.size() == 2u);
  BOOST_TEST(set.values[0].first == "A");
  BOOST_TEST(set.values[1].first == "C");
  BOOST_CHECK((set.withheld == std::vector<std::string_view>{"PATH"}));
}

BOOST_AUTO_TEST_CASE(a_withheld_name_is_not_there) {
  delivered set = set_of(R"({"A":"1"})");
  BOOST_CHECK((narrow(set, {std::nullopt, {"PATH", "A"}}) == std::vector<std::string>{"PATH"}));
}

BOOST_AUTO_TEST_CASE(signals_by_name) {
  BOOST_CHECK(parse_signal("HUP") == SIGHUP);
  BOOST_CHECK(parse_signal("SIGHUP") == SIGHUP);
  BOOST_CHECK(parse_signal("USR2") == SIGUSR2);
  for (std::string_view const bad : {"", "SIG", "hup", "SIGSIGHUP", "1", "HUP ", "RTMIN"}) {
    BOOST_TEST(!parse_signal(bad).has_value(), bad);
  }
  for (int number = 1; number < SIGRTMIN; ++number) {
    if (number == 32 || number == 33) continue;  // the C library's own
    BOOST_CHECK(parse_signal(signal_name(number)) == number);
  }
}

BOOST_AUTO_TEST_CASE(which_signals_are_passed_on) {
  for (int const number : {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH, SIGCONT,
                           SIGTSTP, SIGALRM, SIGRTMIN, SIGRTMAX}) {
    BOOST_TEST(is_passed_on(number), number);
  }
  for (int const number : {SIGKILL, SIGSTOP, SIGCHLD, SIGSEGV, SIGPIPE, SIGTTIN}) {
    BOOST_TEST(!is_passed_on(number), number);
  }
}

BOOST_AUTO_TEST_CASE(options_that_are_refused) {
  for (std::string const good : {"none", "restart", "signal:HUP", "signal:SIGUSR1"}) {
    BOOST_TEST(change_fault(good).empty(), good);
  }
  for (std::string const bad : {"", "Restart", "signal", "signal:", "signal:KILL", "signal:STOP",
                                "signal:NOPE", "signal:hup", "restart "}) {
    BOOST_TEST(!change_fault(bad).empty(), bad);
  }
  BOOST_TEST(duration_fault("1h").empty());
  BOOST_TEST(!duration_fault("61m").empty());
  BOOST_TEST(!duration_fault("2").empty());
  BOOST_TEST(signal_fault("KILL").empty());
  BOOST_TEST(!signal_fault("9").empty());
  for (std::string const bad : {"s3cret", "a"}) {
    BOOST_TEST(names_fault(bad).find(bad + ",") == std::string::npos);
  }
}

BOOST_AUTO_TEST_CASE(options_mean_what_they_say) {
  run_arguments const plain = run_options{}.arguments({"cmd"});
  BOOST_CHECK(plain.action == change_action::none);
  BOOST_TEST(plain.debounce.count() == 2000);
  BOOST_TEST(plain.stop_signal == SIGTERM);
  BOOST_TEST(plain.stop_timeout.count() == 10'000);
  BOOST_TEST(!plain.only.has_value());
  BOOST_TEST(!plain.mask);
  BOOST_TEST(!plain.pristine);
  run_options given;
  given.on_change = "signal:USR1";
  given.debounce = "0";
  given.stop_signal = "SIGINT";
  given.stop_timeout = "3s";
  given.only = "A,B";
  given.required = "C";
  given.mask = given.pristine = true;
  run_arguments const how = given.arguments({"cmd", "-x"});
  BOOST_CHECK(how.action == change_action::signal);
  BOOST_TEST(how.change_signal == SIGUSR1);
  BOOST_TEST(how.debounce.count() == 0);
  BOOST_TEST(how.stop_signal == SIGINT);
  BOOST_TEST(how.stop_timeout.count() == 3000);
  BOOST_TEST(how.only->size() == 2u);
  BOOST_TEST(how.required.front() == "C");
  BOOST_TEST(how.mask);
  BOOST_TEST(how.pristine);
  BOOST_TEST(how.command.size() == 2u);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace tacit::app
