// A real store in a folder of its own, with a clock and a log of the test's.
#pragma once

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "kv/store.hpp"
#include "tests/unit/core/samples.hpp"

namespace tacit::kv::test {

using core::test::is;
using core::test::project;
using core::test::secret;

class temp_folder {
 public:
  temp_folder() {
    std::string pattern = std::filesystem::temp_directory_path() / "tacit-kv-XXXXXX";
    CHECK(mkdtemp(pattern.data()) != nullptr);
    path_ = pattern;
    std::filesystem::create_directory(store());
  }
  ~temp_folder() { std::filesystem::remove_all(path_); }
  temp_folder(temp_folder const&) = delete;
  temp_folder& operator=(temp_folder const&) = delete;

  std::string store() const { return path_ + "/store"; }
  std::string const& path() const { return path_; }

 private:
  std::string path_;
};

struct hand_clock final : core::clock {
  std::atomic<std::int64_t> milliseconds = 1'000'000;
  core::timestamp now() const noexcept override { return {milliseconds.load()}; }
};

// Prints nothing; remembers the warnings.
class quiet_log final : public core::log {
 public:
  void write(core::severity how_grave, std::string_view what,
             std::initializer_list<core::log_field>) noexcept override {
    if (how_grave != core::severity::warn) return;
    std::lock_guard const lock(mutex_);
    warnings_.emplace_back(what);
  }
  bool wants(core::severity) const noexcept override { return false; }
  // How many warnings have this in them.
  auto warned(std::string_view part) {
    std::lock_guard const lock(mutex_);
    return std::ranges::count_if(warnings_,
                                 [part](auto const& one) { return one.find(part) != one.npos; });
  }

 private:
  std::mutex mutex_;
  std::vector<std::string> warnings_;
};

// Waits for changes; remembers in which order and in how many groups they came back.
class waiting_port final : public core::completion_port {
 public:
  void complete(core::change* first) noexcept override {
    std::lock_guard const lock(mutex_);
    ++groups_;
    for (core::change* one = first; one != nullptr; one = one->next) completed_.push_back(one);
    something_.notify_all();
  }
  std::vector<core::change*> wait_for(std::size_t changes) {
    std::unique_lock lock(mutex_);
    something_.wait(lock, [&] { return completed_.size() >= changes; });
    return completed_;
  }
  std::size_t groups() {
    std::lock_guard const lock(mutex_);
    return groups_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable something_;
  std::vector<core::change*> completed_;
  std::size_t groups_ = 0;
};

// The keys and surroundings of a store that is closed and opened again.
struct surroundings {
  temp_folder folder;
  core::api_share share = core::derive_api_share(core::test::sample_root());
  std::shared_ptr<rocksdb::FileSystem> disk;  // null: the real one
  hand_clock clock;
  quiet_log log;
  core::test::open_gate gate;
  core::rate_limiter limiter{std::span<core::rate_limiter::word, core::rate_limiter::words>(
                                 gate.memory.get(), core::rate_limiter::words),
                             {2, 2, 2}};

  std::unique_ptr<database> open_database() {
    return database::open({folder.store(), share.check, &log, disk});
  }
};

inline core::upsert_secret upsert(std::string_view id, std::string_view name,
                                  std::uint64_t record_id, std::string sealed = "sealed",
                                  std::string_view last_four = "aB3x") {
  return {core::test::may_write(project(id)), secret(name), record_id, std::move(sealed),
          core::label::of_text(last_four)};
}
inline core::remove_secret remove(std::string_view id, std::string_view name) {
  return {core::test::may_write(project(id)), secret(name)};
}
inline core::create_project create(std::string_view id, std::uint32_t secret_limit = 0) {
  return {core::test::is_admin(), project(id), "name of " + std::string(id), secret_limit};
}
inline core::delete_project erase(std::string_view id) {
  return {core::test::is_admin(), project(id)};
}

class running_store {
 public:
  explicit running_store(surroundings& around, std::uint32_t secrets_per_project = 25)
      : store_(std::make_unique<store>(
            around.open_database(),
            store_parts{around.share.rows, around.clock, around.limiter, around.log},
            secrets_per_project)) {
    start();
  }
  // Does not commit until start().
  running_store(surroundings& around, std::uint32_t secrets_per_project, std::nullptr_t)
      : store_(std::make_unique<store>(
            around.open_database(),
            store_parts{around.share.rows, around.clock, around.limiter, around.log},
            secrets_per_project)) {}
  ~running_store() { finish(); }

  void start() {
    thread_ = std::jthread([this] { ended_well_ = store_->run_commits(); });
  }
  // Closes the queue and waits for the end; whether it was a good one.
  bool finish() {
    store_->close();
    if (thread_.joinable()) thread_.join();
    return ended_well_;
  }

  store* operator->() { return store_.get(); }
  store& operator*() { return *store_; }

  // One change from the asking to the outcome.
  core::result<core::outcome> ask(core::command what) {
    waiting_port port;
    core::change asked(std::move(what), port);
    auto const taken = store_->submit(asked);
    if (!taken) return taken.error();
    port.wait_for(1);
    return std::move(asked.came_of);
  }
  template <typename Outcome>
  Outcome must(core::command what) {
    auto came_of = ask(std::move(what));
    CHECK(came_of.has_value());
    return std::move(std::get<Outcome>(*came_of));
  }

  core::result<core::secret_list> list(std::string_view id) {
    return store_->list_secrets(core::test::may_read(project(id)));
  }
  core::result<core::project_entry> show(std::string_view id) {
    return store_->show_project(core::test::may_read(project(id)));
  }

 private:
  std::unique_ptr<store> store_;
  bool ended_well_ = false;  // written by the thread, read after its join
  std::jthread thread_;
};

// The names in a list, with commas.
inline std::string names(core::secret_list const& list) {
  std::string text;
  for (auto const& one : list.secrets) text.append(one.name.text()).append(",");
  return text;
}

// The keys in a family of a closed store.
inline std::vector<std::string> keys_in(database const& store, core::family which) {
  std::vector<std::string> keys;
  std::unique_ptr<rocksdb::Iterator> const rows(store.engine().NewIterator({}, store.in(which)));
  for (rows->SeekToFirst(); rows->Valid(); rows->Next()) keys.push_back(rows->key().ToString());
  CHECK(rows->status().ok());
  return keys;
}

}  // namespace tacit::kv::test
