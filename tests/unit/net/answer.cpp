// Answers to the byte: what the clients of the contract see.
#include "net/answer.hpp"

#include <boost/test/unit_test.hpp>

#include "tests/unit/core/samples.hpp"

namespace tacit::net {
namespace {

using core::errc;
using core::test::project;

constexpr core::timestamp created{1'776'503'564'000};  // 2026-04-18T09:12:44Z
constexpr core::timestamp updated{1'776'783'790'000};  // 2026-04-21T15:03:10Z
constexpr std::string_view date = "Sun, 06 Nov 1994 08:49:37 GMT";

struct crypto_ready {
  crypto_ready() { core::init_crypto(); }
};

std::string answer(answer_head const& head, std::string_view body = "{}") {
  std::string out;
  append_answer(out, head, date, body);
  return out;
}

core::secret_entry secret_entry(std::string_view name, std::string_view last_four) {
  return {core::test::secret(name), 7, created, updated, core::label::of_text(last_four)};
}

core::project_entry project_entry() {
  return {project("bot"), "Trading \"bot\"", 3, 25, created, updated};
}

core::api_key_entry api_key_entry(std::uint8_t permissions) {
  core::api_key_entry key(*core::api_key_id::parse("k1"));
  key.name = "deploy";
  key.shown_prefix = {'t', 'a', 'c', '_', '0', '1', '2', '3'};
  key.permissions = core::permission_set::from_bits(permissions);
  key.created = created;
  return key;
}

template <typename Append, typename... Parts>
std::string body_of(Append append, Parts const&... parts) {
  std::string out;
  append(out, parts...);
  return out;
}

struct face_case {
  errc error;
  unsigned status;
  std::string_view code;
  bool ends_connection;
};

constexpr face_case faces[] = {
    {errc::malformed_request, 400, "VALIDATION_ERROR", true},
    {errc::request_timeout, 408, "REQUEST_TIMEOUT", true},
    {errc::length_required, 411, "LENGTH_REQUIRED", true},
    {errc::payload_too_large, 413, "PAYLOAD_TOO_LARGE", true},
    {errc::uri_too_long, 414, "URI_TOO_LONG", true},
    {errc::headers_too_large, 431, "HEADERS_TOO_LARGE", true},
    {errc::no_such_route, 404, "NOT_FOUND", false},
    {errc::not_found, 404, "NOT_FOUND", false},
    {errc::method_not_allowed, 405, "METHOD_NOT_ALLOWED", false},
    {errc::unauthorized, 401, "UNAUTHORIZED", false},
    {errc::rate_limited, 429, "RATE_LIMITED", false},
    {errc::forbidden, 403, "FORBIDDEN", false},
    {errc::unsupported_media_type, 415, "UNSUPPORTED_MEDIA_TYPE", false},
    {errc::validation, 400, "VALIDATION_ERROR", false},
    {errc::secret_limit_exceeded, 409, "SECRET_LIMIT_EXCEEDED", false},
    {errc::conflict, 409, "CONFLICT", false},
    {errc::unavailable, 503, "SERVICE_UNAVAILABLE", false},
    {errc::storage_full, 507, "STORAGE_FULL", false},
    {errc::internal, 500, "INTERNAL_ERROR", false},
    {errc::corrupt, 500, "INTERNAL_ERROR", false},
};

}  // namespace

BOOST_TEST_GLOBAL_FIXTURE(crypto_ready);

BOOST_AUTO_TEST_SUITE(answers)

BOOST_AUTO_TEST_CASE(a_plain_answer_has_these_bytes) {
  answer_head head;
  head.request_id = "r-1";
  BOOST_TEST(answer(head) ==
             "HTTP/1.1 200 OK\r\n"
             "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
             "Cache-Control: no-store\r\n"
             "X-Content-Type-Options: nosniff\r\n"
             "X-Request-Id: r-1\r\n"
             "Content-Type: application/json\r\n"
             "Content-Length: 2\r\n"
             "\r\n{}");
}

BOOST_AUTO_TEST_CASE(an_answer_with_every_field_has_these_bytes) {
  answer_head head;
  head.status = 429;
  head.request_id = "r";
  head.keep_alive = false;
  head.version = 18'446'744'073'709'551'615u;
  head.rate = rate_report{{false, 120, 0, 1}, core::bucket_kind::read};
  head.retry_seconds = 1;
  head.allowed = "GET, POST";
  head.challenge = true;
  BOOST_TEST(answer(head, "") ==
             "HTTP/1.1 429 Too Many Requests\r\n"
             "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
             "Cache-Control: no-store\r\n"
             "X-Content-Type-Options: nosniff\r\n"
             "X-Request-Id: r\r\n"
             "ETag: \"18446744073709551615\"\r\n"
             "X-RateLimit-Limit: 120\r\n"
             "X-RateLimit-Remaining: 0\r\n"
             "X-RateLimit-Reset: 1\r\n"
             "RateLimit-Policy: \"read\";q=120;w=60\r\n"
             "RateLimit: \"read\";r=0;t=1\r\n"
             "Retry-After: 1\r\n"
             "Allow: GET, POST\r\n"
             "WWW-Authenticate: Bearer\r\n"
             "Connection: close\r\n"
             "Content-Type: application/json\r\n"
             "Content-Length: 0\r\n"
             "\r\n");
}

BOOST_AUTO_TEST_CASE(a_write_names_its_own_bucket_and_a_limit_that_is_off_the_largest_number) {
  answer_head head;
  head.rate = rate_report{{true, core::unlimited_tokens, core::unlimited_tokens, 0},
                          core::bucket_kind::write};
  std::string const out = answer(head);
  for (char const* line : {"\r\nX-RateLimit-Limit: 999999999999999\r\n",
                           "\r\nRateLimit-Policy: \"write\";q=999999999999999;w=60\r\n",
                           "\r\nRateLimit: \"write\";r=999999999999999;t=0\r\n"}) {
    BOOST_TEST(out.find(line) != std::string::npos);
  }
}

BOOST_AUTO_TEST_CASE(an_answer_without_a_body_has_none) {
  answer_head head;
  head.status = 304;
  head.has_body = false;
  head.version = 5;
  std::string const not_modified = answer(head, "");
  BOOST_TEST(not_modified.starts_with("HTTP/1.1 304 Not Modified\r\n"));
  BOOST_TEST(not_modified.find("\r\nETag: \"5\"\r\n") != std::string::npos);
  BOOST_TEST(not_modified.find("Content-Length") == std::string::npos);
  BOOST_TEST(not_modified.ends_with("\r\n\r\n"));
  head.status = 200;  // to HEAD: the length that GET would have
  std::string const to_head = answer(head, "{\"data\":1}");
  BOOST_TEST(to_head.ends_with("\r\nContent-Length: 10\r\n\r\n"));
}

BOOST_AUTO_TEST_CASE(each_error_has_its_status_and_code_and_a_reason_phrase) {
  for (face_case const& one : faces) {
    BOOST_TEST_CONTEXT(one.code) {
      error_face const face = face_of(one.error);
      BOOST_TEST(face.status == one.status);
      BOOST_TEST(face.code == one.code);
      BOOST_TEST(face.ends_connection == one.ends_connection);
      BOOST_TEST(!face.message.empty());
      answer_head head;
      head.status = face.status;
      BOOST_TEST(answer(head).find("Unknown") == std::string::npos);
    }
  }
}

BOOST_AUTO_TEST_CASE(an_absent_project_and_a_hidden_route_have_the_same_face) {
  auto const body = [](errc error) {
    return body_of(append_error_body, face_of(error), std::nullopt);
  };
  BOOST_TEST(body(errc::not_found) == body(errc::no_such_route));
  BOOST_TEST(body(errc::not_found) == R"({"error":{"code":"NOT_FOUND","message":"Not found"}})");
  BOOST_TEST(body(errc::internal) == body(errc::corrupt));
}

BOOST_AUTO_TEST_CASE(an_error_names_the_field_that_is_wrong) {
  BOOST_TEST(body_of(append_error_body, error_face{400, "VALIDATION_ERROR", "m", false},
                     std::optional(body_problem{"value", "is required"})) ==
             R"({"error":{"code":"VALIDATION_ERROR","message":"m",)"
             R"("details":[{"field":"value","issue":"is required"}]}})");
}

BOOST_AUTO_TEST_CASE(secrets_have_exactly_the_members_of_the_contract) {
  constexpr std::string_view one =
      R"({"key":"BINANCE_API_KEY","lastFour":"aB3x","createdAt":"2026-04-18T09:12:44.000Z",)"
      R"("updatedAt":"2026-04-21T15:03:10.000Z"})";
  core::secret_list list;
  BOOST_TEST(body_of(append_secret_list_body, list) == R"({"data":{"secrets":[]}})");
  list.secrets.push_back(secret_entry("BINANCE_API_KEY", "aB3x"));
  BOOST_CHECK(body_of(append_secret_list_body, list) ==
              R"({"data":{"secrets":[)" + std::string(one) + "]}}");
  list.secrets.push_back(secret_entry("Z", "\"\n\\\xC3\xA9"));
  BOOST_CHECK(body_of(append_secret_list_body, list) ==
              R"({"data":{"secrets":[)" + std::string(one) +
                  R"(,{"key":"Z","lastFour":"\"\n\\)"
                  "\xC3\xA9"
                  R"(","createdAt":"2026-04-18T09:12:44.000Z",)"
                  R"("updatedAt":"2026-04-21T15:03:10.000Z"}]}})");
  BOOST_CHECK(body_of(append_secret_body, list.secrets[0]) ==
              R"({"data":{"secret":)" + std::string(one) + "}}");
}

