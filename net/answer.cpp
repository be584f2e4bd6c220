#include "net/answer.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstdio>

#include "core/check.hpp"
#include "core/secret.hpp"
#include "net/json_writer.hpp"

namespace tacit::net {

using core::errc;

namespace {

void append_number(std::string& out, std::uint64_t number) {
  std::array<char, 20> digits;
  auto const end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
  out.append(digits.data(), end);
}

void append_field(std::string& out, std::string_view name, std::uint64_t number) {
  out.append(name).append(": ");
  append_number(out, number);
  out.append("\r\n");
}

constexpr std::size_t head_bytes_max = 1024;  // enough for every answer's

// Growing by itself would leave what is there in freed memory: labels, a new API key.
void make_room(std::string& out, std::size_t bytes) {
  if (out.capacity() - out.size() >= bytes) return;
  std::string larger;
  larger.reserve(std::max(out.capacity() * 2, out.size() + bytes));
  larger.append(out);
  core::wipe(out.data(), out.size());
  out.swap(larger);
}

// The status line, with its end.
std::string_view status_line(unsigned status) {
  switch (status) {
    case 200:
      return "HTTP/1.1 200 OK\r\n";
    case 201:
      return "HTTP/1.1 201 Created\r\n";
    case 304:
      return "HTTP/1.1 304 Not Modified\r\n";
    case 400:
      return "HTTP/1.1 400 Bad Request\r\n";
    case 401:
      return "HTTP/1.1 401 Unauthorized\r\n";
    case 403:
      return "HTTP/1.1 403 Forbidden\r\n";
    case 404:
      return "HTTP/1.1 404 Not Found\r\n";
    case 405:
      return "HTTP/1.1 405 Method Not Allowed\r\n";
    case 408:
      return "HTTP/1.1 408 Request Timeout\r\n";
    case 409:
      return "HTTP/1.1 409 Conflict\r\n";
    case 411:
      return "HTTP/1.1 411 Length Required\r\n";
    case 413:
      return "HTTP/1.1 413 Content Too Large\r\n";
    case 414:
      return "HTTP/1.1 414 URI Too Long\r\n";
    case 415:
      return "HTTP/1.1 415 Unsupported Media Type\r\n";
    case 429:
      return "HTTP/1.1 429 Too Many Requests\r\n";
    case 431:
      return "HTTP/1.1 431 Request Header Fields Too Large\r\n";
    case 500:
      return "HTTP/1.1 500 Internal Server Error\r\n";
    case 503:
      return "HTTP/1.1 503 Service Unavailable\r\n";
    case 507:
      return "HTTP/1.1 507 Insufficient Storage\r\n";
  }
  CHECK(false);
}

// X-RateLimit-* and the fields of draft-ietf-httpapi-ratelimit-headers.
void append_rate_fields(std::string& out, rate_report const& rate) {
  bool const is_read = rate.kind == core::bucket_kind::read;
  std::string_view const policy = is_read ? "\"read\"" : "\"write\"";
  append_field(out, "X-RateLimit-Limit", rate.state.limit);
  append_field(out, "X-RateLimit-Remaining", rate.state.remaining);
  append_field(out, "X-RateLimit-Reset", rate.state.reset_seconds);
  out.append("RateLimit-Policy: ").append(policy).append(";q=");
  append_number(out, rate.state.limit);
  out.append(";w=60\r\nRateLimit: ").append(policy).append(";r=");
  append_number(out, rate.state.remaining);
  out.append(";t=");
  append_number(out, rate.state.reset_seconds);
  out.append("\r\n");
}

void write_time(json_writer& json, std::string_view name, core::timestamp when) {
  auto const text = core::format_timestamp(when);
  json.key(name).text({text.data(), text.size()});
}

void write_optional_time(json_writer& json, std::string_view name,
                         std::optional<core::timestamp> const& when) {
  if (when) {
    write_time(json, name, *when);
  } else {
    json.key(name).null();
  }
}

void write_optional_number(json_writer& json, std::string_view name,
                           std::optional<std::uint64_t> number) {
  json.key(name);
  if (number) {
    json.number(*number);
  } else {
    json.null();
  }
}

void write_optional_text(json_writer& json, std::string_view name, std::string_view text) {
  json.key(name);
  if (text.empty()) {
    json.null();
  } else {
    json.text(text);
  }
}

std::string_view word_of(core::delivery_state state) {
  switch (state) {
    case core::delivery_state::current:
      return "current";
    case core::delivery_state::stale:
      return "stale";
    case core::delivery_state::never:
      return "never";
    case core::delivery_state::removed:
      return "removed";
  }
  return "";
}

void write_delivery(json_writer& json, core::delivery_line const& line) {
  json.begin_object().key("key").text(line.name.text());
  json.key("state").text(word_of(line.state));
  write_optional_number(json, "storedVersion", line.stored);
  write_optional_number(json, "deliveredVersion", line.delivered);
  write_optional_time(json, "lastDeliveredAt", line.at);
  json.key("consumer");
  if (line.to == nullptr) {
    json.null();
  } else {
    json.begin_object();
    write_optional_number(json, "uid", line.to->uid);
    write_optional_text(json, "unit", line.to->unit);
    write_optional_text(json, "runtime", line.to->runtime);
    write_optional_text(json, "host", line.to->host);
    json.end_object();
  }
  json.end_object();
}

void write_secret(json_writer& json, core::secret_entry const& secret) {
  json.begin_object().key("key").text(secret.name.text());
  json.key("lastFour").text(secret.last_four.reveal());
  write_time(json, "createdAt", secret.created);
  write_time(json, "updatedAt", secret.updated);
  json.end_object();
}

void write_project(json_writer& json, core::project_entry const& project) {
  json.begin_object().key("id").text(project.id.text());
  json.key("name").text(project.name);
  json.key("secretCount").number(project.secret_count);
  json.key("secretLimit").number(project.secret_limit);
  write_time(json, "createdAt", project.created);
  write_time(json, "updatedAt", project.updated);
  json.end_object();
}

void write_permissions(json_writer& json, core::permission_set held) {
  json.key("permissions").begin_array();
  if (held.allows(core::permission::admin)) {
    json.text("admin");
  } else {
    if (held.allows(core::permission::read)) json.text("read");
    if (held.allows(core::permission::write)) json.text("write");
  }
  json.end_array();
}

void write_api_key(json_writer& json, core::api_key_entry const& key) {
  json.begin_object().key("id").text(key.id.text());
  json.key("name").text(key.name);
  json.key("keyPrefix").text({key.shown_prefix.data(), key.shown_prefix.size()});
  json.key("scopes").begin_object().key("projects");
  if (key.scope.all) {
    json.text("*");
  } else {
    json.begin_array();
    for (core::project_id const& project : key.scope.projects) json.text(project.text());
    json.end_array();
  }
  write_permissions(json, key.permissions);
  json.end_object();
  write_optional_time(json, "lastUsedAt", key.last_used);
  write_time(json, "createdAt", key.created);
  write_optional_time(json, "expiresAt", key.expires);
  json.end_object();
}

}  // namespace

error_face face_of(errc error) noexcept {
  switch (error) {
    case errc::malformed_request:
      return {400, "VALIDATION_ERROR", "The request is not valid HTTP/1.1", true};
    case errc::request_timeout:
      return {408, "REQUEST_TIMEOUT", "The request did not arrive in time", true};
    case errc::length_required:
      return {411, "LENGTH_REQUIRED", "Send the body with one Content-Length", true};
    case errc::payload_too_large:
      return {413, "PAYLOAD_TOO_LARGE", "The body is too large", true};
    case errc::uri_too_long:
      return {414, "URI_TOO_LONG", "The request target is too long", true};
    case errc::headers_too_large:
      return {431, "HEADERS_TOO_LARGE", "The request head is too large", true};
    case errc::no_such_route:
    case errc::not_found:
      return {404, "NOT_FOUND", "Not found", false};
    case errc::method_not_allowed:
      return {405, "METHOD_NOT_ALLOWED", "This method is not allowed here", false};
    case errc::unauthorized:
      return {401, "UNAUTHORIZED", "Missing or invalid API key", false};
    case errc::rate_limited:
      return {429, "RATE_LIMITED", "Too many requests: wait, then try again", false};
    case errc::forbidden:
      return {403, "FORBIDDEN", "The API key does not have this permission", false};
    case errc::unsupported_media_type:
      return {415, "UNSUPPORTED_MEDIA_TYPE", "Send the body as application/json", false};
    case errc::validation:
      return {400, "VALIDATION_ERROR", "The request is not valid", false};
    case errc::secret_limit_exceeded:
      return {409, "SECRET_LIMIT_EXCEEDED", "The project has reached its limit of secrets", false};
    case errc::conflict:
      return {409, "CONFLICT", "It conflicts with what exists", false};
    case errc::unavailable:
      return {503, "SERVICE_UNAVAILABLE", "Not available now: try again", false};
    case errc::storage_full:
      return {507, "STORAGE_FULL", "The server's disk is full", false};
    case errc::internal:
    case errc::corrupt:
      return {500, "INTERNAL_ERROR", "Something went wrong; the request id helps to find it",
              false};
  }
  return {500, "INTERNAL_ERROR", "Something went wrong; the request id helps to find it", false};
}

void append_answer_head(std::string& out, answer_head const& head, std::string_view date,
                        std::size_t body_bytes) {
  out.append(status_line(head.status)).append("Date: ").append(date);
  out.append("\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nX-Request-Id: ");
  out.append(head.request_id).append("\r\n");
  if (head.version) {
    out.append("ETag: \"");
    append_number(out, *head.version);
    out.append("\"\r\n");
  }
  if (head.rate) append_rate_fields(out, *head.rate);
  if (head.retry_seconds) append_field(out, "Retry-After", *head.retry_seconds);
  if (!head.allowed.empty()) out.append("Allow: ").append(head.allowed).append("\r\n");
  if (head.challenge) out.append("WWW-Authenticate: Bearer\r\n");
  if (!head.keep_alive) out.append("Connection: close\r\n");
  if (head.status != 304) {
    out.append("Content-Type: application/json\r\n");
    append_field(out, "Content-Length", body_bytes);
  }
  out.append("\r\n");
}

void append_answer(std::string& out, answer_head const& head, std::string_view date,
                   std::string_view body) {
  make_room(out, head_bytes_max + body.size());
  append_answer_head(out, head, date, body.size());
  if (head.has_body) out.append(body);
}

void append_error_body(std::string& out, error_face const& face,
                       std::optional<body_problem> const& problem) {
  json_writer json(out);
  json.begin_object().key("error").begin_object();
  json.key("code").text(face.code);
  json.key("message").text(face.message);
  if (problem) {
    json.key("details").begin_array().begin_object();
    json.key("field").text(problem->field).key("issue").text(problem->issue);
    json.end_object().end_array();
  }
  json.end_object().end_object();
}

void append_secret_list_body(std::string& out, core::secret_list const& list) {
  json_writer json(out);
  json.begin_object().key("data").begin_object().key("secrets").begin_array();
  for (core::secret_entry const& secret : list.secrets) write_secret(json, secret);
  json.end_array().end_object().end_object();
}

void append_secret_body(std::string& out, core::secret_entry const& secret) {
  json_writer json(out);
  json.begin_object().key("data").begin_object().key("secret");
  write_secret(json, secret);
  json.end_object().end_object();
}

void append_removed_body(std::string& out, core::removed const& removed) {
  json_writer json(out);
  json.begin_object().key("data").begin_object();
  json.key("success").boolean(true).key("existed").boolean(removed.existed);
  json.end_object().end_object();
}

void append_success_body(std::string& out) {
  json_writer json(out);
  json.begin_object().key("data").begin_object().key("success").boolean(true);
  json.end_object().end_object();
}

void append_project_body(std::string& out, core::project_entry const& project) {
  json_writer json(out);
  json.begin_object().key("data").begin_object().key("project");
  write_project(json, project);
  json.end_object().end_object();
}

void append_project_list_body(std::string& out, std::vector<core::project_entry> const& projects) {
  json_writer json(out);
  json.begin_object().key("data").begin_array();
  for (core::project_entry const& project : projects) write_project(json, project);
  json.end_array().end_object();
}

void append_deliveries_body(std::string& out, core::delivery_report const& report) {
  json_writer json(out);
  json.begin_object().key("data").begin_object().key("deliveries").begin_array();
  for (core::delivery_line const& line : report.lines) write_delivery(json, line);
  json.end_array().key("omittedConsumers").number(report.consumers_left_out);
  json.end_object().end_object();
}

void append_api_key_list_body(std::string& out, std::vector<core::api_key_entry> const& keys) {
  json_writer json(out);
  json.begin_object().key("data").begin_object().key("keys").begin_array();
  for (core::api_key_entry const& key : keys) write_api_key(json, key);
  json.end_array().end_object().end_object();
}

void append_new_api_key_body(std::string& out, core::api_key_entry const& key,
                             std::string_view raw_key) {
  json_writer json(out);
  json.begin_object().key("data").begin_object().key("id").text(key.id.text());
  json.key("rawKey").text(raw_key);
  json.key("keyPrefix").text({key.shown_prefix.data(), key.shown_prefix.size()});
  json.end_object().end_object();
}

void append_self_body(std::string& out, core::api_key_entry const* key) {
  bool const is_admin = key == nullptr || key->permissions.allows(core::permission::admin);
  std::string_view const id = key == nullptr ? "local-owner" : key->id.text();
  std::string_view const name = key == nullptr ? "local owner" : std::string_view(key->name);
  std::string_view const role = is_admin ? "admin" : "member";
  auto const write_identity = [&](json_writer& json) {
    json.key("id").text(id).key("name").text(name).key("email").null().key("role").text(role);
  };
  json_writer json(out);
  json.begin_object().key("data").begin_object();
  write_identity(json);
  json.key("source").text("api_key").key("user").begin_object();
  write_identity(json);
  json.end_object().end_object().end_object();
}

void append_health_body(std::string& out) {
  json_writer json(out);
  json.begin_object().key("data").begin_object();
  json.key("status").text("ok");
  json.end_object().end_object();
}

std::string format_http_date(core::timestamp when) {
  constexpr std::array days{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  constexpr std::array months{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                              "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  std::chrono::sys_seconds const time{
      std::chrono::floor<std::chrono::seconds>(std::chrono::milliseconds(when.unix_milliseconds))};
  auto const day = std::chrono::floor<std::chrono::days>(time);
  std::chrono::year_month_day const date{day};
  std::chrono::hh_mm_ss const clock{time - day};
  std::array<char, 40> text{};
  int const length =
      std::snprintf(text.data(), text.size(), "%s, %02u %s %04d %02ld:%02ld:%02ld GMT",
                    days[std::chrono::weekday(day).c_encoding()], static_cast<unsigned>(date.day()),
                    months[static_cast<unsigned>(date.month()) - 1], static_cast<int>(date.year()),
                    clock.hours().count(), clock.minutes().count(), clock.seconds().count());
  return std::string(text.data(), static_cast<std::size_t>(length));
}

}  // namespace tacit::net
