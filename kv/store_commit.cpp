// The commit thread's part of the store.
#include <span>
#include <utility>

#include "core/check.hpp"
#include "kv/receipt_rows.hpp"
#include "kv/store.hpp"

namespace tacit::kv {

using core::errc;

namespace {

constexpr std::chrono::milliseconds wait_at_most{60'000};
constexpr std::chrono::milliseconds wait_for_room_at_most{500};

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
    bool const stuck = is(writer_state::stuck);
    auto const taken = queue_.take_all(stuck ? wait_for_room_at_most : wait_at_most);
    open_again_if_stuck();  // also without a change: readiness waits for it
    commit(taken);
    write_receipts();
    write_epoch_mark();
    if (database_ != nullptr) database_->raise_floor();
    auto const now = std::chrono::steady_clock::now();
    if (now - last_uses_written >= wait_at_most) {
      write_last_uses();
      last_uses_written = now;
    }
    if (is(writer_state::failed)) break;
  }
  write_receipts();
  write_epoch_mark();
  write_last_uses();
  // A log with a write of unknown outcome is left to the next start: flushed in part it would be
  // replayed in part.
  if (is(writer_state::takes)) database_->flush();
  refuse_what_waits();
  return !is(writer_state::failed);
}

void store::write_receipts() {
  std::unique_lock lock(receipts_mutex_);
  // While the disk is full they wait: there is a bound on how many.
  if (receipts_.empty() || !is(writer_state::takes) || !has_room()) return;
  std::vector<core::receipt> taken = receipts_.take_all();
  lock.unlock();
  rocksdb::WriteBatch batch;
  put_receipts(*database_, parts_.keys, std::move(taken), batch);
  if (batch.Count() == 0) return;
  // Not synced, as last uses: no delivery waited for it. No generation changes: no list shows it.
  auto const written = database_->engine().Write({}, &batch);
  if (!written.ok()) note_failure(written);
}

void store::write_epoch_mark() {
  std::unique_lock lock(receipts_mutex_);
  // While the disk is full it waits, as receipts do.
  if (epoch_mark_.empty() || !is(writer_state::takes) || !has_room()) return;
  std::string mark = std::exchange(epoch_mark_, {});
  lock.unlock();
  rocksdb::WriteOptions at_once;
  at_once.sync = true;
  auto const written =
      database_->engine().Put(at_once, database_->in(core::family::meta), "mark", mark);
  if (written.ok()) return database_->note_changes();
  note_failure(written);
  lock.lock();
  if (epoch_mark_.empty()) epoch_mark_ = std::move(mark);  // no later one has come
}

void store::commit(std::vector<core::change*> const& taken) {
  std::size_t at = 0;
  while (at < taken.size()) {
    if (!is(writer_state::takes)) {
      // Behind a write of unknown outcome nothing more is decided.
      std::span<core::change* const> const rest = std::span(taken).subspan(at);
      refuse_all(rest, is(writer_state::failed) ? errc::unavailable : errc::storage_full);
      complete_all(rest);
      return;
    }
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
    write(group, changes);
    complete_all(changes);
  }
}

void store::write(commit_group& group, std::vector<core::change*> const& changes) {
  if (!has_room()) return refuse_all(changes, errc::storage_full);
  generations::pending changed = group.finish();
  if (group.batch().Count() > 0) {
    generations_.begin(changed);
    rocksdb::WriteOptions synced;
    synced.sync = true;
    auto const written = database_->engine().Write(synced, &group.batch());
    if (!written.ok()) {
      write_failed(written, group, std::move(changed));
      return refuse_all(changes, is(writer_state::failed) ? errc::unavailable : errc::storage_full);
    }
    database_->note_changes();
    generations_.end(changed);
    if (watches_.any()) watches_.fire(group.changed_projects());
    sequence_ = group.sequence();
    group.remember_in(memory_);
  }
  if (auto const& keys = group.new_api_keys()) publish(keys, *api_keys());
}

void store::refuse_what_waits() {
  queue_.close();
  auto const late = queue_.take_all({});
  refuse_all(late, errc::unavailable);
  complete_all(late);
}

}  // namespace tacit::kv
