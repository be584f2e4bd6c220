// The family `meta` holds, beside the sequence (core/record.cpp):
//
//   "format"  number(4, little-endian)   of the whole store; read before anything else
//   "check"   check(16)                  derived from the root key that the store was made with
//   "mark"    the keeper's epoch mark (core/enrolment.cpp), once it has enrolled a runtime
#include "kv/database.hpp"

#include <rocksdb/cache.h>
#include <rocksdb/env.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/listener.h>
#include <rocksdb/slice_transform.h>
#include <rocksdb/table.h>
#include <sys/stat.h>

#include <algorithm>
#include <charconv>
#include <cstdarg>
#include <cstdio>
#include <filesystem>
#include <set>
#include <vector>

#include "core/wire.hpp"
#include "kv/changed_tables.hpp"

namespace tacit::kv {

// What the engine does on threads of its own.
class engine_events final : public rocksdb::EventListener {
 public:
  void OnBackgroundError(rocksdb::BackgroundErrorReason, rocksdb::Status* error) override {
    if (error->IsNoSpace()) met_full_disk.store(true, std::memory_order_relaxed);
  }
  // Left to itself the engine goes on in the same log, behind what it failed to write there.
  void OnErrorRecoveryBegin(rocksdb::BackgroundErrorReason, rocksdb::Status,
                            bool* by_itself) override {
    *by_itself = false;
  }

  void OnFlushCompleted(rocksdb::DB*, rocksdb::FlushJobInfo const&) override { list_grew = true; }
  void OnCompactionCompleted(rocksdb::DB*, rocksdb::CompactionJobInfo const&) override {
    list_grew = true;
  }

  std::atomic<bool> met_full_disk = false;
  std::atomic<bool> list_grew = false;
};

namespace {

using core::family;

constexpr std::array<char const*, 8> family_names{"default",  "projects", "secrets", "values",
                                                  "counters", "api_keys", "meta",    "deliveries"};
constexpr std::size_t families_of_every_store = 7;  // those behind came later, and may be missing
constexpr std::size_t memtables_and_wal_bytes = 16u << 20;
constexpr std::size_t block_cache_bytes = 64u << 20;

// RocksDB's own log goes to ours, warnings and up: with its own file, Debian's build aborts inside
// the first put that fails on a full disk.
class engine_log final : public rocksdb::Logger {
 public:
  explicit engine_log(core::log& log) : rocksdb::Logger(rocksdb::WARN_LEVEL), log_(log) {}

  [[gnu::format(printf, 2, 0)]] void Logv(char const* format, std::va_list arguments) override {
    std::array<char, 512> line{};
    std::vsnprintf(line.data(), line.size(), format, arguments);
    log_.write(core::severity::warn, "storage engine", {{"detail", std::string_view(line.data())}});
  }
  using rocksdb::Logger::Logv;

