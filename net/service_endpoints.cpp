// What each endpoint asks of the store.
#include <algorithm>
#include <boost/beast/core/string.hpp>

#include "core/label.hpp"
#include "core/utf8.hpp"
#include "net/exchange.hpp"
#include "net/if_none_match.hpp"
#include "net/json_body.hpp"
#include "net/now.hpp"

namespace tacit::net {

using core::errc;
using core::permission;

namespace {

constexpr std::size_t text_bytes_max = core::limits::display_name_bytes_max;

// RFC 9562 section 5.4.
std::string make_uuid() {
  std::array<unsigned char, 16> bytes;
  core::fill_random(bytes);
  bytes[6] = static_cast<unsigned char>((bytes[6] & 0x0Fu) | 0x40u);
  bytes[8] = static_cast<unsigned char>((bytes[8] & 0x3Fu) | 0x80u);
  constexpr std::string_view hex = "0123456789abcdef";
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text.push_back('-');
    text.push_back(hex[bytes[i] >> 4]);
    text.push_back(hex[bytes[i] & 15u]);
  }
  return text;
}

template <typename Name>
Name make_id() {
  return *Name::parse(make_uuid());
}

bool is_display_name(std::string_view text) {
  auto const chars = core::count_utf8_chars(text);
  return chars && *chars > 0 && *chars <= core::limits::display_name_chars_max &&
         std::none_of(text.begin(), text.end(),
                      [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; });
}

std::optional<body_problem> problem_of_value(std::string_view value, std::size_t& chars) {
  auto const count = core::count_utf8_chars(value);
  if (!count) return body_problem{"value", "must be UTF-8"};
  if (*count == 0) return body_problem{"value", "must not be empty"};
  if (*count > core::limits::value_chars_max) return body_problem{"value", "is too long"};
  if (value.find('\0') != std::string_view::npos) {
    return body_problem{"value", "must not contain U+0000"};
  }
  chars = *count;
  return std::nullopt;
}

std::optional<body_problem> read_scope(text_or_list const& given, core::project_scope& scope) {
  if (given.text) {
    if (*given.text != "*") return body_problem{"projects", "must be a list of ids or \"*\""};
    scope.all = true;
    return std::nullopt;
  }
  for (std::string const& text : given.list) {
    auto const id = core::project_id::parse(text);
    if (!id) return body_problem{"projects", "has an id of the wrong form"};
    scope.projects.push_back(*id);
  }
  if (scope.projects.empty()) return body_problem{"projects", "must not be empty"};
  std::sort(scope.projects.begin(), scope.projects.end());
  auto const doubles = std::unique(scope.projects.begin(), scope.projects.end());
  scope.projects.erase(doubles, scope.projects.end());
  return std::nullopt;
}

std::optional<body_problem> read_permissions(text_or_list const& given,
                                             core::permission_set& held) {
  for (std::string const& text : given.list) {
    if (text == "read") {
      held.add(permission::read);
    } else if (text == "write") {
      held.add(permission::write);
    } else if (text == "admin") {
      held.add(permission::admin);
    } else {
      return body_problem{"permissions", "must be of read, write, admin"};
    }
  }
  if (given.text || held.bits() == 0) {
    return body_problem{"permissions", "must be a list of read, write, admin"};
  }
  return std::nullopt;
}

}  // namespace

void service::dispatch(exchange& x, core::admitted const& caller) {
  switch (x.to.to) {
    case endpoint::list_secrets:
      return list_secrets(x, caller);
    case endpoint::upsert_secret:
      return upsert_secret(x, caller);
    case endpoint::remove_secret:
      return remove_secret(x, caller);
    case endpoint::list_projects:
      return list_projects(x, caller);
    case endpoint::create_project:
      return create_project(x, caller);
    case endpoint::show_project:
      return show_project(x, caller);
    case endpoint::delete_project:
      return delete_project(x, caller);
    case endpoint::list_deliveries:
      return list_deliveries(x, caller);
    case endpoint::list_api_keys:
      return list_api_keys(x, caller);
    case endpoint::create_api_key:
      return create_api_key(x, caller);
    case endpoint::revoke_api_key:
      return revoke_api_key(x, caller);
    case endpoint::show_self:
      append_self_body(body_, caller.who().api_key());
      return answer_body(x, 200);
    case endpoint::runtime:
      return pass_on(x);
    case endpoint::livez:
    case endpoint::readyz:
    case endpoint::healthz:
      return answer_health(x);
  }
}

bool service::has_json_body(exchange& x) {
  constexpr std::string_view json = "application/json";
  if (x.head.content_type) {
    std::string_view type = *x.head.content_type;
    type = type.substr(0, type.find(';'));
    while (type.ends_with(' ') || type.ends_with('\t')) type.remove_suffix(1);
    if (!boost::beast::iequals({type.data(), type.size()}, {json.data(), json.size()})) {
      answer_error(x, errc::unsupported_media_type);
      return false;
    }
  }
  return true;
}

