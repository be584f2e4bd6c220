// Who asks, and what they may do. A permit can only be had from the checks below, and the store's
// operations take permits: a request that skipped a check does not compile.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "core/api_key.hpp"
#include "core/error.hpp"
#include "core/name.hpp"
#include "core/rate_limiter.hpp"

namespace tacit::core {

// An API key that was found and is valid now, or the local owner (the user that runs tacit, or
// root, known by the kernel's credentials of a Unix socket), who may do everything.
class caller {
 public:
  [[nodiscard]] static caller local_owner() noexcept { return caller(nullptr); }
  // errc::unauthorized when there is no such key or it has expired.
  [[nodiscard]] static result<caller> from_api_key(std::shared_ptr<api_key_entry const> found,
                                                   timestamp now) noexcept;

  // Null for the local owner.
  [[nodiscard]] api_key_entry const* api_key() const noexcept { return key_.get(); }
  [[nodiscard]] std::shared_ptr<api_key_entry const> const& shared_api_key() const noexcept {
    return key_;
  }
  [[nodiscard]] bool sees(project_id const& project) const noexcept;
  [[nodiscard]] bool allows(permission which) const noexcept;

 private:
  explicit caller(std::shared_ptr<api_key_entry const> key) noexcept : key_(std::move(key)) {}
  std::shared_ptr<api_key_entry const> key_;
};

// A caller whose rate limit had a token for this request.
class admitted {
 public:
  [[nodiscard]] caller const& who() const noexcept { return who_; }

 private:
  friend struct admission;
  explicit admitted(caller who) noexcept : who_(std::move(who)) {}
  caller who_;
};

struct admission {
  // Takes a token of the caller's bucket; the local owner has no limit and no state.
  admission(caller who, rate_limiter& limiter, bucket_kind kind, std::uint64_t now_nanoseconds);

  std::optional<rate_state> rate;
  std::optional<admitted> granted;  // nothing when the bucket is empty
};

enum class project_state { absent, present };

// May read this project's metadata.
class read_permit {
 public:
  [[nodiscard]] project_id const& project() const noexcept { return project_; }

 private:
  friend result<read_permit> permit_read(admitted const&, project_id const&,
                                         project_state) noexcept;
  explicit read_permit(project_id const& project) noexcept : project_(project) {}
  project_id project_;
};

// May add, change and remove this project's secrets.
class write_permit {
 public:
  [[nodiscard]] project_id const& project() const noexcept { return project_; }

 private:
  friend result<write_permit> permit_write(admitted const&, project_id const&,
                                           project_state) noexcept;
  explicit write_permit(project_id const& project) noexcept : project_(project) {}
  project_id project_;
};

// May list projects: those in its scope.
class list_permit {
 public:
  // Null means all.
  [[nodiscard]] project_scope const* scope() const noexcept { return scope_; }

 private:
  friend result<list_permit> permit_list(admitted const&) noexcept;
  explicit list_permit(project_scope const* scope) noexcept : scope_(scope) {}
  project_scope const* scope_;  // the caller's; the caller outlives the permit
};

// May manage projects and API keys.
class admin_permit {
 public:
  // The API key in use, which must not revoke itself. None for the local owner.
  [[nodiscard]] std::optional<api_key_id> const& in_use() const noexcept { return in_use_; }

 private:
  friend result<admin_permit> permit_admin(admitted const&) noexcept;
  friend result<admin_permit> permit_admin_of(admitted const&, project_id const&,
                                              project_state) noexcept;
  explicit admin_permit(std::optional<api_key_id> in_use) noexcept : in_use_(in_use) {}
  std::optional<api_key_id> in_use_;
};

// errc::not_found when the project is absent or out of the caller's scope (the two look alike),
// then errc::forbidden without the permission.
[[nodiscard]] result<read_permit> permit_read(admitted const& caller, project_id const& project,
                                              project_state state) noexcept;
[[nodiscard]] result<write_permit> permit_write(admitted const& caller, project_id const& project,
                                                project_state state) noexcept;
// errc::forbidden without the permission.
[[nodiscard]] result<list_permit> permit_list(admitted const& caller) noexcept;
[[nodiscard]] result<admin_permit> permit_admin(admitted const& caller) noexcept;
// The same for one project: who may not manage it hears errc::not_found first when it is absent or
// out of scope. Who may, may also when it is absent.
[[nodiscard]] result<admin_permit> permit_admin_of(admitted const& caller,
                                                   project_id const& project,
                                                   project_state state) noexcept;

}  // namespace tacit::core