 private:
  core::log& log_;
};

rocksdb::DBOptions engine_options(std::shared_ptr<rocksdb::Logger> logger,
                                  std::shared_ptr<engine_events> events, rocksdb::Env* env) {
  rocksdb::DBOptions options;
  if (env != nullptr) options.env = env;
  options.listeners = {std::move(events)};
  options.create_if_missing = true;
  options.create_missing_column_families = true;
  options.info_log = std::move(logger);
  options.paranoid_checks = true;
  // The default drops acknowledged writes that lie behind a damaged block, and opens.
  options.wal_recovery_mode = rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords;
  options.max_bgerror_resume_count = 0;
  options.db_write_buffer_size = memtables_and_wal_bytes;
  options.max_total_wal_size = memtables_and_wal_bytes;
  options.max_background_jobs = 2;
  options.stats_dump_period_sec = 0;
  options.stats_persist_period_sec = 0;
  options.skip_stats_update_on_db_open = true;
  options.skip_checking_sst_file_sizes_on_db_open = true;
  options.enable_thread_tracking = false;
  options.file_checksum_gen_factory = table_checksums();
  return options;
}

rocksdb::ColumnFamilyOptions family_options(std::shared_ptr<rocksdb::Cache> const& cache) {
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = cache;
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  table.optimize_filters_for_memory = true;
  table.format_version = 5;
  rocksdb::ColumnFamilyOptions options;
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  options.write_buffer_size = memtables_and_wal_bytes;
  options.arena_block_size = 64u << 10;
  options.compression = rocksdb::kNoCompression;  // most of a row is ciphertext
  options.memtable_protection_bytes_per_key = 8;
  options.memtable_insert_with_hint_prefix_extractor.reset(rocksdb::NewCappedPrefixTransform(40));
  return options;
}

bool holds(std::string const& folder, char const* name) {
  struct stat about{};
  return ::stat((folder + "/" + name).c_str(), &about) == 0 || errno == EACCES;
}

[[noreturn]] void fail(std::string const& folder, rocksdb::Status const& status) {
  std::string const told = status.ToString();  // has the folder's name in it
  if (told.starts_with("IO error: While lock file") ||
      told.starts_with("IO error: lock hold by current process")) {
    throw open_failure("the store " + folder +
                       " is in use by another process: stop it, or use another --data folder");
  }
  if (status.IsCorruption()) throw open_failure(explain_damage(folder, told));
  if (told.find("Too many open files") != std::string::npos) {
    throw open_failure("cannot open the store " + folder +
                       ": too many open files; raise the limit (LimitNOFILE= in a systemd unit, "
                       "ulimit -n in a shell)");
  }
  if (status.IsNoSpace()) {
    throw no_room_to_open("cannot open the store " + folder + " (" + told +
                          "): the disk is full; make room");
  }
  throw open_failure("cannot open the store " + folder + " (" + told +
                     "): check the disk and the folder's owner");
}

// What even recover cannot do without.
[[noreturn]] void fail_to_rescue(std::string const& folder, rocksdb::Status const& status) {
  if (!status.IsCorruption()) fail(folder, status);
  throw open_failure("the store " + folder + " is damaged (" + status.ToString() +
                     "), and without that nothing in it can be found: restore it from a copy");
}

[[noreturn]] void fail_other_format(std::string const& folder, std::uint32_t format) {
  throw open_failure("the store " + folder + " has format " + std::to_string(format) +
                     ", this tacit reads format " + std::to_string(store_format) +
                     ": use the tacit that wrote it, or another --data folder");
}

[[noreturn]] void fail_wrong_key(std::string const& folder) {
  throw open_failure("the root key is not the one that the store " + folder +
                     " was made with: give the right one with --key-file");
}

// RocksDB opens an older store, and removes what is newer, when the list was cut between two of its
// records, or a length in it reaches beyond its end.
rocksdb::Status check_floor(std::string const& folder, store_mark const& mark) {
  list_of_files const& floor = mark.floor;
  auto const now = find_list_of_files(folder);
  if (!now && now.error() == core::errc::unavailable) {
    return rocksdb::Status::IOError("its list of files cannot be read");
  }
  if (!now) return rocksdb::Status::Corruption("its list of files is missing or damaged");
  bool const is_that = now->number == floor.number && mark.list_checksum;
  bool const is_changed = is_that && checksum_of(folder, floor) != mark.list_checksum;
  if (*now >= floor && !is_changed) return rocksdb::Status::OK();
  return rocksdb::Status::Corruption("its list of files is damaged, or an older one than it had");
}

[[noreturn]] void fail_to_read_mark(std::string const& folder, core::errc why) {
  if (why == core::errc::corrupt) {
    fail(folder, rocksdb::Status::Corruption("its mark, the file STORE"));
  }
  throw open_failure("cannot read the file STORE in " + folder +
                     ": check the disk and the file's owner");
}

// RocksDB takes a length that was changed for the end of the log, and zeros for nothing.
// What it does with batches that do not follow one another is not to be known: Debian's build ends
// the process. So it is asked before which it would read.
void check_logs(store_place const& place) {
  std::string const& folder = place.folder;
  auto const logs = scan_logs(folder, find_logs_in_use(place), [](std::string_view) {});
  if (!logs) fail(folder, rocksdb::Status::IOError("its logs cannot be read"));
  scanned_log const* const damaged = find_damaged_log(*logs);
  if (damaged == nullptr) return;
  fail(folder,
       rocksdb::Status::Corruption("changes lie behind what cannot be read in " + damaged->name));
}

// Whole blocks of a table that lie in another place.
void check_tables(std::string const& folder, rocksdb::DB& engine) {
  auto const changed = find_changed_tables(engine);
  if (changed.empty()) return;
  fail(folder,
       rocksdb::Status::Corruption("the table " + *changed.begin() + " is not as it was written"));
}

// What a whole log does not show: that it ends too early, or is gone.
void check_last_change(std::string const& folder, store_mark const& mark, rocksdb::DB& engine) {
  if (auto const missing = find_missing_log(folder, mark)) {
    fail(folder, rocksdb::Status::Corruption("the log " + *missing + " is missing"));
  }
  if (engine.GetLatestSequenceNumber() >= mark.last_change) return;
  fail(folder, rocksdb::Status::Corruption("its logs end before its last changes"));
}

[[noreturn]] void fail_to_mark(std::string const& folder, core::errc why) {
  if (why == core::errc::storage_full) {
    throw no_room_to_open("cannot write the file STORE in " + folder +
                          ": the disk is full; make room");
  }
  throw open_failure("cannot write the file STORE in " + folder +
                     ": check that the disk has room and can be written");
}

// The families to open: all of ours, and for a look only those that are there.
std::vector<char const*> families_to_look_at(rocksdb::DBOptions const& options,
                                             std::string const& folder) {
  std::vector<std::string> there;
  // When it fails, so does the opening, and says why.
  rocksdb::DB::ListColumnFamilies(options, folder, &there).PermitUncheckedError();
  std::vector<char const*> names(family_names.begin(),
                                 family_names.begin() + families_of_every_store);
  for (std::size_t i = families_of_every_store; i < family_names.size(); ++i) {
    bool const is_there = std::find(there.begin(), there.end(), family_names[i]) != there.end();
    if (is_there) names.push_back(family_names[i]);
  }
  return names;
}

}  // namespace

std::string explain_damage(std::string const& folder, std::string const& what) {
  return "the store " + folder + " is damaged (" + what +
         "): restore it from a copy, or run tacit recover to see what is left of it";
}

bool store_exists(std::string const& folder) {
  return holds(folder, "CURRENT") || holds(folder, "STORE");
}

database::database(store_place place)
    : place_(std::move(place)),
      env_(place_.disk ? rocksdb::NewCompositeEnv(place_.disk) : nullptr),
      logger_(std::make_shared<engine_log>(*place_.log)),
      events_(std::make_shared<engine_events>()) {}

database::~database() {
  if (engine_ == nullptr) return;
  for (auto* const handle : families_) {
    if (handle != nullptr) engine_->DestroyColumnFamilyHandle(handle);
  }
  engine_->Close();
}

rocksdb::ColumnFamilyHandle* database::in(core::family which) const noexcept {
  return families_[static_cast<std::size_t>(which)];
}

bool database::met_full_disk() const noexcept {
  return events_->met_full_disk.load(std::memory_order_relaxed);
}

void database::open_engine(open_mode mode) {
  auto const cache = rocksdb::NewLRUCache(block_cache_bytes, 4);
  auto options = engine_options(logger_, events_, env_.get());
  if (mode == open_mode::rescue) {
    options.paranoid_checks = false;
    options.max_open_files = 64;  // with no bound all tables are opened first, and must be whole
  }
  std::vector<char const*> names(family_names.begin(), family_names.end());
  if (mode != open_mode::use) names = families_to_look_at(options, place_.folder);
  std::vector<rocksdb::ColumnFamilyDescriptor> descriptors;
  for (char const* const name : names) descriptors.emplace_back(name, family_options(cache));
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DB* opened = nullptr;
  auto const status =
      mode != open_mode::use
          ? rocksdb::DB::OpenForReadOnly(options, place_.folder, descriptors, &handles, &opened)
          : rocksdb::DB::Open(options, place_.folder, descriptors, &handles, &opened);
  if (!status.ok()) (mode == open_mode::rescue ? fail_to_rescue : fail)(place_.folder, status);
  engine_.reset(opened);
  for (std::size_t i = 0; i < handles.size(); ++i) families_[i] = handles[i];
}

// Writes the rows that every store has, when this is the first start.
void database::write_first_rows(core::key_check const& check) {
  std::string stored;
  auto const status = engine_->Get({}, in(family::meta), "check", &stored);
  if (!status.IsNotFound()) return;
  std::string format;
  core::wire_writer(format).number(store_format);
  rocksdb::WriteBatch batch;
  batch.Put(in(family::meta), "format", format);
  batch.Put(in(family::meta), "check",
            as_slice({reinterpret_cast<char const*>(check.data()), check.size()}));
  rocksdb::WriteOptions synced;
  synced.sync = true;
  auto const written = engine_->Write(synced, &batch);
  if (!written.ok()) fail(place_.folder, written);
}

void database::check_rows(core::key_check const& check) const {
  std::string_view const expected(reinterpret_cast<char const*>(check.data()), check.size());
  std::string stored;
  auto const status = engine_->Get({}, in(family::meta), "check", &stored);
  if (status.IsNotFound()) fail(place_.folder, rocksdb::Status::Corruption("rows are missing"));
  if (!status.ok()) fail(place_.folder, status);
  if (stored != expected) fail_wrong_key(place_.folder);
  std::string format;
  auto const read = engine_->Get({}, in(family::meta), "format", &format);
  if (!read.ok()) fail(place_.folder, read);
  core::wire_reader from(format);
  auto const number = from.number<std::uint32_t>();
  if (!from.done() || number == 0) fail(place_.folder, rocksdb::Status::Corruption("format"));
  if (number != store_format) fail_other_format(place_.folder, number);
}

std::unique_ptr<database> database::open(store_place const& place) {
  std::string const& folder = place.folder;
  core::key_check const& check = place.check;
  auto const mark = read_store_mark(folder);
  if (!mark) fail_to_read_mark(folder, mark.error());
  bool made = holds(folder, "CURRENT");
  if (std::optional<store_mark> const& known = *mark) {
    if (known->format != store_format) fail_other_format(folder, known->format);
    if (known->check != check) fail_wrong_key(folder);
    made = known->made;
    auto const floor = made ? check_floor(folder, *known) : rocksdb::Status::OK();
    if (!floor.ok()) fail(folder, floor);
  } else if (!made) {
    ::mkdir(folder.c_str(), 0700);  // when it is missing; what is wrong with it shows next
    auto const marked = write_store_mark(folder, {store_format, check, false, {}});
    if (!marked) fail_to_mark(folder, marked.error());
  }
  if (made) {
    // Opening for real removes files that RocksDB does not know: with a damaged list of files, all
    // of them. So look first.
    check_logs(place);
    database looked(place);
    looked.open_engine(open_mode::look);
    looked.check_rows(check);
    if (std::optional<store_mark> const& known = *mark) {
      check_last_change(folder, *known, looked.engine());
    }
    check_tables(folder, looked.engine());
  }
  std::unique_ptr<database> opened(new database(place));
  opened->open_engine(open_mode::use);
  if (!made) opened->write_first_rows(check);
  opened->check_rows(check);
  opened->last_change_ = opened->engine().GetLatestSequenceNumber();  // opening has synced it
  auto const marked = opened->mark_as_made();
  if (!marked && (!made || marked.error() != core::errc::storage_full)) {
    fail_to_mark(folder, marked.error());
  }
  opened->events_->list_grew = !marked;  // its floor stays where it was until there is room
  return opened;
}

std::unique_ptr<database> database::open_what_is_left(store_place const& place) {
  std::string const& folder = place.folder;
  auto const mark = read_store_mark(folder);
  std::optional<store_mark> const known = mark ? *mark : std::nullopt;
  if (known) {
    if (known->format != store_format) fail_other_format(folder, known->format);
    if (known->check != place.check) fail_wrong_key(folder);
    auto const floor = known->made ? check_floor(folder, *known) : rocksdb::Status::OK();
    if (!floor.ok()) fail_to_rescue(folder, floor);
  }
  std::unique_ptr<database> opened(new database(place));
  opened->open_engine(open_mode::rescue);
  if (!known) opened->check_rows(place.check);  // else the mark has said it
  return opened;
}

core::result<void> database::mark_as_made() {
  std::vector<std::string> files;
  std::uint64_t bytes = 0;  // as far as it is on disk
  auto const asked = engine_->GetLiveFiles(files, &bytes, false);
  if (!asked.ok()) return core::errc::unavailable;
  store_mark mark{store_format, place_.check, true, {0, bytes}, {}, 0, last_change_};
  for (std::string const& name : files) {
    if (auto const number = list_number(std::string_view(name).substr(1))) {
      mark.floor.number = *number;
    }
  }
  mark.list_checksum = checksum_of(place_.folder, mark.floor);
  if (!mark.list_checksum) return core::errc::unavailable;
  mark.oldest_log = oldest_of_many_logs();  // behind GetLiveFiles(): of that list or a later one
  auto const written = write_store_mark(place_.folder, mark);
  if (written) note_.open(place_.folder);
  return written;
}

std::uint64_t database::oldest_of_many_logs() const {
  std::uint64_t first_kept = 0;
  engine_->GetIntProperty(rocksdb::DB::Properties::kMinLogNumberToKeep, &first_kept);
  std::set<std::uint64_t> logs;
  std::error_code failed;
  for (auto const& entry : std::filesystem::directory_iterator(place_.folder, failed)) {
    if (entry.path().extension() != ".log") continue;
    std::string const name = entry.path().stem();
    std::uint64_t number = 0;
    std::from_chars(name.data(), name.data() + name.size(), number);
    if (number >= first_kept) logs.insert(number);
  }
  return logs.size() > 1 ? *logs.begin() : 0;
}

void database::raise_floor() {
  if (!events_->list_grew.exchange(false)) return;
  if (!mark_as_made()) events_->list_grew = true;
}

void database::note_changes() noexcept {
  last_change_ = engine_->GetLatestSequenceNumber();
  note_.write(last_change_);
}

bool database::flush() noexcept {
  std::vector<rocksdb::ColumnFamilyHandle*> const all(families_.begin(), families_.end());
  bool const flushed = engine_->Flush(rocksdb::FlushOptions(), all).ok();
  if (flushed) note_changes();
  raise_floor();
  return flushed;
}

}  // namespace tacit::kv