core::result<core::project_state> service::find_project(core::admitted const& caller,
                                                        core::project_id const& id) {
  if (!caller.who().sees(id)) return core::project_state::absent;
  return projects_.find(id);
}

void service::commit(exchange& x, core::command what) {
  x.write = std::make_unique<pending_write>(std::move(what), home_);
  x.write->record = x.record;
  x.write->request_id = x.record.request_id;
  x.write->record.request_id = x.write->request_id;
}

void service::list_secrets(exchange& x, core::admitted const& caller) {
  auto const id = core::project_id::parse(x.to.project);
  if (!id) return answer_error(x, errc::not_found);
  rendered_list const* list = caller.who().sees(*id) ? projects_.list(*id) : nullptr;
  auto const state = list != nullptr ? core::project_state::present : find_project(caller, *id);
  if (!state) return answer_error(x, state.error());
  auto const permit = core::permit_read(caller, *id, *state);
  if (!permit) return answer_error(x, permit.error());
  if (list == nullptr) {
    auto const rendered = projects_.render(*permit);
    if (!rendered) return answer_error(x, rendered.error());
    list = *rendered;
  }
  x.answer.version = list->revision;
  if (x.head.if_none_match && names_version(*x.head.if_none_match, list->revision)) {
    return answer_with(x, 304, {});
  }
  answer_with(x, 200, list->body);
}

void service::upsert_secret(exchange& x, core::admitted const& caller) {
  auto const id = core::project_id::parse(x.to.project);
  if (!id) return answer_error(x, errc::not_found);
  auto const state = find_project(caller, *id);
  if (!state) return answer_error(x, state.error());
  auto const permit = core::permit_write(caller, *id, *state);
  if (!permit) return answer_error(x, permit.error());
  if (!has_json_body(x)) return;

  std::array members{body_member{"key", &name_}, body_member{"value", &value_}};
  std::size_t chars = 0;
  auto problem = read_json_body(x.body, members, text_bytes_max);
  auto const name = core::secret_name::parse(name_.reveal());
  name_.clear();
  if (!problem && !name) problem = body_problem{"key", "must match ^[A-Z][A-Z0-9_]{0,63}$"};
  if (!problem) problem = problem_of_value(value_.reveal(), chars);
  if (problem) {
    value_.clear();
    return answer_error(x, errc::validation, problem);
  }
  std::uint64_t const record_id = core::random_u64();
  core::upsert_secret command{
      *permit, *name, record_id,
      sealer_.seal(value_.reveal(), {*id, *name, record_id}, boot_milliseconds()),
      core::make_label(value_.reveal(), chars, parts_.last_four_min_length)};
  value_.clear();
  commit(x, std::move(command));
}

void service::remove_secret(exchange& x, core::admitted const& caller) {
  auto const id = core::project_id::parse(x.to.project);
  if (!id) return answer_error(x, errc::not_found);
  auto const state = find_project(caller, *id);
  if (!state) return answer_error(x, state.error());
  auto const permit = core::permit_write(caller, *id, *state);
  if (!permit) return answer_error(x, permit.error());
  auto const name = core::secret_name::parse(x.to.name);
  if (!name) {
    return answer_error(x, errc::validation,
                        body_problem{"key", "must match ^[A-Z][A-Z0-9_]{0,63}$"});
  }
  commit(x, core::remove_secret{*permit, *name});
}

void service::list_projects(exchange& x, core::admitted const& caller) {
  auto const permit = core::permit_list(caller);
  if (!permit) return answer_error(x, permit.error());
  auto const projects = parts_.store.list_projects(*permit);
  if (!projects) return answer_error(x, projects.error());
  append_project_list_body(body_, *projects);
  answer_body(x, 200);
}

void service::show_project(exchange& x, core::admitted const& caller) {
  auto const id = core::project_id::parse(x.to.project);
  if (!id) return answer_error(x, errc::not_found);
  auto const state = find_project(caller, *id);
  if (!state) return answer_error(x, state.error());
  auto const permit = core::permit_read(caller, *id, *state);
  if (!permit) return answer_error(x, permit.error());
  auto const project = parts_.store.show_project(*permit);
  if (!project) return answer_error(x, project.error());
  append_project_body(body_, *project);
  answer_body(x, 200);
}

