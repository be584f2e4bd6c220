// How the command line tells that the API refused or did not answer: what is wrong, and what to do.
#include <boost/test/unit_test.hpp>
#include <cerrno>
#include <string>
#include <vector>

#include "app/cli/api.hpp"

namespace tacit::app {
namespace {

std::string explained(api_question const& question, unsigned status, std::string const& code,
                      std::vector<refused_field> const& details) {
  return explain_refusal({status, code, "m", "r-1", "", false, "http://h:1/x", details}, question);
}

BOOST_AUTO_TEST_SUITE(cli_refusals)

BOOST_AUTO_TEST_CASE(refusals_name_the_next_step) {
  api_question const set{"POST", "/projects/p/secrets", "", "p", "K"};
  auto const said = [&](unsigned status, std::string const& code) {
    return explain_refusal({status, code, "m", "r-1", "7", false}, set);
  };
  auto const has = [](std::string const& line, std::string const& part) {
    return line.find(part) != std::string::npos;
  };
  BOOST_TEST(has(said(401, "UNAUTHORIZED"), "TACIT_TOKEN was not accepted"));
  BOOST_TEST(has(said(401, "UNAUTHORIZED"), "tacit key create NAME"));
  BOOST_TEST(has(said(404, "NOT_FOUND"), "tacit project list"));
  BOOST_TEST(has(said(409, "SECRET_LIMIT_EXCEEDED"), "tacit secret rm NAME --project p"));
  BOOST_TEST(has(said(429, "RATE_LIMITED"), "in 7 s"));
  BOOST_TEST(has(said(500, "INTERNAL_ERROR"), "r-1"));
  for (unsigned const status : {500u, 502u, 503u, 507u}) {
    BOOST_TEST(has(said(status, "X"), "whether the change was made is unknown"));
  }
}

BOOST_AUTO_TEST_CASE(a_refused_field_is_named_with_what_is_wrong_and_what_to_do) {
  api_question const project{"POST", "/projects", "", "", ""};
  api_question const key{"POST", "/api-keys", "", "", ""};
  api_question const revoke{"DELETE", "/api-keys/i", "", "", "i"};
  auto const said = [](api_question const& question, std::vector<refused_field> const& details) {
    return explained(question, 400, "VALIDATION_ERROR", details);
  };
  BOOST_TEST(said(key, {{"projects", "names a project that does not exist"}}) ==
             "the server refused: projects names a project that does not exist; see: tacit project "
             "list");
  BOOST_TEST(said(project, {{"name", "must be short"}}) ==
             "the server refused: name must be short");
  BOOST_TEST(said(project, {{"secretLimit", "must be between 1 and 100000"}}) ==
             "the server refused: secretLimit must be between 1 and 100000; give another one with "
             "--limit");
  BOOST_TEST(said(key, {{"expiresAt", "must be a time to come"}}) ==
             "the server refused: expiresAt must be a time to come; give another one with "
             "--expires");
  BOOST_TEST(said(revoke, {{"id", "is in use"}})
                 .starts_with("the server refused: id is in use; "
                              "revoke it with another API key"));
  BOOST_TEST(said(project, {{"name", "a"}, {"secretLimit", "b"}, {"id", "c"}}) ==
             "the server refused: name a; secretLimit b; id c; give another one with --limit");
  BOOST_TEST(said(project, {{"name", "\x1b[31m"}}) == "the server refused: name ?[31m");
  BOOST_TEST(said(project, {}) == "the server refused: m (request r-1)");
  BOOST_TEST(said(project, {{"", ""}}) == "the server refused: m (request r-1)");
}

BOOST_AUTO_TEST_CASE(a_conflict_is_told_as_what_it_is) {
  auto const said = [](api_question const& question, std::vector<refused_field> const& details) {
    return explained(question, 409, "CONFLICT", details);
  };
  api_question const project{"POST", "/projects", "", "shop", ""};
  std::string const taken = "the project id shop is taken; give another one with --id";
  BOOST_TEST(said(project, {{"id", "is taken"}}) == taken);
  BOOST_TEST(said(project, {}) == taken);
  BOOST_TEST(said({"POST", "/projects", "", "", ""}, {{"id", "is taken"}}) ==
             "the server refused: id is taken");
  api_question const key{"POST", "/api-keys", "", "", ""};
  BOOST_TEST(said(key, {{"name", "is one too many: there are 4096 API keys"}}) ==
             "the server refused: name is one too many: there are 4096 API keys; revoke one that "
             "is not used, see: tacit key list");
  BOOST_TEST(said(key, {}) ==
             "the server holds as many API keys as it can; revoke one that is not used, see: tacit "
             "key list");
}

BOOST_AUTO_TEST_CASE(what_is_not_found_is_told_with_where_it_was_looked_for) {
  auto const said = [](api_question const& question) {
    return explained(question, 404, "NOT_FOUND", {});
  };
  for (std::string const target : {"/projects", "/api-keys"}) {
    for (std::string const method : {"GET", "POST"}) {
      BOOST_TEST(said({method, target, "", "shop", ""}) ==
                 "there is no tacit API at http://h:1/x; TACIT_URL is the server's address, as "
                 "https://HOST:PORT");
    }
  }
  BOOST_TEST(said({"GET", "/projects/shop", "", "shop", ""}) ==
             "no project shop at http://h:1/x, or the API key may not see it; see what there is "
             "with: tacit project list");
  BOOST_TEST(said({"DELETE", "/api-keys/i", "", "", "i"}) ==
             "no API key has the id i at http://h:1/x; see what there is with: tacit key list");
  BOOST_TEST(explain_refusal({404, "NOT_FOUND", "m", "r-1", "", true, "/d/store/api.sock", {}},
                             {"GET", "/projects/shop", "", "shop", ""}) ==
             "no project shop; see what there is with: tacit project list");
}

BOOST_AUTO_TEST_CASE(a_write_without_an_answer_is_told_as_unknown) {
  api_address const address{net::unix_endpoint{"/d/store/api.sock"}, "/d/store/api.sock", "", ""};
  net::client_failure const lost{net::client_fault::connection_lost, 0};
  net::client_failure const absent{net::client_fault::cannot_connect, ENOENT};
  std::string const unknown = "whether the change was made is unknown";
  auto const said = [&](net::client_failure const& failure, std::string_view method) {
    return explain_failure(failure, address, {method, "", "", "", ""});
  };
  BOOST_TEST(said(lost, "POST").find(unknown) != std::string::npos);
  BOOST_TEST(said(lost, "GET").find(unknown) == std::string::npos);
  BOOST_TEST(said(absent, "POST").find(unknown) == std::string::npos);
  BOOST_TEST(said(absent, "POST").find("tacit serve --data /d") != std::string::npos);
  std::string const file =
      "--data DIR or TACIT_DATA_DIR (a data_dir set in a settings file must be "
      "given so too)";
  BOOST_TEST(said(absent, "GET").find(file) != std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace tacit::app
