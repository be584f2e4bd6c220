// Changes that share one write. Each is decided against the store plus what the group has already
// decided; then all of them are one WriteBatch: together or not at all.
#pragma once

#include <rocksdb/write_batch.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/crypto.hpp"
#include "core/decide.hpp"
#include "core/store.hpp"
#include "kv/database.hpp"
#include "kv/generations.hpp"

namespace tacit::kv {

// What the commit thread knows of a project and of a secret without asking the store.
struct known_project {
  std::optional<core::counter_row> counters;  // none: no such project
  std::uint32_t secret_limit = 0;
};
using known_projects = std::unordered_map<core::project_id, known_project>;
// By the secret's key in the store; without labels. None: no such secret.
using known_secrets = std::unordered_map<std::string, std::optional<core::secret_row>>;

// What earlier groups have read and written. Only the commit thread writes, so it is never stale.
struct commit_memory {
  known_projects projects;
  known_secrets secrets;
};

// What a group needs to know besides the store.
struct commit_context {
  database const& store;
  commit_memory const& memory;
  core::row_keys const& keys;
  std::uint32_t secrets_per_project;        // for projects without a limit of their own
  core::api_key_directory const& api_keys;  // as of the last group
};

// One thread, one use: apply() each change, finish(), write batch().
class commit_group {
 public:
  commit_group(commit_context const& context, std::uint64_t sequence, core::timestamp now);

  // Sets asked.came_of. The outcome holds once the batch is on disk.
  void apply(core::change& asked);

  // Adds the counters of every project touched, and the sequence. Call once, after the last apply.
  // Returns what the batch changes, for whoever keeps what was read.
  [[nodiscard]] generations::pending finish();

  // The projects whose revision is another after this group, and those that it deletes.
  [[nodiscard]] std::vector<core::project_id> changed_projects() const;

  [[nodiscard]] rocksdb::WriteBatch& batch() noexcept { return batch_; }
  // About what the batch will have.
  [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }
  // The last number given out.
  [[nodiscard]] std::uint64_t sequence() const noexcept { return sequence_; }
  // The API keys after this group, when it changed them. Published once the batch is on disk.
  [[nodiscard]] std::shared_ptr<core::api_key_directory> const& new_api_keys() const noexcept {
    return new_api_keys_;
  }
  // Adds what the group has read and decided to what is known. Call last. It is true once the batch
  // is on disk; when that fails, nothing may be decided on top of it.
  void remember_in(commit_memory& memory);

 private:
  struct project_state : known_project {
    bool changed = false;
    bool made_or_deleted = false;
    bool secrets_touched = false;  // some of its secrets are in secrets_
  };

  core::result<core::outcome> run(core::upsert_secret& asked);
  core::result<core::outcome> run(core::remove_secret& asked);
  core::result<core::outcome> run(core::create_project& asked);
  core::result<core::outcome> run(core::delete_project& asked);
  core::result<core::outcome> run(core::create_api_key& asked);
  core::result<core::outcome> run(core::revoke_api_key& asked);

  // A secret as the group leaves it, and what is stored of it until then. Only the last of several
  // changes is written.
  struct touched_secret {
    std::optional<core::secret_row> row;
    bool is_stored = false;
    std::string const* sealed_value = nullptr;  // of the change that made the row; null: as stored
    bool changed = false;
  };

  core::result<project_state*> load_project(core::project_id const& id);
  core::result<touched_secret*> load_secret(project_state& project, std::string const& key);
  void write_secret(std::string const& key, touched_secret const& secret);
  core::result<void> remove_rows_of(core::project_id const& id, project_state const& project);
  void remove_from_scopes(core::project_id const& id);
  [[nodiscard]] core::api_key_directory const& api_keys() const noexcept;
  core::api_key_directory& api_keys_to_change();
  void put_api_key(core::api_key_entry const& key);
  [[nodiscard]] core::write_moment next_moment() noexcept { return {now_, ++sequence_}; }

  commit_context const& context_;
  std::uint64_t sequence_;
  core::timestamp now_;
  rocksdb::WriteBatch batch_;
  std::unordered_map<core::project_id, project_state> projects_;
  std::unordered_map<std::string, touched_secret> secrets_;  // by key in the store
  std::size_t bytes_ = 0;
  std::shared_ptr<core::api_key_directory> new_api_keys_;
};

// What an error of the engine means to whoever asked.
[[nodiscard]] core::errc translate(rocksdb::Status const& status) noexcept;

}  // namespace tacit::kv
