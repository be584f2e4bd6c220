// Where a setting comes from, which one wins, what is refused and how the refusal names it; and
// that conf/tacit.toml states what the code does.
#include "app/settings/settings.hpp"

#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <cstdio>
#include <fstream>
#include <map>
#include <optional>
#include <sstream>
#include <string>

#include "app/settings/table.hpp"
#include "tests/unit/app/cli_source_tree.hpp"

namespace tacit::app {
namespace {

std::optional<std::uint32_t> known_name(std::string const& name) {
  if (name == "tacit") return 990;
  if (name == "www-data") return 33;
  return std::nullopt;
}

surroundings some_machine() {
  surroundings around;
  around.root = true;
  around.cores = 2;
  around.memory_megabytes = 4096;
  around.home = "/home/kim";
  around.system_config = "";
  around.find_user = known_name;
  around.find_group = known_name;
  return around;
}

settings load_text(std::string const& toml) {
  settings loaded;
  apply_settings_text(toml, "F", some_machine(), loaded);
  return loaded;
}

settings load_variables(environment const& variables) {
  surroundings around = some_machine();
  around.variables = variables;
  return load_settings({}, around);
}

// The refusal's line, "" when there was none.
template <typename Load>
std::string refusal(Load const& load) {
  try {
    static_cast<void>(load());
  } catch (startup_error const& fault) {
    return fault.what();
  }
  return "";
}

std::string file_refusal(std::string const& toml) {
  return refusal([&] { return load_text(toml); });
}

std::string variable_refusal(environment const& variables) {
  return refusal([&] { return load_variables(variables); });
}

struct settings_file_on_disk {
  std::string path = "/tmp/tacit_settings_test." + std::to_string(getpid()) + ".toml";
  explicit settings_file_on_disk(std::string const& text) { std::ofstream(path) << text; }
  ~settings_file_on_disk() { std::remove(path.c_str()); }
};

bool mentions(std::string const& line, std::string const& part) {
  return line.find(part) != std::string::npos;
}

BOOST_AUTO_TEST_SUITE(settings_from_everywhere)

BOOST_AUTO_TEST_CASE(flag_beats_environment_beats_file_beats_default) {
  settings_file_on_disk const file("data_dir = \"/f\"\nlisten = \"127.1.1.1:1\"\nthreads = 3\n");
  surroundings around = some_machine();
  setting_flags flags;
  BOOST_TEST(load_settings(flags, around).data_dir == "/var/lib/tacit");
  flags.config_file = file.path;
  BOOST_TEST(load_settings(flags, around).data_dir == "/f");
  around.variables["TACIT_DATA_DIR"] = "/e";
  BOOST_TEST(load_settings(flags, around).data_dir == "/e");
  BOOST_TEST(load_settings(flags, around).threads == 3u);
  flags.data_dir = "/flag";
  BOOST_TEST(load_settings(flags, around).data_dir == "/flag");
  BOOST_TEST(load_settings(flags, around).listen.front() == "127.1.1.1:1");
}

BOOST_AUTO_TEST_CASE(the_file_is_the_flags_else_the_environments_else_the_systems) {
  settings_file_on_disk const file("threads = 7\n");
  surroundings around = some_machine();
  around.system_config = file.path;
  BOOST_TEST(load_settings({}, around).threads == 7u);
  around.system_config = "/nonexistent/tacit.toml";
  BOOST_TEST(load_settings({}, around).threads == 2u);
  BOOST_TEST(load_settings({}, around).unread_file == "");
  // What root cannot read either.
  std::string const loop = file.path + ".loop";
  BOOST_REQUIRE(::symlink(loop.c_str(), loop.c_str()) == 0);
  around.system_config = loop;
  BOOST_TEST(load_settings({}, around).threads == 2u);
  BOOST_TEST(load_settings({}, around).unread_file == loop);
  ::unlink(loop.c_str());
  around.variables["TACIT_CONFIG"] = file.path;
  BOOST_TEST(load_settings({}, around).threads == 7u);
  setting_flags flags;
  flags.config_file = "/nonexistent/tacit.toml";
  BOOST_TEST(mentions(refusal([&] { return load_settings(flags, around); }),
                      "cannot read the settings file /nonexistent/tacit.toml"));
  flags.config_file = "/tmp";
  BOOST_TEST(mentions(refusal([&] { return load_settings(flags, around); }),
                      "cannot read the settings file /tmp: Is a directory"));
}

BOOST_AUTO_TEST_CASE(default_folders_follow_the_contract) {
  surroundings around = some_machine();
  BOOST_TEST(load_settings({}, around).key_file == "/var/lib/tacit/root.key");
  BOOST_TEST(load_settings({}, around).run_dir == "/var/lib/tacit/run");
  around.root = false;
  BOOST_TEST(load_settings({}, around).data_dir == "/home/kim/.local/share/tacit");
  BOOST_TEST(load_settings({}, around).api_user == "");
  around.variables["XDG_DATA_HOME"] = "/xdg";
  BOOST_TEST(load_settings({}, around).data_dir == "/xdg/tacit");
  around.variables["STATE_DIRECTORY"] = "/var/lib/one:/var/lib/two";
  around.variables["RUNTIME_DIRECTORY"] = "/run/one:/run/two";
  BOOST_TEST(load_settings({}, around).data_dir == "/var/lib/one");
  BOOST_TEST(load_settings({}, around).run_dir == "/run/one");
  BOOST_TEST(load_settings({}, around).key_file == "/var/lib/one/root.key");
}

BOOST_AUTO_TEST_CASE(no_home_is_a_line_that_says_what_to_do) {
  surroundings around = some_machine();
  around.root = false;
  around.home = "";
  BOOST_TEST(mentions(refusal([&] { return load_settings({}, around); }), "--data DIR"));
}

BOOST_AUTO_TEST_CASE(api_user_is_tacit_else_nobody_and_must_exist) {
  surroundings around = some_machine();
  BOOST_TEST(load_settings({}, around).api_user == "tacit");
  around.find_user = [](std::string const&) { return std::optional<std::uint32_t>(); };
  BOOST_TEST(load_settings({}, around).api_user == "nobody");
  around.variables["TACIT_API_USER"] = "kim";
  BOOST_TEST(refusal([&] { return load_settings({}, around); }) ==
             "api_user: this machine has no user kim");
}

BOOST_AUTO_TEST_CASE(clients_find_the_folder_as_the_server_does) {
  surroundings around = some_machine();
  BOOST_TEST(find_data_dir(std::nullopt, around) == "/var/lib/tacit");
  around.variables["TACIT_DATA_DIR"] = "/e";
  BOOST_TEST(find_data_dir(std::nullopt, around) == "/e");
  BOOST_TEST(find_data_dir("/flag", around) == "/flag");
}

BOOST_AUTO_TEST_CASE(an_unknown_setting_is_refused_with_its_name_and_line) {
  BOOST_TEST(file_refusal("threads = 1\n\nthread = 2\n") == "F, line 3: unknown setting thread");
  BOOST_TEST(file_refusal("[limits]\nreads = 1") == "F, line 2: unknown setting limits.reads");
  BOOST_TEST(file_refusal("[limit]\nx = 1") == "F, line 1: unknown setting limit");
  BOOST_TEST(file_refusal("limits.x.y = 1") == "F, line 1: unknown setting limits.x");
  BOOST_TEST(file_refusal("delivery.allows = 1") == "F, line 1: unknown setting delivery.allows");
  BOOST_TEST(variable_refusal({{"TACIT_THREAD", "1"}}) ==
             "unknown setting in the environment: TACIT_THREAD: correct its name, or unset it");
  BOOST_TEST(mentions(variable_refusal({{"TACIT_DELIVERY_ALLOW", "x"}}), "file only"));
}

BOOST_AUTO_TEST_CASE(the_clients_variables_and_other_programs_are_left_alone) {
  environment const variables{{"TACIT_URL", "u"}, {"TACIT_TOKEN", "t"}, {"TACIT", "x"},
                              {"TACITURN", "x"},  {"PATH", "/bin"},     {"TACIT_CONFIG", ""}};
  BOOST_TEST(variable_refusal(variables) == "");
}

BOOST_AUTO_TEST_CASE(broken_toml_is_refused_with_its_line) {
  BOOST_TEST(file_refusal("threads = 1\nthreads = 2\n").starts_with("F, line 2: "));
  BOOST_TEST(file_refusal("\n\nlisten = [\"1.1.1.1:1\"").starts_with("F, line 3: "));
  for (std::string const name : {"!", "\x1b", "\x7f", ".", "=", "\xc3\xa9", " ", ""}) {
    BOOST_TEST(file_refusal("[" + name + "]\n").starts_with("F, line 1: "), name);
  }
}

// Both ways in, for every number: below, least, most, above, and what is no number.
BOOST_AUTO_TEST_CASE(every_number_holds_its_range_in_file_and_environment) {
  for (setting_row const& row : setting_rows()) {
    auto const* const member = std::get_if<std::uint32_t settings::*>(&row.target);
    if (member == nullptr) continue;
    std::string const name(row.name);
    std::string const variable = environment_name(name);
    for (std::uint32_t const edge : {row.least, row.most}) {
      settings const from_file = load_text(name + " = " + std::to_string(edge));
      settings const from_variable = load_variables({{variable, std::to_string(edge)}});
      BOOST_TEST((from_file.**member == edge));
      BOOST_TEST((from_variable.**member == edge));
    }
    std::string const range = name + " must be a whole number from " + std::to_string(row.least) +
                              " to " + std::to_string(row.most);
    for (std::int64_t const out : {std::int64_t{row.least} - 1, std::int64_t{row.most} + 1}) {
      BOOST_TEST(file_refusal("\n" + name + " = " + std::to_string(out)) == "F, line 2: " + range);
      BOOST_TEST(variable_refusal({{variable, std::to_string(out)}}) == variable + ": " + range);
    }
    for (std::string const text : {"", "x", "1x", " 1", "1.5", "99999999999999999999"}) {
      BOOST_TEST(variable_refusal({{variable, text}}) == variable + ": " + range);
    }
    BOOST_TEST(file_refusal(name + " = \"1\"") == "F, line 1: " + range);
  }
}

BOOST_AUTO_TEST_CASE(ranges_that_the_contract_states) {
  BOOST_TEST(file_refusal("limits.last_four_min_length = 4") != "");
  BOOST_TEST(file_refusal("limits.last_four_min_length = 5") == "");
  BOOST_TEST(file_refusal("limits.reads_per_minute = 0") == "");
  BOOST_TEST(file_refusal("limits.writes_per_minute = 0") == "");
}

BOOST_AUTO_TEST_CASE(addresses_to_listen_on) {
  for (std::string const good : {"127.0.0.1:8787", "0.0.0.0:0", "[::1]:65535", "[::]:1"}) {
    BOOST_TEST(listen_fault(good) == "", good);
  }
  for (std::string const bad :
       {"", ":1", "1", "localhost:1", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "::1:1",
        "[::1]", "[]:1", "127.0.0.1:-1", "127.0.0.1: 1", "256.0.0.1:1", "127.0.0.1:1x"}) {
    BOOST_TEST(listen_fault(bad) != "", bad);
  }
  BOOST_TEST(load_text("listen = [\"127.0.0.1:1\", \"[::1]:2\"]").listen.size() == 2u);
  BOOST_TEST(load_variables({{"TACIT_LISTEN", "127.0.0.1:1, [::1]:2"}}).listen.back() == "[::1]:2");
  BOOST_TEST(mentions(variable_refusal({{"TACIT_LISTEN", ""}}), "listen names no address"));
  BOOST_TEST(mentions(variable_refusal({{"TACIT_LISTEN", "127.0.0.1:1,"}}), "ADDRESS:PORT"));
  BOOST_TEST(mentions(file_refusal("listen = []"), "listen names no address"));
  BOOST_TEST(mentions(file_refusal("listen = [1]"), "F, line 1: listen"));
}

BOOST_AUTO_TEST_CASE(plain_http_beyond_loopback_is_refused_unless_it_is_asked_for) {
  for (std::string const near : {"127.0.0.1:0", "127.255.255.254:1", "[::1]:1"}) {
    BOOST_TEST(is_loopback(near), near);
    BOOST_TEST(variable_refusal({{"TACIT_LISTEN", near}}) == "", near);
  }
  for (std::string const far : {"0.0.0.0:1", "[::]:1", "128.0.0.1:1", "126.255.255.255:1",
                                "10.0.0.1:127", "[::2]:1", "[::ffff:127.0.0.1]:1", "[100::1]:1"}) {
    BOOST_TEST(!is_loopback(far), far);
    for (std::string const& listen : {far, "127.0.0.1:1," + far, far + ",[::1]:1"}) {
      std::string const said = variable_refusal({{"TACIT_LISTEN", listen}});
      BOOST_TEST(said.starts_with("listen = \"" + far + "\": "), said);
      BOOST_TEST(mentions(said, "plain_http = \"anywhere\""), said);
      BOOST_TEST(variable_refusal({{"TACIT_LISTEN", listen}, {"TACIT_PLAIN_HTTP", "loopback"}}) ==
                 said);
      BOOST_TEST(variable_refusal({{"TACIT_LISTEN", listen}, {"TACIT_PLAIN_HTTP", "anywhere"}}) ==
                 "");
    }
  }
}

BOOST_AUTO_TEST_CASE(tls_is_set_whole_or_not_at_all) {
  environment const whole{{"TACIT_TLS_CERTIFICATE", "/t/c"}, {"TACIT_TLS_KEY", "/t/k"}};
  BOOST_TEST(variable_refusal(whole) == "");
  environment with_far = whole;
  with_far["TACIT_LISTEN"] = "0.0.0.0:1";
  BOOST_TEST(variable_refusal(with_far) == "");
  BOOST_TEST(variable_refusal({{"TACIT_TLS_CERTIFICATE", "/t/c"}}) ==
             "tls.certificate is set, but tls.key is not: set both, or neither");
  BOOST_TEST(variable_refusal({{"TACIT_TLS_KEY", "/t/k"}}) ==
             "tls.key is set, but tls.certificate is not: set both, or neither");
  BOOST_TEST(mentions(variable_refusal({{"TACIT_TLS_CLIENT_CA", "/t/a"}}), "tls.client_ca is set"));
  BOOST_TEST(variable_refusal({{"TACIT_TLS_CERTIFICATE", ""}, {"TACIT_TLS_KEY", ""}}) == "");
  settings const loaded = load_text("[tls]\ncertificate = \"/t/../c\"\nkey = \"k\"");
  BOOST_TEST(loaded.tls_certificate == "/c");
  BOOST_TEST(loaded.tls_key.starts_with('/'));
  BOOST_TEST(loaded.tls_client_ca == "");
}

BOOST_AUTO_TEST_CASE(choices_take_their_words_only) {
  BOOST_TEST((load_text("sandbox = \"off\"").sandbox == sandbox_mode::off));
  BOOST_TEST((load_text("log.level = \"debug\"").level == log_level::debug));
  BOOST_TEST((load_variables({{"TACIT_LOG_LEVEL", "error"}}).level == log_level::error));
  BOOST_TEST((load_text("plain_http = \"anywhere\"").plain_http == plain_http_scope::anywhere));
  BOOST_TEST(file_refusal("plain_http = true") ==
             "F, line 1: plain_http has a type that no setting has");
  BOOST_TEST(file_refusal("plain_http = \"on\"") ==
             "F, line 1: plain_http must be \"loopback\" or \"anywhere\"");
  BOOST_TEST(file_refusal("sandbox = false") != "");
  BOOST_TEST(file_refusal("sandbox = \"no\"") == "F, line 1: sandbox must be \"on\" or \"off\"");
  BOOST_TEST(variable_refusal({{"TACIT_LOG_LEVEL", "INFO"}}).starts_with("TACIT_LOG_LEVEL: "));
  BOOST_TEST(variable_refusal({{"TACIT_DATA_DIR", ""}}) ==
             "TACIT_DATA_DIR: data_dir is empty; give a path");
}

BOOST_AUTO_TEST_CASE(delivery_allowances_are_read_whole) {
  settings const loaded = load_text(
      "[delivery]\ndeliver_names = [\"NODE_OPTIONS\"]\n"
      "[[delivery.allow]]\nproject = \"shop\"\nuid = \"www-data\"\ngid = 7\n"
      "[[delivery.allow]]\nproject = \"shop2\"\nunit = \"a@b.service\"\n");
  BOOST_TEST(loaded.deliver_names.front() == "NODE_OPTIONS");
  BOOST_REQUIRE(loaded.allow.size() == 2u);
  BOOST_TEST(loaded.allow[0].project == "shop");
  BOOST_TEST((loaded.allow[0].uid == 33u));
  BOOST_TEST((loaded.allow[0].gid == 7u));
  BOOST_TEST(loaded.allow[1].unit == "a@b.service");
}

BOOST_AUTO_TEST_CASE(a_wrong_delivery_allowance_is_refused_with_its_line) {
  std::string const head = "[[delivery.allow]]\n";
  BOOST_TEST(file_refusal(head + "uid = 1").starts_with("F, line 1: delivery.allow needs proj"));
  BOOST_TEST(file_refusal(head + "project = \"p\"") ==
             "F, line 1: delivery.allow needs one of uid, gid and unit");
  std::string const project = head + "project = \"p\"\n";
  for (std::string const bad :
       {"uid = -1", "uid = 4294967295", "uid = \"nope\"", "gid = 1.5", "unit = \"\"",
        "unit = \"a\"", "unit = \"a b.service\"", "user = 1", "project2 = \"x\""}) {
    BOOST_TEST(file_refusal(project + bad).starts_with("F, line 3: "), bad);
  }
  BOOST_TEST(file_refusal(head + "project = \"*\"\nuid = 1").starts_with("F, line 2: "));
  BOOST_TEST(file_refusal("delivery.allow = 1").starts_with("F, line 1: "));
}

BOOST_AUTO_TEST_CASE(a_unit_is_one_that_processes_run_in) {
  std::string const name(247, 'a');
  for (std::string const& good :
       {std::string("a.service"), std::string("user@1000.service"), std::string("session-1.scope"),
        std::string("a@b@.service"), std::string("a\\x2db.service"), name + ".service",
        name + "aa.scope"}) {
    BOOST_TEST(unit_fault(good) == "", good);
  }
  std::string const kind = "must end in .service or .scope, as app.service: processes run in no";
  for (std::string const bad : {"", "a", ".service", ".scope", "a.slice", "a.socket", "a.timer",
                                "a.mount", "a.service.slice", "a.SERVICE", "a.service."}) {
    BOOST_TEST(unit_fault(bad).starts_with(kind), bad);
  }
  for (std::string const bad : {"a@.service", "a@.scope", "a-b@.service"}) {
    BOOST_TEST(unit_fault(bad).starts_with("is a template"), bad);
  }
  for (std::string const bad : {"/", "a/b.service", "/a.service", "a b.service", "a\n.service",
                                "*.service", "\xC3\xA9.service"}) {
    BOOST_TEST(unit_fault(bad).starts_with("must be a systemd unit, whose name has letters"), bad);
  }
  BOOST_TEST(unit_fault(name + "a.service") ==
             "must be a systemd unit, whose name has 255 characters at most");
  BOOST_TEST(file_refusal("[[delivery.allow]]\nproject = \"p\"\nunit = \"a.slice\"")
                 .starts_with("F, line 3: delivery.allow.unit " + kind));
}

BOOST_AUTO_TEST_CASE(a_unit_too_long_for_any_credential_is_refused_unless_it_states_more) {
  std::string const head = "[[delivery.allow]]\nproject = \"p\"\n";
  auto const unit = [](std::size_t chars, std::string const& kind) {
    return "unit = \"" + std::string(chars - kind.size(), 'u') + kind + "\"\n";
  };
  BOOST_TEST(file_refusal(head + unit(82, ".service")) == "");
  BOOST_TEST(file_refusal(head + unit(83, ".service")) ==
             "F, line 3: delivery.allow.unit has 83 characters: systemd loads no credential where "
             "unit and id together have more than 83; state uid or gid as well to let it in on "
             "keeper.sock alone");
  BOOST_TEST(file_refusal("\n" + head + unit(255, ".service"))
                 .starts_with("F, line 4: delivery.allow.unit has 255 characters"));
  BOOST_TEST(file_refusal(head + unit(255, ".service") + "uid = 1\n") == "");
  BOOST_TEST(file_refusal(head + unit(255, ".service") + "gid = 1\n") == "");
  BOOST_TEST(file_refusal(head + unit(255, ".scope")) == "");  // scopes have no credentials
}

BOOST_AUTO_TEST_SUITE_END()

// conf/tacit.toml: a line whose '#' is followed by no space is a setting.
struct stated_setting {
  std::string name;
  std::string line;
};

std::vector<stated_setting> stated_settings() {
  std::vector<stated_setting> all;
  std::istringstream text(read_source_file("conf/tacit.toml"));
  std::string group;
  for (std::string line; std::getline(text, line);) {
    if (line.starts_with('[')) group = line.substr(1, line.find(']') - 1) + ".";
    if (line.size() < 2 || line[0] != '#' || line[1] == ' ') continue;
    std::string const name = group + line.substr(1, line.find(' ') - 1);
    all.push_back({name, group + line.substr(1)});
  }
  return all;
}

// Sets a field to what no default is, so that a line that sets nothing shows.
struct spoil {
  settings& into;
  void operator()(std::string settings::* member) const { into.*member = "spoilt"; }
  void operator()(std::vector<std::string> settings::* member) const { into.*member = {"spoilt"}; }
  void operator()(std::uint32_t settings::* member) const { into.*member = 4'000'000'000; }
  void operator()(plain_http_scope settings::* member) const {
    into.*member = plain_http_scope::anywhere;
  }
  void operator()(sandbox_mode settings::* member) const { into.*member = sandbox_mode::off; }
  void operator()(log_level settings::* member) const { into.*member = log_level::debug; }
};

BOOST_AUTO_TEST_SUITE(settings_example)

BOOST_AUTO_TEST_CASE(every_setting_is_stated_once) {
  std::map<std::string, int> counts;
  for (stated_setting const& stated : stated_settings()) ++counts[stated.name];
  for (setting_row const& row : setting_rows()) BOOST_TEST(counts[std::string(row.name)] == 1);
  BOOST_TEST(counts.size() == setting_rows().size());
}

BOOST_AUTO_TEST_CASE(every_stated_line_is_the_default) {
  settings const expected = load_settings({}, some_machine());
  for (stated_setting const& stated : stated_settings()) {
    setting_row const* const row = find_setting(stated.name);
    BOOST_REQUIRE_MESSAGE(row != nullptr, stated.name);
    settings loaded;
    std::visit(spoil{loaded}, row->target);
    apply_settings_text(stated.line, "F", some_machine(), loaded);
    bool const same =
        std::visit([&](auto member) { return loaded.*member == expected.*member; }, row->target);
    BOOST_TEST(same, stated.line);
  }
}

BOOST_AUTO_TEST_CASE(the_file_as_it_is_changes_nothing) {
  settings loaded;
  apply_settings_text(read_source_file("conf/tacit.toml"), "F", some_machine(), loaded);
  BOOST_TEST(loaded.data_dir == "");
  BOOST_TEST(loaded.allow.empty());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace tacit::app
