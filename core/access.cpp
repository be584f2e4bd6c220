#include "core/access.hpp"

namespace tacit::core {

namespace {

std::optional<errc> refusal(caller const& who, project_id const& project, project_state state,
                            permission needed) {
  if (state == project_state::absent || !who.sees(project)) return errc::not_found;
  if (!who.allows(needed)) return errc::forbidden;
  return std::nullopt;
}

}  // namespace

result<caller> caller::from_api_key(std::shared_ptr<api_key_entry const> found,
                                    timestamp now) noexcept {
  if (found == nullptr) return errc::unauthorized;
  std::optional<timestamp> const& expires = found->expires;
  if (expires && *expires <= now) return errc::unauthorized;
  return caller(std::move(found));
}

bool caller::sees(project_id const& project) const noexcept {
  return key_ == nullptr || key_->scope.contains(project);
}

bool caller::allows(permission which) const noexcept {
  return key_ == nullptr || key_->permissions.allows(which);
}

admission::admission(caller who, rate_limiter& limiter, bucket_kind kind,
                     std::uint64_t now_nanoseconds) {
  if (api_key_entry const* const key = who.api_key()) {
    rate = limiter.take(key->slot, kind, now_nanoseconds);
    if (!rate->admitted) return;
  }
  granted = admitted(std::move(who));
}

result<read_permit> permit_read(admitted const& caller, project_id const& project,
                                project_state state) noexcept {
  if (auto const no = refusal(caller.who(), project, state, permission::read)) return *no;
  return read_permit(project);
}

result<write_permit> permit_write(admitted const& caller, project_id const& project,
                                  project_state state) noexcept {
  if (auto const no = refusal(caller.who(), project, state, permission::write)) return *no;
  return write_permit(project);
}

result<list_permit> permit_list(admitted const& caller) noexcept {
  if (!caller.who().allows(permission::read)) return errc::forbidden;
  api_key_entry const* const key = caller.who().api_key();
  return list_permit(key == nullptr || key->scope.all ? nullptr : &key->scope);
}

result<admin_permit> permit_admin(admitted const& caller) noexcept {
  if (!caller.who().allows(permission::admin)) return errc::forbidden;
  api_key_entry const* const key = caller.who().api_key();
  return admin_permit(key == nullptr ? std::nullopt : std::optional(key->id));
}

result<admin_permit> permit_admin_of(admitted const& caller, project_id const& project,
                                     project_state state) noexcept {
  auto const permit = permit_admin(caller);
  if (permit) return permit;
  if (auto const no = refusal(caller.who(), project, state, permission::admin)) return *no;
  return permit;
}

}  // namespace tacit::core