BOOST_AUTO_TEST_CASE(removals_and_health_have_the_bodies_of_the_contract) {
  BOOST_TEST(body_of(append_removed_body, core::removed{true}) ==
             R"({"data":{"success":true,"existed":true}})");
  BOOST_TEST(body_of(append_removed_body, core::removed{false}) ==
             R"({"data":{"success":true,"existed":false}})");
  BOOST_TEST(body_of(append_success_body) == R"({"data":{"success":true}})");
  BOOST_TEST(body_of(append_health_body) == R"({"data":{"status":"ok"}})");
}

BOOST_AUTO_TEST_CASE(projects_have_the_members_of_the_contract) {
  std::string const one =
      R"({"id":"bot","name":"Trading \"bot\"","secretCount":3,"secretLimit":25,)"
      R"("createdAt":"2026-04-18T09:12:44.000Z","updatedAt":"2026-04-21T15:03:10.000Z"})";
  BOOST_TEST(body_of(append_project_body, project_entry()) ==
             R"({"data":{"project":)" + one + "}}");
  std::vector<core::project_entry> projects;
  BOOST_TEST(body_of(append_project_list_body, projects) == R"({"data":[]})");
  projects.assign(2, project_entry());
  BOOST_TEST(body_of(append_project_list_body, projects) ==
             R"({"data":[)" + one + "," + one + "]}");
}

