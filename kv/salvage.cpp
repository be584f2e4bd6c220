#include "kv/salvage.hpp"

#include <algorithm>
#include <optional>

#include "kv/changed_tables.hpp"
#include "kv/watched_logs.hpp"

namespace tacit::kv {

using core::errc;
using core::family;
using core::result;

namespace {

// Further than a log is long: no number of a change that is lost is given out again.
constexpr std::uint64_t sequence_leap = std::uint64_t{1} << 32;

std::string project_of(std::string_view key) { return std::string(key.substr(0, key.find('/'))); }

// The names of what a batch changes; RocksDB numbers its own default family 0, and the others as
// they were made, which is the order of core::family.
class change_names final : public rocksdb::WriteBatch::Handler {
 public:
  explicit change_names(std::set<std::string>& names) : names_(names) {}
  rocksdb::Status PutCF(std::uint32_t in, rocksdb::Slice const& key,
                        rocksdb::Slice const&) override {
    return note(in, key);
  }
  rocksdb::Status DeleteCF(std::uint32_t in, rocksdb::Slice const& key) override {
    return note(in, key);
  }

 private:
  rocksdb::Status note(std::uint32_t in, rocksdb::Slice const& key) {
    auto const which = static_cast<family>(in);
    if (which == family::secrets) names_.insert(key.ToString());
    if (which == family::projects) names_.insert("project " + key.ToString());
    if (which == family::api_keys) names_.insert("API key " + key.ToString());
    return rocksdb::Status::OK();
  }
  std::set<std::string>& names_;
};

std::unique_ptr<database> open_cut(store_place place, std::vector<scanned_log> const& logs) {
  auto const disk = std::make_shared<watched_logs>(place.disk);
  disk->cut(logs);
  place.disk = disk;
  return database::open_what_is_left(place);
}

class reading {
 public:
  reading(store_place const& from, salvage_parts const& parts, database* to)
      : parts_(parts), to_(to) {
    auto const mark = read_store_mark(from.folder);
    found_.lost_mark = !mark;
    auto const logs =
        scan_logs(from.folder, find_logs_in_use(from), [this](std::string_view record) {
          change_names names(found_.lost_changes);
          rocksdb::WriteBatch(std::string(record)).Iterate(&names).PermitUncheckedError();
        });
    if (!logs) throw open_failure("cannot read the logs in " + from.folder);
    for (scanned_log const& log : *logs) {
      if (!log.is_whole()) found_.damaged_logs.push_back(log);
    }
    from_ = open_cut(from, *logs);
    found_.changed_tables = find_changed_tables(from_->engine());
    std::optional<store_mark> const known = mark ? *mark : std::nullopt;
    if (!known) return;
    found_.missing_log = find_missing_log(from.folder, *known);
    std::uint64_t const last = from_->engine().GetLatestSequenceNumber();
    found_.lost_last_changes = std::max(known->last_change, last) - last;
  }

  salvaged run() {
    read_sequence();
    std::set<std::string> const secrets = keys_of({family::secrets, family::values});
    std::set<std::string> projects = keys_of({family::projects, family::counters});
    for (std::string const& key : secrets) projects.insert(project_of(key));
    for (std::string const& project : projects) read_project(project, secrets);
    read_api_keys();
    read_receipts();
    read_epoch_mark();
    write_sequence();
    return std::move(found_);
  }

 private:
  using row = result<std::string>;  // errc::not_found, errc::corrupt

  row get(family in, std::string const& key) {
    std::string bytes;
    auto const status = from_->engine().Get({}, from_->in(in), key, &bytes);
    if (status.ok()) return bytes;
    if (status.IsNotFound()) return errc::not_found;
    found_.faults.insert(status.ToString());
    return errc::corrupt;
  }
  void put(family in, std::string const& key, std::string const& bytes) {
    if (to_ == nullptr) return;
    auto const status = to_->engine().Put({}, to_->in(in), key, bytes);
    if (!status.ok()) throw open_failure("cannot write the new store (" + status.ToString() + ")");
  }

