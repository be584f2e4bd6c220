#include "kv/store.hpp"

#include <sys/statvfs.h>

#include <algorithm>
#include <span>

namespace tacit::kv {

using core::errc;
using core::family;
using core::result;

namespace {

constexpr std::int64_t last_use_resolution_milliseconds = 1000;

}  // namespace

// RAII around RocksDB's snapshot, so that all reads of an answer see one moment. The database stays
// open as long. While there is none, all reads are errc::unavailable.
class store::snapshot {
 public:
  explicit snapshot(store const& of) : lock_(of.database_mutex_), store_(of.database_.get()) {
    if (store_ != nullptr) options_.snapshot = store_->engine().GetSnapshot();
  }
  ~snapshot() {
    if (store_ != nullptr) store_->engine().ReleaseSnapshot(options_.snapshot);
  }
  snapshot(snapshot const&) = delete;
  snapshot& operator=(snapshot const&) = delete;

  // errc::not_found when there is no such row.
  result<std::string> get(family in, std::string_view key) const {
    if (store_ == nullptr) return errc::unavailable;
    std::string row;
    auto const status = store_->engine().Get(options_, store_->in(in), as_slice(key), &row);
    if (status.IsNotFound()) return errc::not_found;
    if (!status.ok()) return translate(status);
    return row;
  }

  // Whether any row has a key with the prefix.
  result<bool> any(family in, std::string_view prefix) const {
    bool found = false;
    auto const scanned = scan(in, prefix, [&](std::string_view, std::string_view) -> result<void> {
      found = true;
      return errc::conflict;  // enough
    });
    if (!scanned && !found) return scanned.error();
    return found;
  }

  // Why there are no counters: errc::not_found when there is nothing else of the project either,
  // errc::corrupt when there is.
  errc why_not_there(core::project_id const& id) const {
    auto const project = get(family::projects, id.text());
    if (project) return errc::corrupt;
    if (project.error() != errc::not_found) return project.error();
    for (family const rows : {family::secrets, family::values}) {
      auto const left = any(rows, core::secrets_prefix_of(id));
      if (!left) return left.error();
      if (*left) return errc::corrupt;
    }
    return errc::not_found;
  }

  // Calls `visit(key, row)` for each row whose key has the prefix, in order, until it returns an
  // error.
  template <typename Visit>
  result<void> scan(family in, std::string_view prefix, Visit&& visit) const {
    if (store_ == nullptr) return errc::unavailable;
    // Told where to end, RocksDB does not read the block behind.
    std::string end(prefix);
    if (!end.empty()) ++end.back();  // '/', as core::secrets_prefix_of
    rocksdb::Slice const bound(end);
    rocksdb::ReadOptions options = options_;
    if (!end.empty()) options.iterate_upper_bound = &bound;
    std::unique_ptr<rocksdb::Iterator> const rows(
        store_->engine().NewIterator(options, store_->in(in)));
    for (rows->Seek(as_slice(prefix)); rows->Valid(); rows->Next()) {
      auto const visited = visit(as_text(rows->key()), as_text(rows->value()));
      if (!visited) return visited.error();
    }
    if (!rows->status().ok()) return translate(rows->status());
    return {};
  }

  result<core::counter_row> counters(core::row_keys const& keys, core::project_id const& id) const {
    auto const row = get(family::counters, id.text());
    if (!row) return row.error() == errc::not_found ? why_not_there(id) : row.error();
    return core::decode_counters(keys, {family::counters, id.text()}, *row);
  }

