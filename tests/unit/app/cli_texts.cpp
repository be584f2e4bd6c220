// What the command line writes and checks without asking anybody: escaping, quoting, tables,
// values, addresses, usage.
#include <boost/test/unit_test.hpp>
#include <optional>
#include <string>

#include "app/cli/api.hpp"
#include "app/cli/command_line.hpp"
#include "app/cli/delivery.hpp"
#include "app/cli/delivery_source.hpp"
#include "app/cli/error.hpp"
#include "app/cli/json.hpp"
#include "app/cli/output.hpp"
#include "app/cli/value.hpp"
#include "core/crypto.hpp"
#include "tests/unit/app/cli_source_tree.hpp"

namespace tacit::app {
namespace {

std::string escaped(std::string_view text) {
  core::secret_buffer out(json_string_bytes(text));
  append_json_string(out, text);
  BOOST_TEST(out.size() == out.capacity());
  return std::string(out.reveal());
}

std::string delivery_body(std::string const& env) {
  return R"({"data":{"project":"p","revision":1,"env":)" + env + R"(,"withheld":["IFS"]}})";
}

std::optional<delivered> read_body(std::string const& text) {
  core::secret_buffer body(text.size());
  BOOST_TEST_REQUIRE(body.append(text));
  return read_delivered(std::move(body), "p");
}

std::string formatted(std::string const& env, env_format format) {
  delivered const set = read_body(delivery_body(env)).value();
  return std::string(format_env(format, set.values).reveal());
}

// The line of wrong usage, "" when the arguments are taken.
std::string usage_error(std::vector<std::string> arguments) {
  try {
    static_cast<void>(parse_command_line(std::move(arguments)));
  } catch (cli_error const& fault) {
    BOOST_TEST(fault.status() == exit_wrong_usage);
    return fault.what();
  }
  return "";
}

std::string address_error(environment const& variables) {
  surroundings around;
  around.root = true;
  around.variables = variables;
  try {
    static_cast<void>(find_api({}, around));
  } catch (cli_error const& fault) {
    return fault.what();
  }
  return "";
}

BOOST_AUTO_TEST_SUITE(cli_texts, *boost::unit_test::fixture(&core::init_crypto))

BOOST_AUTO_TEST_CASE(json_escapes_what_must_be_and_nothing_else) {
  BOOST_TEST(escaped("") == "\"\"");
  BOOST_TEST(escaped("a/b\x7f\xC3\xA9") == "\"a/b\x7f\xC3\xA9\"");
  BOOST_TEST(escaped("\"\\") == R"("\"\\")");
  BOOST_TEST(escaped(std::string_view("\0\n\x1f", 3)) == R"("\u0000\u000a\u001f")");
}

BOOST_AUTO_TEST_CASE(every_byte_that_json_escapes_comes_back) {
  std::string all;
  for (char c = 1; c > 0 && c < 127; ++c) all += c;
  all += "\x7f\xF0\x9F\x98\x80";
  auto const document = json_document::parse(escaped(all));
  BOOST_TEST((document && document->root().text() == all));
}

BOOST_AUTO_TEST_CASE(a_document_outgrows_its_first_memory) {
  std::string many = "{";
  for (int i = 0; i < 50'000; ++i) many += "\"k" + std::to_string(i) + "\":\"\",";
  many.back() = '}';
  auto const document = json_document::parse(many);
  BOOST_TEST((document && document->root().members().size() == 50'000));
}

BOOST_AUTO_TEST_CASE(shell_quoting_is_safe_for_every_value) {
  auto const shell = [](std::string const& env) { return formatted(env, env_format::shell); };
  BOOST_TEST(shell("{}") == "");
  BOOST_TEST(shell(R"({"A":""})") == "export A=''\n");
  BOOST_TEST(shell(R"({"A":"it's"})") == "export A='it'\\''s'\n");
  BOOST_TEST(shell(R"({"B":"$x `y`\\","A":"\n\n"})") == "export A='\n\n'\nexport B='$x `y`\\'\n");
}

BOOST_AUTO_TEST_CASE(env_as_json_and_as_null_separated) {
  BOOST_TEST(formatted("{}", env_format::json) == "{}\n");
  BOOST_TEST(formatted(R"({"B":"2\n","A":"\""})", env_format::json) ==
             "{\"A\":\"\\\"\",\"B\":\"2\\u000a\"}\n");
  BOOST_TEST(formatted("{}", env_format::null) == "");
  BOOST_TEST(formatted(R"({"B":"2\n","A":""})", env_format::null) == std::string("A=\0B=2\n\0", 8));
}

BOOST_AUTO_TEST_CASE(a_delivery_is_understood_whole_or_not_at_all) {
  BOOST_TEST(read_body(delivery_body(R"({"A":"x"})")).has_value());
  for (std::string const env : {"[]", "null", R"({"A":1})", R"({"a":"x"})", R"({"A=B":"x"})",
                                R"({"":"x"})", R"({"A":"x\u0000y"})", "{"}) {
    BOOST_TEST(!read_body(delivery_body(env)).has_value(), env);
  }
  BOOST_TEST(!read_body(R"({"data":{"project":"q","env":{}}})").has_value());
  BOOST_TEST(!read_body("").has_value());
}

BOOST_AUTO_TEST_CASE(the_childs_environment_has_each_name_once_and_no_token) {
  std::string path = "PATH=/bin", old = "A=old", like = "AB=1", token = "TACIT_TOKEN=t";
  char* own[] = {path.data(), old.data(), token.data(), like.data(), nullptr};
  delivered const values = read_body(delivery_body(R"({"A":"new","C":""})")).value();
  child_environment const made = make_child_environment(own, values);
  std::vector<std::string> entries;
  for (char* const entry : made.entries) {
    if (entry != nullptr) entries.emplace_back(entry);
  }
  BOOST_TEST(made.entries.back() == nullptr);
  std::vector<std::string> const expected{"PATH=/bin", "AB=1", "A=new", "C="};
  BOOST_TEST(entries == expected, boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(values_are_refused_as_the_server_refuses_them) {
  std::string emojis;
  for (int i = 0; i < 4096; ++i) emojis += "\xF0\x9F\x98\x80";
  BOOST_TEST(value_fault("x") == "");
  BOOST_TEST(value_fault(std::string(4096, 'x')) == "");
  BOOST_TEST(value_fault(emojis) == "");
  for (std::string const& bad :
       {std::string(), std::string(4097, 'x'), emojis + "x", std::string("a\0b", 3),
        std::string("\xFF"), std::string("\xED\xA0\x80"), std::string("\xC0\x80")}) {
    BOOST_TEST(value_fault(bad) != "");
  }
}

BOOST_AUTO_TEST_CASE(nothing_that_the_server_says_steers_the_terminal) {
  BOOST_TEST(shown("a\x1b[31m\n\x7f\xC2\x9B\xC3\xA9") == "a?[31m???\xC3\xA9");
  BOOST_TEST(shown_time("2026-04-18T09:12:44.000Z") == "2026-04-18 09:12");
  BOOST_TEST(shown_time("") == "-");
  BOOST_TEST(format_table({{"ID", "NAME"}, {"\xC3\xA9", "x"}}) == "ID  NAME\n\xC3\xA9   x\n");
}

BOOST_AUTO_TEST_CASE(an_argument_that_could_be_a_value_is_never_repeated) {
  using words = std::vector<std::string>;
  for (words const& line :
       {words{"secret", "set", "K", "hunter2", "--project", "p"},
        words{"secret", "set", "K", "--project", "p", "--value=hunter2"},
        words{"secret", "set", "K", "--project", "p", "--trim-newline=hunter2"},
        words{"secret", "list", "--project", "p", "hunter2"}, words{"env", "hunter2"},
        words{"env", "--project", "p", "--format", "hunter2"},
        words{"project", "create", "x", "--limit", "hunter2"},
        words{"project", "list", "--json=hunter2"}, words{"key", "create", "x", "--admin=hunter2"},
        words{"run", "--project", "p", "hunter2"}, words{"key", "list", "hunter2"}}) {
    std::string const said = usage_error(line);
    BOOST_TEST(said != "");
    BOOST_TEST(said.find("hunter2") == std::string::npos, said);
    BOOST_TEST(said.find("--help") != std::string::npos, said);
  }
}

BOOST_AUTO_TEST_CASE(usage_that_is_taken_and_usage_that_is_not) {
  using words = std::vector<std::string>;
  BOOST_TEST(usage_error({"run", "--project", "p", "--", "ls", "--project", "--", "x"}) == "");
  BOOST_TEST(usage_error({"project", "create", "list"}) == "");
  BOOST_TEST(usage_error({"key", "create", "x", "--project", "a", "--project", "b"}) == "");
  BOOST_TEST(usage_error({"secret", "set", "--help"}) == "");
  BOOST_TEST(usage_error({"prject"}) == "unknown command prject; see: tacit --help");
  BOOST_TEST(usage_error({"key"}) == "a command is missing; see: tacit key --help");
  for (words const& line :
       {words{}, words{"run", "--project", "p"}, words{"run", "--project", "p", "--"},
        words{"run", "--", "ls"}, words{"env", "--project", "p", "--format", "xml"},
        words{"key", "create", "x", "--admin", "--read-only"},
        words{"key", "create", "x", "--admin", "--project", "p"},
        words{"secret", "set", "K", "--project", "p", "--from-file", "f", "--from-env", "E"},
        words{"project", "create", "x", "--limit", "many"}, words{"serve", "--nope"}}) {
    BOOST_TEST(usage_error(line) != "");
  }
}

BOOST_AUTO_TEST_CASE(a_flag_says_what_it_takes) {
  std::string const see = "; see: tacit project create --help";
  for (std::string const bad : {"x", "-1", "1.5", "1e2", "0x10", "010", "1_0", "+1", " 1", "1 ",
                                "4294967296", "99999999999", "99999999999999999999999"}) {
    BOOST_TEST(usage_error({"project", "create", "x", "--limit=" + bad}) ==
                   "--limit takes a whole number from 1 to 100000" + see,
               bad);
  }
  for (std::string const good : {"0", "1", "100000", "100001", "4294967295"}) {  // the server's say
    BOOST_TEST(usage_error({"project", "create", "x", "--limit", good}) == "", good);
  }
  BOOST_TEST(usage_error({"env", "--project", "p", "--format", "xml"}) ==
             "--format takes one of json,null,shell,dotenv,docker,podman,systemd,raw; see: tacit "
             "env --help");
  for (std::string const good : {"json", "null", "shell"}) {
    BOOST_TEST(usage_error({"env", "--project", "p", "--format", good}) == "", good);
  }
  BOOST_TEST(usage_error({"project", "list", "--json=x"}) ==
             "--json takes no value; see: tacit project list --help");
}

BOOST_AUTO_TEST_CASE(help_takes_the_commands_that_there_are) {
  using words = std::vector<std::string>;
  for (words const& line :
       {words{"help"}, words{"help", "run"}, words{"help", "env"}, words{"help", "project"},
        words{"help", "project", "create"}, words{"help", "completion", "bash"},
        words{"help", "help"}, words{"help", "--help"}, words{"help", "secret", "set", "-h"}}) {
    BOOST_TEST(usage_error(line) == "", line.back());
  }
  BOOST_TEST(usage_error({"help", "nope"}) == "unknown command nope; see: tacit --help");
  BOOST_TEST(usage_error({"help", "project", "nope"}) ==
             "unknown command nope; see: tacit project --help");
  BOOST_TEST(usage_error({"help", "run", "ls"}) == "unknown command ls; see: tacit run --help");
  BOOST_TEST(usage_error({"help", "HUNTER2"}) == "unknown command; see: tacit --help");
}

BOOST_AUTO_TEST_CASE(a_value_of_the_limit_is_taken_and_one_beyond_is_not) {
  std::string emojis;
  for (int i = 0; i < 4096; ++i) emojis += "\xF0\x9F\x98\x80";
  auto const fault_of = [](std::string const& value, bool trims) -> std::string {
    surroundings around;
    around.variables["V"] = value;
    try {
      auto const read = read_value({{}, "V", trims}, "K", around);
      BOOST_TEST((read.reveal() == (trims ? value.substr(0, value.size() - 1) : value)));
    } catch (cli_error const& fault) {
      BOOST_TEST(fault.status() == exit_failed);
      return fault.what();
    }
    return "";
  };
  std::string const too_long =
      "the value is longer than 4096 characters, the most that a secret holds";
  for (std::string const& most : {std::string(4096, 'x'), emojis}) {
    BOOST_TEST(fault_of(most, false) == "");
    BOOST_TEST(fault_of(most + "\n", true) == "");
    BOOST_TEST(fault_of(most + "\n", false) == too_long);
    BOOST_TEST(fault_of(most + "x", false) == too_long);
    BOOST_TEST(fault_of(most + "x\n", true) == too_long);
    BOOST_TEST(fault_of(most + most, false) == too_long);
  }
}

BOOST_AUTO_TEST_CASE(where_the_api_is) {
  surroundings around;
  around.root = true;
  BOOST_TEST(find_api({}, around).shown == "/var/lib/tacit/store/api.sock");
  around.variables = {{"TACIT_URL", "http://[::1]:8787/x/"}, {"TACIT_TOKEN", "t"}};
  api_address const remote = find_api({}, around);
  BOOST_TEST(std::get<net::tcp_endpoint>(remote.endpoint).host == "::1");
  BOOST_TEST(std::get<net::tcp_endpoint>(remote.endpoint).port == "8787");
  BOOST_TEST(remote.prefix == "/x/api/v1");
  around.variables["TACIT_URL"] = "http://host/api/v1";
  BOOST_TEST(find_api({}, around).prefix == "/api/v1");
  BOOST_TEST(std::get<net::tcp_endpoint>(find_api({}, around).endpoint).port == "80");
  BOOST_TEST(!std::get<net::tcp_endpoint>(find_api({}, around).endpoint).tls.has_value());
  around.variables["TACIT_URL"] = "https://host";
  around.variables["TACIT_CA_FILE"] = "/ca";
  net::tcp_endpoint const secure = std::get<net::tcp_endpoint>(find_api({}, around).endpoint);
  BOOST_TEST(secure.port == "443");
  BOOST_REQUIRE(secure.tls.has_value());
  BOOST_TEST(secure.tls->ca_file == "/ca");
  BOOST_TEST(secure.tls->certificate_file == "");
  BOOST_TEST(find_api({"/d", false}, around).shown == "/d/store/api.sock");
}

BOOST_AUTO_TEST_CASE(addresses_and_tokens_that_are_refused) {
  BOOST_TEST(address_error({{"TACIT_URL", "http://h"}}).starts_with("TACIT_URL is set, but"));
  BOOST_TEST(address_error({{"TACIT_TOKEN", "t"}}).starts_with("TACIT_TOKEN is set, but"));
  for (std::string const url : {"https://", "h:1", "ftp://h", "http://", "http://:1", "http://h:",
                                "http://h:x", "http://u@h", "http://h/?q", "http://h\r\nX: y"}) {
    std::string const said = address_error({{"TACIT_URL", url}, {"TACIT_TOKEN", "t"}});
    BOOST_TEST(said.starts_with("TACIT_URL "), url);
  }
  std::string const said = address_error({{"TACIT_URL", "http://h"}, {"TACIT_TOKEN", "a\r\nb"}});
  BOOST_TEST(said.starts_with("TACIT_TOKEN holds"));
}

BOOST_AUTO_TEST_CASE(path_parts_are_encoded) {
  BOOST_TEST(encode_path_part("aZ0-._~") == "aZ0-._~");
  BOOST_TEST(encode_path_part("a/../b? \xC3\xA9") == "a%2F..%2Fb%3F%20%C3%A9");
}

BOOST_AUTO_TEST_CASE(the_keeper_is_looked_for_in_order) {
  surroundings around;
  around.root = true;
  using list = std::vector<std::string>;
  list const usual{"/var/lib/tacit/run/keeper.sock", "/run/tacit/keeper.sock"};
  BOOST_TEST(keeper_sockets({}, around) == usual, boost::test_tools::per_element());
  around.variables["TACIT_RUN_DIR"] = "/r";
  BOOST_TEST(keeper_sockets({}, around) == list{"/r/keeper.sock"},
             boost::test_tools::per_element());
  BOOST_TEST(keeper_sockets({"p", "/d", "/flag"}, around) == list{"/flag/keeper.sock"},
             boost::test_tools::per_element());
}

// Whoever names a server gets the values of no other: those of a project of the same id would be
// taken for the right ones.
BOOST_AUTO_TEST_CASE(the_keeper_of_a_server_that_is_named_is_the_only_one_asked) {
  using list = std::vector<std::string>;
  auto const found = [](delivery_arguments const& from, environment const& variables) {
    surroundings around;
    around.root = true;
    around.variables = variables;
    return keeper_sockets(from, around);
  };
  list const named{"/d/run/keeper.sock"};
  BOOST_TEST(found({"p", "/d", {}}, {}) == named, boost::test_tools::per_element());
  BOOST_TEST(found({"p", {}, {}}, {{"TACIT_DATA_DIR", "/d"}}) == named,
             boost::test_tools::per_element());
  BOOST_TEST(found({"p", "/d", {}}, {{"TACIT_DATA_DIR", "/e"}}) == named,
             boost::test_tools::per_element());
  BOOST_TEST(found({"p", {}, {}}, {{"TACIT_DATA_DIR", ""}, {"TACIT_RUN_DIR", ""}}).size() == 2u);
  BOOST_TEST(found({"p", {}, {}}, {{"STATE_DIRECTORY", "/s"}}).size() == 2u);
}

BOOST_AUTO_TEST_CASE(a_keeper_that_is_not_there_is_unavailable_and_named) {
  surroundings around;
  std::string said;
  try {
    delivery_arguments from{"p", "/nonexistent", {}};
    from.wait = std::chrono::milliseconds(0);
    static_cast<void>(fetch_values(*open_cached_source(from, around), from.wait));
  } catch (cli_error const& fault) {
    BOOST_TEST(fault.status() == exit_failed);
    said = fault.what();
  }
  BOOST_TEST(said.starts_with("unavailable: cannot reach the keeper "
                              "(/nonexistent/run/keeper.sock: No such file or directory)"),
             said);
  BOOST_TEST(said.find("/run/tacit") == std::string::npos, said);
  BOOST_TEST(said.find("--data DIR or TACIT_DATA_DIR (a data_dir set in a settings file must be "
                       "given so too)") != std::string::npos,
             said);
}

BOOST_AUTO_TEST_CASE(the_completion_file_is_what_the_command_prints) {
  BOOST_TEST(bash_completion() == read_source_file("conf/tacit.bash"));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace tacit::app