void service::create_project(exchange& x, core::admitted const& caller) {
  auto const permit = core::permit_admin(caller);
  if (!permit) return answer_error(x, permit.error());
  if (!has_json_body(x)) return;

  std::string name;
  std::string id_text;
  std::uint64_t limit = 0;
  std::array members{body_member{"name", &name}, body_member{"id", &id_text, false},
                     body_member{"secretLimit", &limit, false}};
  auto problem = read_json_body(x.body, members, text_bytes_max);
  if (!problem && !is_display_name(name)) {
    problem = body_problem{"name", "must be 1 to 128 characters without control characters"};
  }
  if (!members[1].seen) id_text = make_uuid();
  auto const id = core::project_id::parse(id_text);
  if (!problem && !id) {
    problem = body_problem{"id", "must match ^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"};
  }
  bool const limit_fits = limit >= 1 && limit <= core::limits::secrets_per_project_max;
  if (!problem && members[2].seen && !limit_fits) {
    problem = body_problem{"secretLimit", "must be between 1 and 100000"};
  }
  if (problem) return answer_error(x, errc::validation, problem);
  commit(x, core::create_project{*permit, *id, std::move(name), static_cast<std::uint32_t>(limit)});
}

void service::delete_project(exchange& x, core::admitted const& caller) {
  auto const id = core::project_id::parse(x.to.project);
  if (!id) {
    auto const permit = core::permit_admin(caller);
    if (!permit) return answer_error(x, errc::not_found);
    append_removed_body(body_, core::removed{false});
    return answer_body(x, 200);
  }
  auto const state = find_project(caller, *id);
  if (!state) return answer_error(x, state.error());
  auto const permit = core::permit_admin_of(caller, *id, *state);
  if (!permit) return answer_error(x, permit.error());
  commit(x, core::delete_project{*permit, *id});
}

void service::list_deliveries(exchange& x, core::admitted const& caller) {
  auto const id = core::project_id::parse(x.to.project);
  if (!id) return answer_error(x, errc::not_found);
  auto const state = find_project(caller, *id);
  if (!state) return answer_error(x, state.error());
  auto const permit = core::permit_read(caller, *id, *state);
  if (!permit) return answer_error(x, permit.error());
  auto const records = parts_.store.list_deliveries(*permit);
  if (!records) return answer_error(x, records.error());
  append_deliveries_body(body_,
                         core::compare_deliveries(*records, core::limits::delivery_lines_max));
  answer_body(x, 200);
}

void service::list_api_keys(exchange& x, core::admitted const& caller) {
  auto const permit = core::permit_admin(caller);
  if (!permit) return answer_error(x, permit.error());
  append_api_key_list_body(body_, parts_.store.list_api_keys(*permit));
  answer_body(x, 200);
}

void service::create_api_key(exchange& x, core::admitted const& caller) {
  auto const permit = core::permit_admin(caller);
  if (!permit) return answer_error(x, permit.error());
  if (!has_json_body(x)) return;

  core::api_key_entry key(make_id<core::api_key_id>());
  text_or_list projects;
  text_or_list permissions;
  std::string expires;
  std::array members{body_member{"name", &key.name}, body_member{"projects", &projects, false},
                     body_member{"permissions", &permissions, false},
                     body_member{"expiresAt", &expires, false}};
  auto problem = read_json_body(x.body, members, text_bytes_max);
  if (!problem && !is_display_name(key.name)) {
    problem = body_problem{"name", "must be 1 to 128 characters without control characters"};
  }
  key.scope.all = !members[1].seen;
  if (!problem && members[1].seen) problem = read_scope(projects, key.scope);
  if (!members[2].seen) {
    key.permissions.add(permission::read);
    key.permissions.add(permission::write);
  } else if (!problem) {
    problem = read_permissions(permissions, key.permissions);
  }
  if (!problem && key.permissions.allows(permission::admin) && !key.scope.all) {
    problem = body_problem{"projects", "must be \"*\" for an API key with admin"};
  }
  if (members[3].seen && !problem) {
    auto const when = core::parse_timestamp(expires);
    if (when && *when > x.now) {
      key.expires = *when;
    } else {
      problem = body_problem{"expiresAt", "must be a time to come, as RFC 3339 writes it"};
    }
  }
  if (problem) return answer_error(x, errc::validation, problem);

  auto raw = core::api_key_text::make_random();
  key.hash = raw.hash(parts_.share.pepper);
  std::copy_n(raw.shown_prefix().begin(), key.shown_prefix.size(), key.shown_prefix.begin());
  commit(x, core::create_api_key{*permit, std::move(key)});
  x.write->raw_key = std::move(raw);
}

void service::revoke_api_key(exchange& x, core::admitted const& caller) {
  auto const permit = core::permit_admin(caller);
  if (!permit) return answer_error(x, permit.error());
  auto const id = core::api_key_id::parse(x.to.name);
  if (!id) return answer_error(x, errc::not_found);
  commit(x, core::revoke_api_key{*permit, *id});
}

}  // namespace tacit::net
