// The store port on RocksDB.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <span>
#include <string>
#include <vector>

#include "core/log.hpp"
#include "core/rate_limiter.hpp"
#include "core/store.hpp"
#include "core/timestamp.hpp"
#include "kv/commit_group.hpp"
#include "kv/commit_queue.hpp"
#include "kv/database.hpp"
#include "kv/generations.hpp"
#include "kv/watches.hpp"

namespace tacit::kv {

// What the store borrows; all of it outlives the store.
struct store_parts {
  core::row_keys const& keys;
  core::clock const& clock;
  core::rate_limiter& limiter;
  core::log& log;
};

// One sealed value as the keeper gets it.
struct sealed_record {
  core::secret_name name;
  std::uint64_t record_id = 0;
  std::uint64_t version = 0;
  std::string sealed;
};

struct sealed_project {
  std::uint64_t revision = 0;
  std::vector<sealed_record> records;  // sorted by name
};

class store final : public core::store {
 public:
  // Reads the API keys and the sequence. Throws open_failure when they are damaged.
  store(std::unique_ptr<database> opened, store_parts const& parts,
        std::uint32_t secrets_per_project);

  [[nodiscard]] core::result<core::project_state> find_project(
      core::project_id const& id) const override;
  [[nodiscard]] core::result<core::secret_list> list_secrets(
      core::read_permit const& permit) const override;
  [[nodiscard]] core::result<core::project_entry> show_project(
      core::read_permit const& permit) const override;
  [[nodiscard]] core::result<std::vector<core::project_entry>> list_projects(
      core::list_permit const& permit) const override;
  [[nodiscard]] core::result<core::delivery_records> list_deliveries(
      core::read_permit const& permit) const override;
  [[nodiscard]] std::uint64_t project_set_generation() const noexcept override;
  [[nodiscard]] std::uint64_t project_generation(
      core::project_id const& id) const noexcept override;
  [[nodiscard]] std::vector<core::api_key_entry> list_api_keys(
      core::admin_permit const& permit) const override;

  [[nodiscard]] std::uint64_t api_key_generation() const noexcept override;
  [[nodiscard]] std::shared_ptr<core::api_key_directory const> api_keys() const override;
  void note_use(core::api_key_entry const& key, core::timestamp now) noexcept override;

  [[nodiscard]] core::result<void> submit(core::change& asked) override;
  void note_deliveries(std::vector<core::receipt> receipts) override;
  [[nodiscard]] bool writable() const noexcept override;

  // What the keeper asks for: every sealed value of a project and its revision, from one snapshot.
  // errc::not_found without the project.
  [[nodiscard]] core::result<sealed_project> sealed_values(core::project_id const& id) const;

  // The keeper's epoch mark: kept soon, synced and without a word; "" when none is kept.
  void note_epoch_mark(std::string mark);
  [[nodiscard]] core::result<std::string> epoch_mark() const;

  // Says once, through take_changed(), that the project's revision is another than this, or that
  // the project is gone. From any thread; at most one watch of a project at a time.
  void watch(core::project_id const& id, std::uint64_t revision);
  // Readable while take_changed() has something to give.
  [[nodiscard]] int changed_descriptor() const noexcept { return watches_.descriptor(); }
  [[nodiscard]] std::vector<core::project_id> take_changed() { return watches_.take(); }

  // The commit thread's whole life: commits groups until close() was called and all that waited is
  // written. A write that finds the disk full is refused with its whole group; the database is then
  // closed and opened again as soon as there is room, which tells what is on disk, and until then
  // everything is refused (errc::storage_full) and reads go on. Returns false when a write failed
  // for another reason: its outcome is unknown, and the process must end, for only a restart tells.
  // Every change that was submitted is completed either way.
  [[nodiscard]] bool run_commits();
  // Takes no more changes. From any thread.
  void close() noexcept { queue_.close(); }

 private:
  // A project's rows at one moment.
  class snapshot;

  enum class writer_state : std::uint8_t {
    takes,
    stuck,   // the disk was full: everything is refused until the database is open again
    failed,  // a write had an unknown outcome: everything is refused, and the process must end
  };

  [[nodiscard]] std::shared_ptr<core::api_key_directory const> read_api_keys() const;
  void load_sequence();
  [[nodiscard]] core::result<core::project_entry> describe_project(core::project_id const& id,
                                                                   std::string_view row) const;
  void commit(std::vector<core::change*> const& taken);
  void write(commit_group& group, std::vector<core::change*> const& changes);
  void write_failed(rocksdb::Status const& why, commit_group const& group,
                    generations::pending changed);
  void fail(std::string_view what, std::string_view detail) noexcept;
  void refuse_what_waits();
  void note_failure(rocksdb::Status const& why) noexcept;
  void get_stuck(std::string_view detail) noexcept;
  [[nodiscard]] bool is(writer_state asked) const noexcept {
    return writer_.load(std::memory_order_relaxed) == asked;
  }
  void open_again_if_stuck();
  void open_again();
  [[nodiscard]] bool has_room() const noexcept;
  void publish(std::shared_ptr<core::api_key_directory const> keys,
               core::api_key_directory const& before);
  void write_last_uses();
  void write_receipts();
  void write_epoch_mark();

  store_place const place_;
  // Null after a reopening that failed. Replaced by the commit thread only, which reads it without
  // the mutex; all others hold it shared.
  std::unique_ptr<database> database_;
  mutable std::shared_mutex database_mutex_;
  store_parts parts_;
  std::uint32_t secrets_per_project_;
  commit_queue queue_;
  std::uint64_t sequence_ = 0;  // owned by the commit thread
  commit_memory memory_;        // owned by the commit thread
  generations generations_;
  watches watches_;
  std::atomic<writer_state> writer_ = writer_state::takes;  // changed by the commit thread only
  // Groups that met a full disk: written or not, which is known when it is open again. Owned by the
  // commit thread, as the time before which that is not tried once more.
  std::vector<generations::pending> unsettled_;
  std::vector<core::project_id> unsettled_projects_;
  std::chrono::steady_clock::time_point next_opening_;
  mutable std::atomic<bool> full_ = false;

  std::mutex receipts_mutex_;
  core::receipt_book receipts_;  // guarded by receipts_mutex_
  std::string epoch_mark_;       // not yet written; guarded by receipts_mutex_

  mutable std::mutex api_keys_mutex_;
  std::shared_ptr<core::api_key_directory const> api_keys_;  // guarded by api_keys_mutex_
  std::atomic<std::uint64_t> api_key_generation_ = 1;
  // By slot, milliseconds since 1970; 0 when not used since it was given out.
  std::array<std::atomic<std::int64_t>, core::limits::api_keys_max> last_used_{};
};

}  // namespace tacit::kv
