// What the commit thread does when a write fails. A full disk is got over: the engine will not take
// another write, for it cannot tell what is in its log; opened again it reads the log, and whatever
// it finds there it writes to table files, synced, before anything is answered from it.
#include "kv/store.hpp"

namespace tacit::kv {

namespace {

constexpr std::chrono::seconds between_openings{2};

}  // namespace

void store::fail(std::string_view what, std::string_view detail) noexcept {
  writer_.store(writer_state::failed, std::memory_order_relaxed);
  parts_.log.write(core::severity::error, what, {{"detail", detail}});
}

void store::note_failure(rocksdb::Status const& why) noexcept {
  std::string const detail = why.ToString();
  // Behind a full disk in its own work the engine's refusals have other names.
  if (!why.IsNoSpace() && !database_->met_full_disk()) {
    return fail("a write failed and its outcome is unknown", detail);
  }
  get_stuck(detail);
}

void store::get_stuck(std::string_view detail) noexcept {
  writer_.store(writer_state::stuck, std::memory_order_relaxed);
  parts_.log.write(core::severity::warn,
                   "the disk was full in the middle of a write: writes are refused until the store "
                   "is open again, reads go on",
                   {{"detail", detail}});
}

void store::write_failed(rocksdb::Status const& why, commit_group const& group,
                         generations::pending changed) {
  note_failure(why);
  if (is(writer_state::failed)) return;
  unsettled_.push_back(std::move(changed));
  auto const projects = group.changed_projects();
  unsettled_projects_.insert(unsettled_projects_.end(), projects.begin(), projects.end());
}

void store::open_again_if_stuck() {
  bool const met_full_disk = database_ != nullptr && database_->met_full_disk();
  if (is(writer_state::takes) && met_full_disk) get_stuck("the engine's own tables did not fit");
  if (!is(writer_state::stuck)) return;
  auto const now = std::chrono::steady_clock::now();
  if (now < next_opening_ || !has_room()) return;
  next_opening_ = now + between_openings;
  try {
    open_again();
  } catch (no_room_to_open const& failure) {
    parts_.log.write(core::severity::warn, "the store could not be opened again yet",
                     {{"detail", std::string_view(failure.what())}});
  } catch (open_failure const& failure) {
    fail("the store could not be opened again", failure.what());
  }
}

void store::open_again() {
  {
    // Whoever reads now waits: a few hundred milliseconds, behind a disk that was full.
    std::unique_lock const lock(database_mutex_);
    database_.reset();
    database_ = database::open(place_);
  }
  memory_ = {};
  load_sequence();
  auto const before = api_keys();
  publish(read_api_keys(), *before);
  for (auto const& changed : unsettled_) generations_.end(changed);
  unsettled_.clear();
  if (watches_.any()) watches_.fire(unsettled_projects_);
  unsettled_projects_.clear();
  writer_.store(writer_state::takes, std::memory_order_relaxed);
  parts_.log.write(core::severity::info, "the store is open again: writes go on", {});
}

}  // namespace tacit::kv
