#include "net/runtime_orders.hpp"

#include <algorithm>
#include <array>
#include <optional>

#include "net/answer.hpp"
#include "net/json_writer.hpp"

namespace tacit::net {

using core::errc;
using core::result;

namespace {

constexpr std::string_view route = "/v1/runtimes";

order_outcome refuse(error_face const& face) {
  order_outcome outcome{face.status, {}};
  append_error_body(outcome.body, face, std::nullopt);
  return outcome;
}

order_outcome refuse(errc error, enrolments const& enrolled) {
  error_face face = face_of(error);
  if (enrolled.doubtful() && error == errc::unavailable) {
    return refuse({409, "ENROLMENTS_IN_DOUBT",
                   "The keeper's file of enrolled runtimes is missing or older than the store: "
                   "restore its newest copy and start again, or void all enrolments",
                   false});
  }
  switch (error) {
    case errc::conflict:
      face.message = "The id is taken, or the key is enrolled for this project already";
      break;
    case errc::secret_limit_exceeded:
      face = {409, "RUNTIME_LIMIT_EXCEEDED", "There are 1024 enrolments: revoke some", false};
      break;
    case errc::storage_full:
      face.message = "The keeper's file could not be written: is the disk full?";
      break;
    case errc::not_found:
      face.message = "There is no such enrolment";
      break;
    default:
      break;
  }
  return refuse(face);
}

order_outcome refuse_unwritten_revocation() {
  error_face face = face_of(errc::storage_full);
  face.message =
      "Revoked, but only until the server starts again, as the keeper's file could not be written: "
      "make room on its disk and revoke once more";
  return refuse(face);
}

order_outcome refuse_field(std::string_view field, std::string_view issue) {
  error_face const face = face_of(errc::validation);
  order_outcome outcome{face.status, {}};
  append_error_body(outcome.body, face, body_problem{field, issue});
  return outcome;
}

// The text of a parameter, "" without; none are escaped.
std::string_view parameter(std::string_view target, std::string_view name) {
  std::size_t const mark = target.find('?');
  std::string_view rest = mark == std::string_view::npos ? "" : target.substr(mark + 1);
  while (!rest.empty()) {
    std::string_view const one = rest.substr(0, rest.find('&'));
    rest.remove_prefix(std::min(rest.size(), one.size() + 1));
    if (one.size() > name.size() && one.starts_with(name) && one[name.size()] == '=') {
      return one.substr(name.size() + 1);
    }
  }
  return "";
}

void write_enrolment(json_writer& to, core::enrolment const& one) {
  auto const time = [&](std::string_view name, core::timestamp when) {
    auto const text = core::format_timestamp(when);
    to.key(name).text({text.data(), text.size()});
  };
  to.begin_object();
  to.key("id").text(one.id.text());
  to.key("project").text(one.project.text());
  to.key("publicKey").text(core::encode_base64(one.key.bytes));
  time("createdAt", one.created);
  time("expiresAt", one.expires);
  to.end_object();
}

order_outcome list(enrolments const& enrolled, core::exchange_public_key const& own) {
  order_outcome outcome;
  json_writer to(outcome.body);
  to.begin_object().key("data").begin_object();
  to.key("serverKey").text(core::encode_base64(own.bytes));
  to.key("inDoubt").boolean(enrolled.doubtful());
  to.key("runtimes").begin_array();
  for (core::enrolment const& one : enrolled.book().all()) write_enrolment(to, one);
  to.end_array().end_object().end_object();
  return outcome;
}

std::string make_id() {
  std::array<unsigned char, 8> bytes;
  core::fill_nonce(bytes);
  constexpr std::string_view hex = "0123456789abcdef";
  std::string id;
  for (unsigned char const byte : bytes) {
    id.push_back(hex[byte >> 4]);
    id.push_back(hex[byte & 15u]);
  }
  return id;
}

std::optional<core::exchange_public_key> parse_key(std::string_view text) {
  auto const bytes = core::decode_base64(text);
  if (!bytes || bytes->size() != core::key_bytes) return std::nullopt;
  core::exchange_public_key key;
  std::copy(bytes->begin(), bytes->end(), key.bytes.begin());
  return key;
}

result<core::timestamp> parse_expiry(std::string_view text, core::timestamp now) {
  namespace limits = core::limits;
  if (text.empty()) {
    return core::timestamp{now.unix_milliseconds + limits::enrolment_milliseconds_default};
  }
  auto const when = core::parse_timestamp(text);
  if (!when || *when <= now ||
      when->unix_milliseconds > now.unix_milliseconds + limits::enrolment_milliseconds_max) {
    return errc::validation;
  }
  return *when;
}

order_outcome enrol(enrolments& enrolled, core::exchange_public_key const& own,
                    std::string_view target, core::timestamp now) {
  auto const project = core::project_id::parse(parameter(target, "project"));
  if (!project) return refuse_field("project", "must match ^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$");
  auto const key = parse_key(parameter(target, "publicKey"));
  if (!key) return refuse_field("publicKey", "must be 32 bytes in base64url");
  std::string const given(parameter(target, "id"));
  auto const id = core::runtime_id::parse(given.empty() ? make_id() : given);
  if (!id) return refuse_field("id", "must match ^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$");
  auto const expires = parse_expiry(parameter(target, "expiresAt"), now);
  if (!expires) return refuse_field("expiresAt", "must be a time to come, 10 years at most");
  core::enrolment const made{*id, *project, *key, now, *expires};
  auto const done = enrolled.enrol(made, now);
  if (!done) return refuse(done.error(), enrolled);
  order_outcome outcome{201, {}};
  json_writer to(outcome.body);
  to.begin_object().key("data").begin_object();
  to.key("serverKey").text(core::encode_base64(own.bytes));
  to.key("runtime");
  write_enrolment(to, made);
  to.end_object().end_object();
  return outcome;
}

order_outcome revoke(enrolments& enrolled, std::string_view rest) {
  core::result<void> done = errc::not_found;
  if (rest.empty()) {
    done = enrolled.reset();
  } else if (auto const id = core::runtime_id::parse(rest.substr(1))) {
    done = enrolled.revoke(*id);
  }
  if (!done && done.error() == errc::storage_full) return refuse_unwritten_revocation();
  if (!done) return refuse(done.error(), enrolled);
  order_outcome outcome;
  append_success_body(outcome.body);
  return outcome;
}

}  // namespace

bool is_runtime_order(std::string_view target) noexcept {
  if (!target.starts_with(route)) return false;
  std::string_view const rest = target.substr(route.size());
  return rest.empty() || rest.front() == '/' || rest.front() == '?';
}

order_outcome carry_out(enrolments& enrolled, core::exchange_public_key const& own, method verb,
                        std::string_view target, core::timestamp now) {
  std::string_view const path = target.substr(0, target.find('?'));
  std::string_view const rest = path.substr(route.size());
  switch (verb) {
    case method::get:
      if (rest.empty()) return list(enrolled, own);
      break;
    case method::post:
      if (rest.empty()) return enrol(enrolled, own, target, now);
      break;
    case method::del:
      return revoke(enrolled, rest);
    default:
      break;
  }
  return refuse(face_of(errc::method_not_allowed));
}

}  // namespace tacit::net
