#include "net/service.hpp"

#include <boost/beast/core/string.hpp>

#include "net/exchange.hpp"
#include "net/now.hpp"

namespace tacit::net {

using core::errc;
using core::result;

namespace {

std::string_view verb_text(method verb) {
  switch (verb) {
    case method::get:
      return "GET";
    case method::head:
      return "HEAD";
    case method::post:
      return "POST";
    case method::del:
      return "DELETE";
    case method::other:
      return "other";
  }
  return "other";
}

}  // namespace

service::service(service_parts const& parts, core::completion_port& home)
    : parts_(parts),
      home_(home),
      sealer_(parts.share.public_key, parts.share.record),
      name_(core::limits::value_bytes_max),
      value_(core::limits::value_bytes_max),
      projects_(parts.store, parts.list_cache_bytes) {
  core::fill_random(tag_key_.reveal_mutable());
  body_.reserve(4096);  // growing would leave pieces of labels and new API keys behind
}

void service::grow_old() {
  sealer_.forget_if_old(boot_milliseconds());
  for (auto const& one : failures_.due(static_cast<std::uint64_t>(boot_milliseconds()))) {
    parts_.log.write(core::severity::info, "request",
                     {{"route", route_pattern(endpoint::runtime)},
                      {"status", one.subject},
                      {"count", static_cast<std::int64_t>(one.count)}});
  }
}

std::string_view service::make_request_id() {
  constexpr std::string_view alphabet = "0123456789abcdefghijklmnopqrstuv";
  std::array<unsigned char, 17> random;
  core::fill_nonce(random);
  request_id_.resize(26);  // 130 bits, five a character
  std::size_t taken = 0;
  unsigned bits = 0;
  unsigned left = 0;
  for (char& c : request_id_) {
    if (left < 5) {
      bits = bits << 8 | random[taken++];
      left += 8;
    }
    left -= 5;
    c = alphabet[bits >> left & 31u];
  }
  return request_id_;
}

std::string_view service::date_now(core::timestamp now) {
  std::int64_t const second = now.unix_milliseconds / 1000;
  if (second != date_second_) {
    date_ = format_http_date(now);
    date_second_ = second;
  }
  return date_;
}

void service::log_answer(request_record const& record, unsigned status) {
  if (!parts_.log.wants(core::severity::info)) return;
  // Anybody can fail there, with no API key to be limited by.
  bool const is_paced = status >= 400 && record.route == route_pattern(endpoint::runtime);
  if (is_paced && !failures_.note(status, static_cast<std::uint64_t>(boot_milliseconds()))) return;
  std::string_view const key_id = record.api_key ? record.api_key->id.text() : "";
  parts_.log.write(core::severity::info, "request",
                   {{"method", verb_text(record.verb)},
                    {"route", record.route},
                    {"status", static_cast<std::int64_t>(status)},
                    {"microseconds", monotonic_microseconds() - record.began_microseconds},
                    {"request_id", record.request_id},
                    {"api_key_id", key_id}});
}

void service::answer_with(exchange& x, unsigned status, std::string_view body) {
  x.answer.status = status;
  x.answer.has_body = x.record.verb != method::head && status != 304;
  x.answer.request_id = x.record.request_id;
  x.answer.keep_alive = x.record.keep_alive;
  x.answer.rate = x.record.rate;
  append_answer(x.out, x.answer, date_now(now_of_day()), body);
  log_answer(x.record, status);
}

void service::answer_body(exchange& x, unsigned status) {
  answer_with(x, status, body_);
  core::wipe(body_.data(), body_.size());
  body_.clear();
}

void service::answer_error(exchange& x, errc error, std::optional<body_problem> const& problem) {
  error_face const face = face_of(error);
  if (face.ends_connection) x.record.keep_alive = false;
  if (error == errc::unauthorized) x.answer.challenge = true;
  if (error == errc::unavailable) x.answer.retry_seconds = 1;
  if (error == errc::corrupt || error == errc::internal) {
    parts_.log.write(core::severity::error, "a stored row does not authenticate or decode",
                     {{"request_id", x.record.request_id}, {"route", x.record.route}});
  }
  body_.clear();
  append_error_body(body_, face, problem);
  answer_body(x, face.status);
}

void service::refuse_bytes(errc why, std::string_view bytes, std::string& out) {
  request_head const head = recover_head(bytes).value_or(request_head{});
  peer const nobody;
  exchange x{head, {}, nobody, out, {}, {}};
  x.record.verb = head.verb;
  if (!head.target.empty()) {
    routing const routed = find_route(head.verb, head.target);
    if (auto const* const found = std::get_if<route>(&routed)) {
      x.record.route = route_pattern(found->to);
    }
  }
  x.record.request_id = head.request_id ? *head.request_id : make_request_id();
  x.record.began_microseconds = monotonic_microseconds();
  answer_error(x, why);
}

result<std::shared_ptr<core::api_key_entry const>> service::find_api_key(
    std::string_view credentials) {
  // RFC 9110 section 11.1: the scheme's case does not matter; RFC 6750 section 2.1: one space.
  constexpr std::string_view scheme = "bearer ";
  std::string_view const given = credentials.substr(0, scheme.size());
  if (!boost::beast::iequals({given.data(), given.size()}, {scheme.data(), scheme.size()})) {
    return errc::unauthorized;
  }
  auto const text = core::api_key_text::parse(credentials.substr(scheme.size()));
  if (!text) return text.error();
  std::uint64_t const generation = parts_.store.api_key_generation();
  if (generation != api_keys_generation_) {
    api_keys_ = parts_.store.api_keys();
    api_keys_generation_ = generation;
  }
  return api_keys_->find(text->hash(parts_.share.pepper));
}

result<core::caller> service::identify(exchange const& x, remembered_key& memory) {
  if (!x.head.authorization) {
    if (x.from.local_owner) return core::caller::local_owner();
    return errc::unauthorized;
  }
  // The generation first: a change that comes between is noticed at the next request.
  std::uint64_t const generation = parts_.store.api_key_generation();
  auto const tag = core::make_short_tag(tag_key_, core::as_bytes(*x.head.authorization));
  bool const is_known = memory.key != nullptr && memory.generation == generation &&
                        core::equal_in_constant_time(memory.tag, tag);
  if (!is_known) {
    auto found = find_api_key(*x.head.authorization);
    if (!found) return found.error();
    memory = {tag, std::move(*found), generation};
  }
  return core::caller::from_api_key(memory.key, x.now);
}

void service::answer_unidentified(exchange& x) {
  auto const state = parts_.limiter.take_failure(x.from.address_hash, boot_nanoseconds());
  if (!state.admitted) {
    x.answer.retry_seconds = state.reset_seconds;
    answer_error(x, errc::rate_limited);
    return;
  }
  answer_error(x, errc::unauthorized);
}

void service::answer_health(exchange& x) {
  if (x.to.to == endpoint::readyz && !parts_.store.writable()) {
    answer_error(x, errc::unavailable);
    return;
  }
  append_health_body(body_);
  answer_body(x, 200);
}

handled service::handle(request_head const& head, std::string_view body, peer const& from,
                        remembered_key& memory, std::string& out) {
  exchange x{head, body, from, out, now_of_day(), {}};
  x.record.verb = head.verb;
  x.record.keep_alive = head.keep_alive;
  x.record.request_id = head.request_id ? *head.request_id : make_request_id();
  if (parts_.log.wants(core::severity::info)) {
    x.record.began_microseconds = monotonic_microseconds();
  }

  routing const routed = find_route(head.verb, head.target);
  if (auto const* const wrong = std::get_if<wrong_method>(&routed)) {
    x.answer.allowed = wrong->allowed;
    x.record.route = wrong->pattern;
    answer_error(x, errc::method_not_allowed);
  } else if (auto const* const found = std::get_if<route>(&routed)) {
    x.to = *found;
    x.record.route = route_pattern(found->to);
    if (is_public(found->to)) {
      answer_health(x);
      return {nullptr, nullptr, x.record.keep_alive};
    }
    if (found->to == endpoint::runtime) {
      pass_on(x);
      return {nullptr, std::move(x.relayed), x.record.keep_alive};
    }
    auto caller = identify(x, memory);
    if (!caller) {
      answer_unidentified(x);
      return {nullptr, nullptr, x.record.keep_alive};
    }
    x.record.api_key = caller->shared_api_key();
    if (x.record.api_key) parts_.store.note_use(*x.record.api_key, x.now);
    auto const kind = is_write(found->to) ? core::bucket_kind::write : core::bucket_kind::read;
    core::admission const admission(std::move(*caller), parts_.limiter, kind, boot_nanoseconds());
    if (admission.rate) x.record.rate = rate_report{*admission.rate, kind};
    if (!admission.granted) {
      x.answer.retry_seconds = admission.rate.value_or(core::rate_state{}).reset_seconds;
      answer_error(x, errc::rate_limited);
    } else {
      dispatch(x, *admission.granted);
    }
  } else {
    answer_error(x, errc::no_such_route);
  }
  return {std::move(x.write), nullptr, x.record.keep_alive};
}

bool service::finish(pending_write& write, std::string& out) {
  request_head const none;
  peer const nobody;
  exchange x{none, {}, nobody, out, {}, std::move(write.record)};
  if (!write.came_of) {
    std::optional<body_problem> problem;
    if (write.came_of.error() == errc::validation) {
      problem = write.raw_key
                    ? body_problem{"projects", "names a project that does not exist"}
                    : body_problem{"id", "is the API key in use, which cannot revoke itself"};
    } else if (write.came_of.error() == errc::conflict) {
      problem = write.raw_key ? body_problem{"name", "is one too many: there are 4096 API keys"}
                              : body_problem{"id", "is taken"};
    }
    answer_error(x, write.came_of.error(), problem);
    return x.record.keep_alive;
  }
  core::outcome const& outcome = *write.came_of;
  unsigned status = 200;
  if (auto const* const secret = std::get_if<core::secret_entry>(&outcome)) {
    x.answer.version = secret->version;
    append_secret_body(body_, *secret);
  } else if (auto const* const removed = std::get_if<core::removed>(&outcome)) {
    append_removed_body(body_, *removed);
  } else if (auto const* const project = std::get_if<core::project_entry>(&outcome)) {
    status = 201;
    append_project_body(body_, *project);
  } else if (auto const* const key = std::get_if<core::api_key_entry>(&outcome)) {
    status = 201;
    append_new_api_key_body(body_, *key, write.raw_key ? write.raw_key->reveal() : "");
  } else {
    append_success_body(body_);
  }
  answer_body(x, status);
  return x.record.keep_alive;
}

}  // namespace tacit::net