 private:
  std::shared_lock<std::shared_mutex> lock_;
  database const* store_;
  rocksdb::ReadOptions options_;
};

store::store(std::unique_ptr<database> opened, store_parts const& parts,
             std::uint32_t secrets_per_project)
    : place_(opened->place()),
      database_(std::move(opened)),
      parts_(parts),
      secrets_per_project_(secrets_per_project) {
  load_sequence();
  api_keys_ = read_api_keys();
}

void store::load_sequence() {
  snapshot const now(*this);
  auto const row = now.get(family::meta, "sequence");
  if (!row && row.error() == errc::not_found) return;
  auto const number =
      row ? core::decode_sequence(parts_.keys, {family::meta, "sequence"}, *row) : row.error();
  if (!number) throw open_failure(explain_damage(place_.folder, "the number of its last change"));
  sequence_ = *number;
}

std::shared_ptr<core::api_key_directory const> store::read_api_keys() const {
  auto directory = std::make_shared<core::api_key_directory>();
  snapshot const now(*this);
  auto const read = now.scan(
      family::api_keys, "", [&](std::string_view key, std::string_view row) -> result<void> {
        auto entry = core::decode_api_key(parts_.keys, {family::api_keys, key}, row);
        if (!entry) return entry.error();
        auto const hash = entry->hash;
        directory->keys.emplace(hash, std::make_shared<core::api_key_entry>(std::move(*entry)));
        return {};
      });
  if (!read) throw open_failure(explain_damage(place_.folder, "an API key"));
  return directory;
}

result<core::project_state> store::find_project(core::project_id const& id) const {
  snapshot const now(*this);
  auto const row = now.get(family::counters, id.text());
  if (row) return core::project_state::present;
  errc const why = row.error() == errc::not_found ? now.why_not_there(id) : row.error();
  if (why != errc::not_found) return why;
  return core::project_state::absent;
}

result<core::secret_list> store::list_secrets(core::read_permit const& permit) const {
  core::project_id const& id = permit.project();
  snapshot const now(*this);
  auto const counters = now.counters(parts_.keys, id);
  if (!counters) return counters.error();

  core::secret_list list{counters->revision, {}};
  list.secrets.reserve(counters->secrets);
  std::string const prefix = core::secrets_prefix_of(id);
  auto const read = now.scan(
      family::secrets, prefix, [&](std::string_view key, std::string_view bytes) -> result<void> {
        auto row = core::decode_secret(parts_.keys, {family::secrets, key}, bytes);
        if (!row) return row.error();
        auto const name = core::secret_name::parse(key.substr(prefix.size()));
        if (!name) return errc::corrupt;
        list.secrets.push_back(
            {*name, row->version, row->created, row->updated, std::move(row->last_four)});
        return {};
      });
  if (!read) return read.error();
  if (list.secrets.size() != counters->secrets) return errc::corrupt;
  return list;
}

result<core::project_entry> store::describe_project(core::project_id const& id,
                                                    std::string_view row) const {
  auto project = core::decode_project(parts_.keys, {family::projects, id.text()}, row);
  if (!project) return project.error();
  return core::project_entry{
      id,
      std::move(project->name),
      0,
      project->secret_limit == 0 ? secrets_per_project_ : project->secret_limit,
      project->created,
      project->created};
}

result<core::project_entry> store::show_project(core::read_permit const& permit) const {
  core::project_id const& id = permit.project();
  snapshot const now(*this);
  auto const counters = now.counters(parts_.keys, id);
  if (!counters) return counters.error();
  auto const row = now.get(family::projects, id.text());
  if (!row) return row.error() == errc::not_found ? errc::corrupt : row.error();
  auto entry = describe_project(id, *row);
  if (!entry) return entry.error();
  entry->secret_count = counters->secrets;
  entry->updated = counters->updated;
  return entry;
}

result<std::vector<core::project_entry>> store::list_projects(
    core::list_permit const& permit) const {
  std::vector<core::project_entry> entries;
  snapshot const now(*this);
  auto const add = [&](std::string_view key, std::string_view row) -> result<void> {
    auto const id = core::project_id::parse(key);
    if (!id) return errc::corrupt;
    if (permit.scope() != nullptr && !permit.scope()->contains(*id)) return {};
    auto entry = describe_project(*id, row);
    if (!entry) return entry.error();
    auto const counters = now.counters(parts_.keys, *id);
    if (!counters) return counters.error();
    entry->secret_count = counters->secrets;
    entry->updated = counters->updated;
    entries.push_back(std::move(*entry));
    return {};
  };
  if (permit.scope() == nullptr) {
    auto const read = now.scan(family::projects, "", add);
    if (!read) return read.error();
    std::size_t counted = 0;
    auto const count = [&](std::string_view, std::string_view) -> result<void> {
      ++counted;
      return {};
    };
    auto const scanned = now.scan(family::counters, "", count);
    if (!scanned) return scanned.error();
    if (counted != entries.size()) return errc::corrupt;  // one has counters alone
    return entries;
  }
  for (core::project_id const& id : permit.scope()->projects) {
    auto const row = now.get(family::projects, id.text());
    if (!row && row.error() == errc::not_found) {
      auto const counters = now.get(family::counters, id.text());
      if (counters) return errc::corrupt;
      if (counters.error() == errc::not_found) continue;
      return counters.error();
    }
    if (!row) return row.error();
    auto const added = add(id.text(), *row);
    if (!added) return added.error();
  }
  return entries;
}

result<core::delivery_records> store::list_deliveries(core::read_permit const& permit) const {
  core::project_id const& id = permit.project();
  snapshot const now(*this);
  auto const counters = now.counters(parts_.keys, id);
  if (!counters) return counters.error();

  core::delivery_records records;
  std::string const prefix = core::secrets_prefix_of(id);
  auto const secrets = now.scan(
      family::secrets, prefix, [&](std::string_view key, std::string_view bytes) -> result<void> {
        auto const row = core::decode_secret(parts_.keys, {family::secrets, key}, bytes);
        if (!row) return row.error();
        auto const name = core::secret_name::parse(key.substr(prefix.size()));
        if (!name) return errc::corrupt;
        records.stored.emplace_back(*name, row->version);
        return {};
      });
  if (!secrets) return secrets.error();
  auto const receipts =
      now.scan(family::deliveries, prefix,
               [&](std::string_view key, std::string_view bytes) -> result<void> {
                 auto row = core::decode_receipt(parts_.keys, {family::deliveries, key}, bytes);
                 if (!row) return row.error();
                 records.receipts.push_back(std::move(*row));
                 return {};
               });
  if (!receipts) return receipts.error();
  return records;
}

std::vector<core::api_key_entry> store::list_api_keys(core::admin_permit const&) const {
  std::vector<core::api_key_entry> entries;
  auto const directory = api_keys();
  for (auto const& [hash, key] : directory->keys) {
    entries.push_back(*key);
    auto const used = last_used_[key->slot].load(std::memory_order_relaxed);
    if (used != 0) entries.back().last_used = core::timestamp{used};
  }
  std::sort(entries.begin(), entries.end(), [](auto const& a, auto const& b) {
    return std::tie(a.created, a.id) < std::tie(b.created, b.id);
  });
  return entries;
}

std::uint64_t store::project_set_generation() const noexcept { return generations_.of_set(); }

std::uint64_t store::project_generation(core::project_id const& id) const noexcept {
  return generations_.of(id);
}

std::uint64_t store::api_key_generation() const noexcept {
  return api_key_generation_.load(std::memory_order_acquire);
}

std::shared_ptr<core::api_key_directory const> store::api_keys() const {
  std::lock_guard const lock(api_keys_mutex_);
  return api_keys_;
}

void store::publish(std::shared_ptr<core::api_key_directory const> keys,
                    core::api_key_directory const& before) {
  for (auto const& [hash, key] : keys->keys) {
    if (before.keys.contains(hash)) continue;
    // A new key: its slot may have been another's.
    parts_.limiter.clear(key->slot);
    last_used_[key->slot].store(0, std::memory_order_relaxed);
  }
  std::lock_guard const lock(api_keys_mutex_);
  api_keys_ = std::move(keys);
  api_key_generation_.fetch_add(1, std::memory_order_release);
}

void store::note_use(core::api_key_entry const& key, core::timestamp now) noexcept {
  auto& used = last_used_[key.slot];
  auto const before = used.load(std::memory_order_relaxed);
  if (now.unix_milliseconds - before < last_use_resolution_milliseconds) return;
  used.store(now.unix_milliseconds, std::memory_order_relaxed);
}

void store::write_last_uses() {
  if (!is(writer_state::takes) || !has_room()) return;  // also: there may be no database
  auto const before = api_keys();
  auto updated = std::make_shared<core::api_key_directory>(*before);
  rocksdb::WriteBatch batch;
  for (auto& [hash, key] : updated->keys) {
    auto const used = last_used_[key->slot].load(std::memory_order_relaxed);
    auto const written = key->last_used.value_or(core::timestamp{0});
    if (written.unix_milliseconds >= used) continue;
    auto entry = std::make_shared<core::api_key_entry>(*key);
    entry->last_used = core::timestamp{used};
    batch.Put(database_->in(family::api_keys), as_slice(entry->id.text()),
              core::encode_api_key(parts_.keys, {family::api_keys, entry->id.text()}, *entry));
    key = std::move(entry);
  }
  if (batch.Count() == 0) return;
  // Not synced: nobody was told. It becomes durable with the next write that is.
  auto const written = database_->engine().Write({}, &batch);
  if (!written.ok()) return note_failure(written);
  publish(std::move(updated), *before);
}

result<void> store::submit(core::change& asked) {
  if (is(writer_state::failed)) return errc::unavailable;
  return queue_.push(asked);
}

void store::note_deliveries(std::vector<core::receipt> receipts) {
  {
    std::lock_guard const lock(receipts_mutex_);
    for (core::receipt& one : receipts) receipts_.add(std::move(one));
  }
  queue_.wake();
}

void store::note_epoch_mark(std::string mark) {
  {
    std::lock_guard const lock(receipts_mutex_);
    epoch_mark_ = std::move(mark);
  }
  queue_.wake();
}

result<std::string> store::epoch_mark() const {
  std::shared_lock const lock(database_mutex_);
  if (database_ == nullptr) return errc::unavailable;
  std::string row;
  auto const status = database_->engine().Get({}, database_->in(family::meta), "mark", &row);
  if (status.IsNotFound()) return std::string();
  if (!status.ok()) return translate(status);
  return row;
}

bool store::writable() const noexcept { return is(writer_state::takes) && has_room(); }

bool store::has_room() const noexcept {
  struct statvfs about{};
  if (::statvfs(place_.folder.c_str(), &about) != 0) return false;
  std::uint64_t const free = about.f_bavail * about.f_frsize;
  bool const room = free >= core::limits::storage_reserve_bytes &&
                    (about.f_files == 0 || about.f_favail >= core::limits::storage_reserve_files);
  if (full_.exchange(!room, std::memory_order_relaxed) == room) {
    parts_.log.write(core::severity::warn,
                     room ? "there is room on the disk again: writes go on"
                          : "the disk is almost full: writes are refused, reads go on",
                     {{"free_bytes", static_cast<std::int64_t>(free)},
                      {"reserve_bytes", std::int64_t{core::limits::storage_reserve_bytes}},
                      {"free_files", static_cast<std::int64_t>(about.f_favail)}});
  }
  return room;
}

void store::watch(core::project_id const& id, std::uint64_t revision) {
  watches_.add(id);
  // A change from here on is told by the commit thread; an earlier one is seen here.
  snapshot const now(*this);
  auto const counters = now.counters(parts_.keys, id);
  if (!counters || counters->revision != revision) watches_.fire({&id, 1});
}

result<sealed_project> store::sealed_values(core::project_id const& id) const {
  snapshot const now(*this);
  auto const counters = now.counters(parts_.keys, id);
  if (!counters) return counters.error();
  sealed_project project{counters->revision, {}};
  std::string const prefix = core::secrets_prefix_of(id);
  auto const read = now.scan(
      family::secrets, prefix, [&](std::string_view key, std::string_view bytes) -> result<void> {
        auto const row = core::decode_secret(parts_.keys, {family::secrets, key}, bytes);
        if (!row) return row.error();
        auto const name = core::secret_name::parse(key.substr(prefix.size()));
        if (!name) return errc::corrupt;
        auto sealed = now.get(family::values, key);
        if (!sealed) return sealed.error() == errc::not_found ? errc::corrupt : sealed.error();
        project.records.push_back({*name, row->record_id, row->version, std::move(*sealed)});
        return {};
      });
  if (!read) return read.error();
  if (project.records.size() != counters->secrets) return errc::corrupt;
  return project;
}

}  // namespace tacit::kv
