// The formats of `tacit env`: what each writes and what each refuses. That others read it back is
// tests/e2e/test_formats.py's.
#include "app/cli/env_format.hpp"

#include <boost/test/unit_test.hpp>
#include <string>
#include <vector>

#include "core/crypto.hpp"

namespace tacit::app {
namespace {

std::string written(env_format format, std::string const& value) {
  std::vector<env_entry> const entries{{"A", value}};
  return std::string(format_env(format, entries).reveal());
}

bool refused(env_format format, std::string_view value) {
  return !env_format_fault(format, value).empty();
}

BOOST_AUTO_TEST_SUITE(env_formats, *boost::unit_test::fixture(&core::init_crypto))

BOOST_AUTO_TEST_CASE(every_name_finds_its_format) {
  BOOST_TEST(env_format_names() == "json,null,shell,dotenv,docker,podman,systemd,raw");
  BOOST_TEST((find_env_format("systemd") == env_format::systemd));
  for (std::string_view const name : {"", "JSON", "jso", "json,null"}) {
    BOOST_TEST(!find_env_format(name).has_value(), name);
  }
}

BOOST_AUTO_TEST_CASE(dotenv_takes_the_first_form_that_fits) {
  struct row {
    std::string value, text;
  };
  for (row const& one :
       {row{"", "''"}, row{"plain", "'plain'"}, row{" # $x \"y\" ", "' # $x \"y\" '"},
        row{"a\\b\\n", "'a\\b\\n'"}, row{"it's", "\"it's\""}, row{"a\nb\n", "\"a\\nb\\n\""},
        row{"a\r\nb", "\"a\\r\\nb\""}, row{"'\n", "\"'\\n\""},
        row{"{\n\"a\": \"$1\\n\"}", "'{\n\"a\": \"$1\\n\"}'"},
        row{"{\"a\":\"it's\"}", "{\"a\":\"it's\"}"}}) {
    BOOST_TEST(written(env_format::dotenv, one.value) == "A=" + one.text + "\n");
  }
}

BOOST_AUTO_TEST_CASE(dotenv_refuses_what_readers_do_not_agree_on) {
  for (std::string const value :
       {"${X}", "a${", "\\", "a\\\\b", "it's $5", "it's\\", "'\"'", "'\"\n", "x'\"#", "x'\" ",
        "\r\"", "\r\\x", "\r$", "x'\"\xC3\xA9"}) {
    BOOST_TEST(refused(env_format::dotenv, value), value);
  }
}

BOOST_AUTO_TEST_CASE(a_line_of_an_env_file_is_verbatim_or_refused) {
  for (env_format const format : {env_format::docker, env_format::podman}) {
    for (std::string const value : {"", " x ", "#", "'a\"", "$x\\", "a\rb", "=", "\t", "\x01"}) {
      BOOST_TEST(written(format, value) == "A=" + value + "\n");
    }
    for (std::string const value : {"\n", "a\nb", "a\n", "a\r", "\r"}) {
      BOOST_TEST(refused(format, value), value);
    }
  }
}

BOOST_AUTO_TEST_CASE(systemd_refuses_what_ends_its_reading) {
  BOOST_TEST(written(env_format::systemd, "a\n$\"") == "A=\"a\n\\$\\\"\"\n");
  BOOST_TEST(refused(env_format::systemd, "a\xEF\xBF\xBE"));  // U+FFFE
}

BOOST_AUTO_TEST_CASE(json_null_and_shell_hold_everything) {
  std::string all;
  for (int byte = 1; byte < 128; ++byte) all += static_cast<char>(byte);
  all += "\xEF\xBF\xBE\xF0\x9F\x98\x80";
  for (env_format const format : {env_format::json, env_format::null, env_format::shell}) {
    BOOST_TEST(!refused(format, all));
    BOOST_TEST(written(format, all).size() > all.size());
  }
  BOOST_TEST(written(env_format::raw, all) == all);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace tacit::app
