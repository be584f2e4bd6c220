// The commit thread's part of the store.
#include <span>

#include "core/check.hpp"
#include "kv/receipt_rows.hpp"
#include "kv/store.hpp"

namespace tacit::kv {

using core::errc;

namespace {

constexpr std::chrono::milliseconds wait_at_most{60'000};

void refuse_all(std::span<core::change* const> changes, errc why) {
  for (core::change* const asked : changes) asked->came_of = why;
}

// Hands each change to where it was made: one call a place, in order.
void complete_all(std::span<core::change* const> changes) {
  struct list {
    core::completion_port* home;
    core::change* first;
    core::change* last;
  };
  std::vector<list> lists;
  for (core::change* const asked : changes) {
    asked->next = nullptr;
    auto const known = std::find_if(lists.begin(), lists.end(),
                                    [&](list const& one) { return one.home == &asked->home; });
    if (known == lists.end()) {
      lists.push_back({&asked->home, asked, asked});
    } else {
      known->last->next = asked;
      known->last = asked;
    }
  }
  for (list const& one : lists) one.home->complete(one.first);
}

}  // namespace

bool store::run_commits() {
  auto last_uses_written = std::chrono::steady_clock::now();
  while (!queue_.closed_and_empty()) {
    std::vector<core::change*> const taken = queue_.take_all(wait_at_most);
    if (!commit(taken)) return false;
    write_receipts();
    auto const now = std::chrono::steady_clock::now();
    if (now - last_uses_written >= wait_at_most) {
      write_last_uses();
      last_uses_written = now;
    }
  }
  write_receipts();
  write_last_uses();
  database_->flush();
  return true;
}

void store::write_receipts() {
  std::unique_lock lock(receipts_mutex_);
  // While the disk is full they wait: there is a bound on how many.
  if (receipts_.empty() || !has_room()) return;
  std::vector<core::receipt> taken = receipts_.take_all();
  lock.unlock();
  rocksdb::WriteBatch batch;
  put_receipts(*database_, parts_.keys, std::move(taken), batch);
  if (batch.Count() == 0) return;
  // Not synced, as last uses: no delivery waited for it. No generation changes: no list shows it.
  auto const written = database_->engine().Write({}, &batch);
  if (!written.ok()) {
    parts_.log.write(core::severity::warn, "receipts of deliveries could not be written",
                     {{"detail", std::string_view(written.ToString())}});
  }
}

bool store::commit(std::vector<core::change*> const& taken) {
  std::size_t at = 0;
  while (at < taken.size()) {
    auto const directory = api_keys();
    commit_context const context{*database_, memory_, parts_.keys, secrets_per_project_,
                                 *directory};
    commit_group group(context, sequence_, parts_.clock.now());
    std::vector<core::change*> changes;
    while (at < taken.size() && changes.size() < core::limits::commit_group_changes_max &&
           group.bytes() < core::limits::commit_group_bytes_max) {
      core::change* const next = taken[at];
      group.apply(*next);
      changes.push_back(next);
      ++at;
    }
    if (write(group, changes)) continue;
    // The outcome is unknown. Nothing more is decided on top of it.
    std::span<core::change* const> const rest = std::span(taken).subspan(at);
    refuse_all(rest, errc::unavailable);
    complete_all(rest);
    queue_.close();
    for (auto const late = queue_.take_all({}); core::change* const asked : late) {
      asked->came_of = errc::unavailable;
      asked->next = nullptr;
      asked->home.complete(asked);
    }
    return false;
  }
  return true;
}

bool store::write(commit_group& group, std::vector<core::change*> const& changes) {
  if (!has_room()) {
    refuse_all(changes, errc::storage_full);
    complete_all(changes);
    return true;
  }
  generations::pending changed = group.finish();
  if (group.batch().Count() > 0) {
    generations_.begin(changed);
    rocksdb::WriteOptions synced;
    synced.sync = true;
    auto const written = database_->engine().Write(synced, &group.batch());
    if (!written.ok()) {
      failed_.store(true, std::memory_order_relaxed);
      parts_.log.write(core::severity::error, "a write failed and its outcome is unknown",
                       {{"detail", std::string_view(written.ToString())}});
      refuse_all(changes, written.IsNoSpace() ? errc::storage_full : errc::unavailable);
      complete_all(changes);
      return false;
    }
    generations_.end(changed);
    if (watches_.any()) watches_.fire(group.changed_projects());
    sequence_ = group.sequence();
    group.remember_in(memory_);
  }
  if (auto const& keys = group.new_api_keys()) publish(keys, *api_keys());
  complete_all(changes);
  return true;
}

}  // namespace tacit::kv