  // Every key that can be read in one of the families.
  std::set<std::string> keys_of(std::initializer_list<family> families) {
    std::set<std::string> keys;
    for (family const in : families) {
      if (from_->in(in) == nullptr) continue;  // a store of before there was this family
      std::unique_ptr<rocksdb::Iterator> const rows(from_->engine().NewIterator({}, from_->in(in)));
      std::string last;
      rows->SeekToFirst();
      do {
        for (; rows->Valid(); rows->Next()) keys.insert(last = rows->key().ToString());
      } while (!rows->status().ok() && skip_damage(*rows, last, keys));
    }
    return keys;
  }

  // From the damage behind `last` to the next row that can be read, by trying every key that
  // differs from `last` first in one character, in order. Picks up what lies in between.
  bool skip_damage(rocksdb::Iterator& rows, std::string const& last, std::set<std::string>& keys) {
    found_.faults.insert(rows.status().ToString());
    for (std::size_t same = last.size() + 1; same-- > 0;) {
      int const from = same < last.size() ? static_cast<unsigned char>(last[same]) + 1 : 0;
      for (int next = from; next < 256; ++next) {
        std::string const target = last.substr(0, same) + static_cast<char>(next);
        rows.Seek(target);
        if (!rows.status().ok()) continue;
        for (rows.SeekForPrev(target); rows.Valid() && rows.key().ToString() > last; rows.Prev()) {
          keys.insert(rows.key().ToString());
        }
        rows.Seek(target);
        return rows.Valid();
      }
    }
    return false;
  }

  void read_sequence() {
    auto const bytes = get(family::meta, "sequence");
    auto const number = bytes
                            ? core::decode_sequence(parts_.keys, {family::meta, "sequence"}, *bytes)
                            : bytes.error();
    if (number) sequence_ = *number;
    found_.lost_sequence = !number && number.error() != errc::not_found;
  }

  struct known_secret {
    std::string row;
    std::string value;
    core::secret_row about;
  };

  // Nothing when there is none, errc::corrupt when it is not whole.
  result<std::optional<known_secret>> read_secret(core::project_id const& project,
                                                  std::string const& key) {
    auto bytes = get(family::secrets, key);
    if (!bytes && bytes.error() == errc::not_found) return std::optional<known_secret>();
    auto value = get(family::values, key);
    auto const name = core::secret_name::parse(key.substr(project.text().size() + 1));
    if (!bytes || !value || !name) return errc::corrupt;
    auto about = core::decode_secret(parts_.keys, {family::secrets, key}, *bytes);
    if (!about) return errc::corrupt;
    if (!parts_.opens({project, *name, about->record_id}, *value)) return errc::corrupt;
    return std::optional(known_secret{std::move(*bytes), std::move(*value), std::move(*about)});
  }

  void read_project(std::string const& text, std::set<std::string> const& all_secrets) {
    auto const id = core::project_id::parse(text);
    if (!id) return;
    auto const named = get(family::projects, text);
    auto const counted = get(family::counters, text);
    bool const is_gone = !named && !counted && named.error() == errc::not_found &&
                         counted.error() == errc::not_found;
    std::string const prefix = core::secrets_prefix_of(*id);
    core::counter_row counters;
    bool lost = false;
    auto const lose = [&](std::string const& key) {
      found_.lost_secrets.insert(key);
      lost = true;
    };
    for (auto at = all_secrets.lower_bound(prefix);
         at != all_secrets.end() && at->starts_with(prefix); ++at) {
      auto read = read_secret(*id, *at);
      if (!read) {
        lose(*at);
        continue;
      }
      auto const secret = *std::move(read);
      if (!secret) continue;
      if (is_gone) {
        lose(*at);
        continue;
      }
      ++counters.secrets;
      counters.updated = std::max(counters.updated, secret->about.updated);
      sequence_ = std::max(sequence_, secret->about.version);
      put(family::secrets, *at, secret->row);
      put(family::values, *at, secret->value);
    }
    if (is_gone) return;
    ++found_.projects;
    found_.secrets += counters.secrets;
    keep_name(*id, named, counters.updated);
    keep_counters(*id, counted, counters, lost);
  }