BOOST_AUTO_TEST_CASE(api_keys_have_the_members_of_the_contract_and_never_their_text) {
  auto first = api_key_entry(3);
  first.scope.projects = {project("a"), project("b")};
  auto second = api_key_entry(7);
  second.scope.all = true;
  second.last_used = created;
  second.expires = updated;
  std::vector<core::api_key_entry> const keys{first, second, api_key_entry(1), api_key_entry(0)};
  std::string const begin = R"({"id":"k1","name":"deploy","keyPrefix":"tac_0123","scopes":)";
  std::string const end =
      R"(,"lastUsedAt":null,"createdAt":"2026-04-18T09:12:44.000Z","expiresAt":null})";
  BOOST_TEST(
      body_of(append_api_key_list_body, keys) ==
      R"({"data":{"keys":[)" + begin + R"({"projects":["a","b"],"permissions":["read","write"]})" +
          end + "," + begin +
          R"({"projects":"*","permissions":["admin"]})"
          R"(,"lastUsedAt":"2026-04-18T09:12:44.000Z","createdAt":"2026-04-18T09:12:44.000Z",)"
          R"("expiresAt":"2026-04-21T15:03:10.000Z"},)" +
          begin + R"({"projects":[],"permissions":["read"]})" + end + "," + begin +
          R"({"projects":[],"permissions":[]})" + end + "]}}");
  BOOST_TEST(body_of(append_new_api_key_body, first, std::string_view("tac_0123…")) ==
             R"({"data":{"id":"k1","rawKey":"tac_0123…","keyPrefix":"tac_0123"}})");
}

BOOST_AUTO_TEST_CASE(deliveries_name_processes_and_remote_runtimes) {
  auto const process = core::consumer::process(0, "bot.service", "box");
  auto const remote = core::consumer::remote("edge-1", "");
  core::delivery_report report;
  report.lines = {
      {core::test::secret("A"), core::delivery_state::stale, 9, 7, created, &process},
      {core::test::secret("A"), core::delivery_state::removed, std::nullopt, 8, updated, &remote},
      {core::test::secret("B"), core::delivery_state::never, 1, std::nullopt, std::nullopt,
       nullptr}};
  report.consumers_left_out = 3;
  BOOST_TEST(body_of(append_deliveries_body, report) ==
             R"({"data":{"deliveries":[{"key":"A","state":"stale","storedVersion":9,)"
             R"("deliveredVersion":7,"lastDeliveredAt":"2026-04-18T09:12:44.000Z",)"
             R"("consumer":{"uid":0,"unit":"bot.service","runtime":null,"host":"box"}},)"
             R"({"key":"A","state":"removed","storedVersion":null,"deliveredVersion":8,)"
             R"("lastDeliveredAt":"2026-04-21T15:03:10.000Z",)"
             R"("consumer":{"uid":null,"unit":null,"runtime":"edge-1","host":null}},)"
             R"({"key":"B","state":"never","storedVersion":1,"deliveredVersion":null,)"
             R"("lastDeliveredAt":null,"consumer":null}],"omittedConsumers":3}})");
}

BOOST_AUTO_TEST_CASE(a_caller_sees_itself_twice_as_the_clients_expect) {
  auto const self = [](core::api_key_entry const* key) { return body_of(append_self_body, key); };
  auto const expected = [](std::string const& id, std::string const& name,
                           std::string const& role) {
    std::string const inner =
        R"("id":")" + id + R"(","name":")" + name + R"(","email":null,"role":")" + role + "\"";
    return R"({"data":{)" + inner + R"(,"source":"api_key","user":{)" + inner + "}}}";
  };
  auto const member = api_key_entry(3);
  auto const admin = api_key_entry(4);
  BOOST_TEST(self(&member) == expected("k1", "deploy", "member"));
  BOOST_TEST(self(&admin) == expected("k1", "deploy", "admin"));
  BOOST_TEST(self(nullptr) == expected("local-owner", "local owner", "admin"));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace tacit::net
