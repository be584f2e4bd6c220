#include "kv/commit_group.hpp"

#include <algorithm>
#include <vector>

#include "core/record.hpp"

namespace tacit::kv {

using core::errc;
using core::family;
using core::outcome;
using core::result;

namespace {

constexpr std::size_t batch_reserved_bytes = 16 * 1024;
constexpr std::size_t batch_protection_bytes = 8;

// The lowest slot that no API key has.
std::optional<std::uint16_t> free_slot(core::api_key_directory const& keys) {
  std::vector<bool> taken(core::limits::api_keys_max);
  for (auto const& [hash, key] : keys.keys) taken[key->slot] = true;
  auto const free = std::find(taken.begin(), taken.end(), false);
  if (free == taken.end()) return std::nullopt;
  return static_cast<std::uint16_t>(free - taken.begin());
}

core::secret_row without_label(core::secret_row const& row) {
  return {row.version, row.created, row.updated, row.record_id, {}};
}

}  // namespace

errc translate(rocksdb::Status const& status) noexcept {
  if (status.IsNoSpace()) return errc::storage_full;
  if (status.IsCorruption()) return errc::corrupt;
  return errc::unavailable;
}

commit_group::commit_group(commit_context const& context, std::uint64_t sequence,
                           core::timestamp now)
    : context_(context),
      sequence_(sequence),
      now_(now),
      batch_(batch_reserved_bytes, 0, batch_protection_bytes, 0) {}

void commit_group::apply(core::change& asked) {
  asked.came_of = std::visit([this](auto& what) { return run(what); }, asked.what);
}

result<commit_group::project_state*> commit_group::load_project(core::project_id const& id) {
  auto const known = projects_.find(id);
  if (known != projects_.end()) return &known->second;

  project_state state;
  auto const remembered = context_.memory.projects.find(id);
  if (remembered != context_.memory.projects.end()) {
    static_cast<known_project&>(state) = remembered->second;
    return &projects_.emplace(id, state).first->second;
  }
  std::string row;
  auto& engine = context_.store.engine();
  std::string named;
  auto const counted =
      engine.Get({}, context_.store.in(family::counters), as_slice(id.text()), &row);
  if (!counted.ok() && !counted.IsNotFound()) return translate(counted);
  auto const found =
      engine.Get({}, context_.store.in(family::projects), as_slice(id.text()), &named);
  if (!found.ok() && !found.IsNotFound()) return translate(found);
  if (counted.ok() != found.ok()) return errc::corrupt;  // half of it is there
  if (counted.ok()) {
    auto const counters = core::decode_counters(context_.keys, {family::counters, id.text()}, row);
    if (!counters) return counters.error();
    state.counters = *counters;
    auto const project = core::decode_project(context_.keys, {family::projects, id.text()}, named);
    if (!project) return project.error();
    state.secret_limit =
        project->secret_limit == 0 ? context_.secrets_per_project : project->secret_limit;
  }
  return &projects_.emplace(id, state).first->second;
}

result<commit_group::touched_secret*> commit_group::load_secret(project_state& project,
                                                                std::string const& key) {
  project.secrets_touched = true;
  auto const known = secrets_.find(key);
  if (known != secrets_.end()) return &known->second;

  touched_secret secret;
  auto const remembered = context_.memory.secrets.find(key);
  if (remembered != context_.memory.secrets.end()) {
    std::optional<core::secret_row> const& row = remembered->second;
    if (row) secret.row = without_label(*row);
  } else {
    std::string row;
    auto const status =
        context_.store.engine().Get({}, context_.store.in(family::secrets), key, &row);
    if (!status.ok() && !status.IsNotFound()) return translate(status);
    if (status.ok()) {
      auto const decoded = core::decode_secret(context_.keys, {family::secrets, key}, row);
      if (!decoded) return decoded.error();
      secret.row = without_label(*decoded);
    }
  }
  secret.is_stored = secret.row.has_value();
  return &secrets_.emplace(key, std::move(secret)).first->second;
}

result<outcome> commit_group::run(core::upsert_secret& asked) {
  core::project_id const& id = asked.permit.project();
  auto const project = load_project(id);
  if (!project) return project.error();
  auto const loaded = load_secret(**project, core::secret_key_of(id, asked.name));
  if (!loaded) return loaded.error();
  touched_secret& secret = **loaded;

  auto decided = core::decide_upsert((*project)->counters, secret.row ? &*secret.row : nullptr,
                                     (*project)->secret_limit, next_moment());
  if (!decided) return decided.error();
  core::secret_row& row = decided->secret;
  row.record_id = asked.record_id;
  row.last_four = std::move(asked.last_four);
  core::secret_entry entry{asked.name, row.version, row.created, row.updated, row.last_four.copy()};
  secret.row = std::move(row);
  secret.sealed_value = &asked.sealed_value;
  secret.changed = true;
  bytes_ += asked.sealed_value.size();
  (*project)->counters = decided->counters;
  (*project)->changed = true;
  return outcome(std::move(entry));
}

result<outcome> commit_group::run(core::remove_secret& asked) {
  core::project_id const& id = asked.permit.project();
  auto const project = load_project(id);
  if (!project) return project.error();
  auto const loaded = load_secret(**project, core::secret_key_of(id, asked.name));
  if (!loaded) return loaded.error();
  touched_secret& secret = **loaded;

  auto const decided =
      core::decide_remove((*project)->counters, secret.row ? &*secret.row : nullptr, next_moment());
  if (!decided) return decided.error();
  if (!secret.row) return outcome(core::removed{false});
  secret.row.reset();
  secret.sealed_value = nullptr;
  secret.changed = true;
  (*project)->counters = *decided;
  (*project)->changed = true;
  return outcome(core::removed{true});
}

void commit_group::write_secret(std::string const& key, touched_secret const& secret) {
  auto* const values = context_.store.in(family::values);
  auto* const secrets = context_.store.in(family::secrets);
  if (secret.row && secret.sealed_value != nullptr) {
    batch_.Put(values, key, *secret.sealed_value);
    batch_.Put(secrets, key,
               core::encode_secret(context_.keys, {family::secrets, key}, *secret.row));
  } else if (secret.is_stored) {
    batch_.Delete(values, key);
    batch_.Delete(secrets, key);
  }
}

result<outcome> commit_group::run(core::create_project& asked) {
  auto const project = load_project(asked.id);
  if (!project) return project.error();
  if ((*project)->counters) return errc::conflict;

  core::project_row const row{asked.name, asked.secret_limit, now_};
  batch_.Put(context_.store.in(family::projects), as_slice(asked.id.text()),
             core::encode_project(context_.keys, {family::projects, asked.id.text()}, row));
  core::write_moment const moment = next_moment();
  std::uint32_t const limit =
      asked.secret_limit == 0 ? context_.secrets_per_project : asked.secret_limit;
  (*project)->counters = core::counter_row{0, moment.sequence, moment.now};
  (*project)->secret_limit = limit;
  (*project)->changed = true;
  (*project)->made_or_deleted = true;
  return outcome(core::project_entry{asked.id, asked.name, 0, limit, now_, now_});
}

// Its secrets are removed as if one by one: those that are stored, and those that only the group
// knows. All or nothing: when a row cannot be read, everything stays.
result<void> commit_group::remove_rows_of(core::project_id const& id,
                                          project_state const& project) {
  std::string const prefix = core::secrets_prefix_of(id);
  std::vector<std::string> secrets;
  std::vector<std::string> receipts;
  for (family const which : {family::secrets, family::values, family::deliveries}) {
    auto& keys = which == family::deliveries ? receipts : secrets;
    std::unique_ptr<rocksdb::Iterator> const rows(
        context_.store.engine().NewIterator({}, context_.store.in(which)));
    for (rows->Seek(prefix); rows->Valid() && rows->key().starts_with(prefix); rows->Next()) {
      keys.push_back(rows->key().ToString());
    }
    if (!rows->status().ok()) return translate(rows->status());
  }
  for (std::string& key : secrets) {
    bytes_ += key.size();
    secrets_[std::move(key)] = {std::nullopt, true, nullptr, true};
  }
  if (project.secrets_touched) {
    for (auto& [key, secret] : secrets_) {
      if (key.starts_with(prefix)) secret = {std::nullopt, secret.is_stored, nullptr, true};
    }
  }
  for (std::string const& key : receipts) {
    bytes_ += key.size();
    batch_.Delete(context_.store.in(family::deliveries), key);
  }
  return {};
}

core::api_key_directory const& commit_group::api_keys() const noexcept {
  return new_api_keys_ ? *new_api_keys_ : context_.api_keys;
}

core::api_key_directory& commit_group::api_keys_to_change() {
  if (!new_api_keys_) new_api_keys_ = std::make_shared<core::api_key_directory>(context_.api_keys);
  return *new_api_keys_;
}

void commit_group::put_api_key(core::api_key_entry const& key) {
  batch_.Put(context_.store.in(family::api_keys), as_slice(key.id.text()),
             core::encode_api_key(context_.keys, {family::api_keys, key.id.text()}, key));
}

void commit_group::remove_from_scopes(core::project_id const& id) {
  std::vector<std::shared_ptr<core::api_key_entry const>> with_it;
  for (auto const& [hash, key] : api_keys().keys) {
    auto const& projects = key->scope.projects;
    if (std::binary_search(projects.begin(), projects.end(), id)) with_it.push_back(key);
  }
  for (auto const& key : with_it) {
    auto without = std::make_shared<core::api_key_entry>(*key);
    std::erase(without->scope.projects, id);
    put_api_key(*without);
    api_keys_to_change().keys[key->hash] = std::move(without);
  }
}

result<outcome> commit_group::run(core::delete_project& asked) {
  auto const project = load_project(asked.id);
  if (!project) return project.error();
  if (!(*project)->counters) return outcome(core::removed{false});

  auto const removed = remove_rows_of(asked.id, **project);
  if (!removed) return removed.error();
  batch_.Delete(context_.store.in(family::projects), as_slice(asked.id.text()));
  batch_.Delete(context_.store.in(family::counters), as_slice(asked.id.text()));
  remove_from_scopes(asked.id);
  (*project)->counters.reset();
  (*project)->changed = true;
  (*project)->made_or_deleted = true;
  return outcome(core::removed{true});
}

result<outcome> commit_group::run(core::create_api_key& asked) {
  // Here, and not before: a project that is deleted and made again is another one.
  for (core::project_id const& id : asked.key.scope.projects) {
    auto const project = load_project(id);
    if (!project) return project.error();
    if (!(*project)->counters) return errc::validation;
  }
  auto const slot = free_slot(api_keys());
  if (!slot) return errc::conflict;
  core::api_key_entry key = asked.key;
  key.slot = *slot;
  key.created = now_;
  put_api_key(key);
  api_keys_to_change().keys.insert_or_assign(key.hash, std::make_shared<core::api_key_entry>(key));
  return outcome(std::move(key));
}

result<outcome> commit_group::run(core::revoke_api_key& asked) {
  if (asked.permit.in_use() == asked.id) return errc::validation;
  auto const& keys = api_keys().keys;
  auto const found = std::find_if(keys.begin(), keys.end(), [&](auto const& hash_and_key) {
    return hash_and_key.second->id == asked.id;
  });
  if (found == keys.end()) return errc::not_found;
  batch_.Delete(context_.store.in(family::api_keys), as_slice(asked.id.text()));
  api_keys_to_change().keys.erase(core::api_key_hash(found->first));
  return outcome(core::revoked{});
}

generations::pending commit_group::finish() {
  for (auto const& [key, secret] : secrets_) {
    if (secret.changed) write_secret(key, secret);
  }
  generations::pending changes;
  for (auto const& [id, project] : projects_) {
    if (!project.changed) continue;
    changes.note(id);
    if (project.made_or_deleted) changes.note_set();
    if (!project.counters) continue;
    batch_.Put(
        context_.store.in(family::counters), as_slice(id.text()),
        core::encode_counters(context_.keys, {family::counters, id.text()}, *project.counters));
  }
  if (batch_.Count() > 0) {
    batch_.Put(context_.store.in(family::meta), "sequence",
               core::encode_sequence(context_.keys, {family::meta, "sequence"}, sequence_));
  }
  return changes;
}

std::vector<core::project_id> commit_group::changed_projects() const {
  std::vector<core::project_id> changed;
  for (auto const& [id, project] : projects_) {
    if (project.changed) changed.push_back(id);
  }
  return changed;
}

void commit_group::remember_in(commit_memory& memory) {
  constexpr std::size_t projects_max = 8192;
  constexpr std::size_t secrets_max = 32'768;
  if (memory.secrets.size() + secrets_.size() > secrets_max) memory.secrets.clear();
  if (memory.projects.size() + projects_.size() > projects_max) memory.projects.clear();
  for (auto const& [id, project] : projects_) memory.projects.insert_or_assign(id, project);
  if (secrets_.size() > secrets_max) return;  // a large project was deleted
  for (auto& [key, secret] : secrets_) {
    std::optional<core::secret_row> row;
    if (secret.row) row = without_label(*secret.row);
    memory.secrets.insert_or_assign(key, std::move(row));
  }
}

}  // namespace tacit::kv