  void keep_name(core::project_id const& id, row const& named, core::timestamp updated) {
    core::row_place const place{family::projects, id.text()};
    if (named && core::decode_project(parts_.keys, place, *named)) {
      return put(family::projects, std::string(id.text()), *named);
    }
    found_.unnamed_projects.insert(std::string(id.text()));
    core::project_row const anew{std::string(id.text()), 0, updated};
    put(family::projects, std::string(id.text()), core::encode_project(parts_.keys, place, anew));
  }

  void keep_counters(core::project_id const& id, row const& counted, core::counter_row counters,
                     bool lost) {
    core::row_place const place{family::counters, id.text()};
    auto const before =
        counted ? core::decode_counters(parts_.keys, place, *counted) : counted.error();
    if (before) sequence_ = std::max(sequence_, before->revision);
    if (before && before->secrets == counters.secrets && !lost) {
      return put(family::counters, std::string(id.text()), *counted);
    }
    if (before) counters.updated = std::max(counters.updated, before->updated);
    found_.recounted.push_back({id, counters});
  }

  void read_api_keys() {
    for (std::string const& key : keys_of({family::api_keys})) {
      auto const bytes = get(family::api_keys, key);
      if (!bytes || !core::decode_api_key(parts_.keys, {family::api_keys, key}, *bytes)) {
        found_.lost_api_keys.insert(key);
        continue;
      }
      ++found_.api_keys;
      put(family::api_keys, key, *bytes);
    }
  }

  void read_receipts() {
    for (std::string const& key : keys_of({family::deliveries})) {
      auto const bytes = get(family::deliveries, key);
      if (bytes && core::decode_receipt(parts_.keys, {family::deliveries, key}, *bytes)) {
        put(family::deliveries, key, *bytes);
      } else {
        ++found_.lost_receipts;
      }
    }
  }

  void read_epoch_mark() {
    auto const bytes = get(family::meta, "mark");
    if (bytes) put(family::meta, "mark", *bytes);
    found_.lost_epoch_mark = !bytes && bytes.error() != errc::not_found;
  }

  void write_sequence() {
    if (found_.is_damaged()) sequence_ += sequence_leap;
    for (auto& [id, counters] : found_.recounted) {
      counters.revision = ++sequence_;
      core::row_place const place{family::counters, id.text()};
      put(family::counters, std::string(id.text()),
          core::encode_counters(parts_.keys, place, counters));
    }
    put(family::meta, "sequence",
        core::encode_sequence(parts_.keys, {family::meta, "sequence"}, sequence_));
  }

  salvage_parts const& parts_;
  database* to_;
  std::unique_ptr<database> from_;
  salvaged found_;
  std::uint64_t sequence_ = 0;
};

}  // namespace

bool salvaged::is_damaged() const noexcept {
  return !faults.empty() || !changed_tables.empty() || missing_log || lost_last_changes > 0 ||
         !damaged_logs.empty() || !lost_secrets.empty() || !unnamed_projects.empty() ||
         !recounted.empty() || !lost_api_keys.empty() || lost_receipts > 0 || lost_epoch_mark ||
         lost_sequence || lost_mark;
}

salvaged salvage(store_place const& from, salvage_parts const& parts,
                 std::optional<std::string> const& into) {
  std::unique_ptr<database> to;
  if (into) to = database::open({*into, from.check, from.log, nullptr});
  salvaged found = reading(from, parts, to.get()).run();
  if (into && !to->flush()) throw open_failure("cannot write the new store " + *into);
  return found;
}

}  // namespace tacit::kv
