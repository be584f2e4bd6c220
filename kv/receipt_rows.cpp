#include "kv/receipt_rows.hpp"

#include <algorithm>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>

#include "core/limits.hpp"
#include "core/record.hpp"

namespace tacit::kv {

using core::family;

namespace {

// Writes the receipts of one project.
class project_writer {
 public:
  project_writer(database const& store, core::row_keys const& keys, rocksdb::WriteBatch& batch)
      : store_(store), keys_(keys), batch_(batch) {}

  void put(core::receipt later) {
    std::string const key = core::receipt_key_of(keys_, later.project, later.to);
    std::optional<core::receipt> stored = read(key);
    if (!stored) {
      has_new_ = true;
      stored = std::move(later);
    } else {
      if (later.extent == core::delivery_extent::part) forget_removed(*stored);
      core::add_later(*stored, std::move(later));
    }
    batch_.Put(store_.in(family::deliveries), key,
               core::encode_receipt(keys_, {family::deliveries, key}, *stored));
    times_[key] = stored->at.unix_milliseconds;
  }

  // After the last put().
  void drop_oldest(core::project_id const& project) {
    if (!has_new_) return;
    add_stored_times(core::secrets_prefix_of(project));
    if (times_.size() <= core::limits::consumers_per_project_max) return;
    std::vector<std::pair<std::int64_t, std::string>> oldest;
    for (auto const& [key, at] : times_) oldest.emplace_back(at, key);
    auto const excess = times_.size() - core::limits::consumers_per_project_max;
    auto const end = oldest.begin() + static_cast<std::ptrdiff_t>(excess);
    std::nth_element(oldest.begin(), end, oldest.end());
    for (auto one = oldest.begin(); one != end; ++one) {
      batch_.Delete(store_.in(family::deliveries), one->second);
    }
  }

 private:
  std::optional<core::receipt> read(std::string const& key) const {
    std::string row;
    auto const status = store_.engine().Get({}, store_.in(family::deliveries), key, &row);
    if (!status.ok()) return std::nullopt;
    auto decoded = core::decode_receipt(keys_, {family::deliveries, key}, row);
    if (!decoded) return std::nullopt;
    return std::move(*decoded);
  }

  void forget_removed(core::receipt& stored) const {
    std::erase_if(stored.secrets, [&](core::delivered_secret const& one) {
      std::string row;
      return store_.engine()
          .Get({}, store_.in(family::secrets), core::secret_key_of(stored.project, one.name), &row)
          .IsNotFound();
    });
  }

  // Those that this batch does not write.
  void add_stored_times(std::string const& prefix) {
    std::unique_ptr<rocksdb::Iterator> const rows(
        store_.engine().NewIterator({}, store_.in(family::deliveries)));
    for (rows->Seek(prefix); rows->Valid() && rows->key().starts_with(prefix); rows->Next()) {
      std::string const key = rows->key().ToString();
      auto const row =
          core::decode_receipt(keys_, {family::deliveries, key}, as_text(rows->value()));
      times_.emplace(key,
                     row ? row->at.unix_milliseconds : std::numeric_limits<std::int64_t>::min());
    }
    rows->status().PermitUncheckedError();  // then fewer are known, and fewer go
  }

  database const& store_;
  core::row_keys const& keys_;
  rocksdb::WriteBatch& batch_;
  std::unordered_map<std::string, std::int64_t> times_;  // of last deliveries, by row
  bool has_new_ = false;
};

bool project_exists(database const& store, core::project_id const& id) {
  std::string row;
  return store.engine().Get({}, store.in(family::counters), as_slice(id.text()), &row).ok();
}

}  // namespace

void put_receipts(database const& store, core::row_keys const& keys,
                  std::vector<core::receipt> receipts, rocksdb::WriteBatch& batch) {
  std::sort(receipts.begin(), receipts.end(),
            [](core::receipt const& a, core::receipt const& b) { return a.project < b.project; });
  for (auto first = receipts.begin(); first != receipts.end();) {
    core::project_id const project = first->project;
    auto const last = std::find_if(
        first, receipts.end(), [&](core::receipt const& one) { return one.project != project; });
    if (project_exists(store, project)) {
      project_writer writer(store, keys, batch);
      for (auto one = first; one != last; ++one) writer.put(std::move(*one));
      writer.drop_oldest(project);
    }
    first = last;
  }
}

}  // namespace tacit::kv
