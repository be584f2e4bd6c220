// A disk that is full in the middle of a write, whatever it promised: the write is refused, reads
// go on, the store is opened again and takes writes, and nothing acknowledged is lost.
#include <rocksdb/file_system.h>

#include <boost/test/unit_test.hpp>
#include <deque>
#include <functional>

#include "tests/unit/kv/running_store.hpp"

namespace tacit::kv {
namespace {

using core::errc;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;
using test::running_store;

// Takes `room` more bytes into files whose name ends as asked, then is full: of a write that does
// not fit there is as much as did.
class small_disk final : public rocksdb::FileSystemWrapper {
 public:
  small_disk() : FileSystemWrapper(rocksdb::FileSystem::Default()) {}
  char const* Name() const override { return "small_disk"; }

  void leave(std::int64_t bytes, std::string files = "") {
    std::lock_guard const lock(mutex_);
    files_ = std::move(files);
    room_ = bytes;
  }
  void leave_all() { leave(std::numeric_limits<std::int64_t>::max()); }
  // Of the next write to such a file all is there, and it says that it was full.
  void lie_once(std::string files) {
    leave_all();
    std::lock_guard const lock(mutex_);
    files_ = std::move(files);
    lies_ = true;
  }
  // Called before it says that it is full.
  std::function<void()> when_full;

  IOStatus NewWritableFile(std::string const& name, rocksdb::FileOptions const& options,
                           std::unique_ptr<rocksdb::FSWritableFile>* made,
                           IODebugContext* debug) override {
    auto const status = FileSystemWrapper::NewWritableFile(name, options, made, debug);
    if (status.ok()) *made = std::make_unique<file>(std::move(*made), *this, name);
    return status;
  }

 private:
  class file final : public rocksdb::FSWritableFileOwnerWrapper {
   public:
    file(std::unique_ptr<rocksdb::FSWritableFile> real, small_disk& disk, std::string name)
        : FSWritableFileOwnerWrapper(std::move(real)), disk_(disk), name_(std::move(name)) {}

    IOStatus Append(Slice const& bytes, IOOptions const& options, IODebugContext* debug) override {
      std::size_t const fits = disk_.take(name_, bytes.size());
      auto const put = FSWritableFileOwnerWrapper::Append({bytes.data(), fits}, options, debug);
      if (!put.ok() || (fits == bytes.size() && !disk_.lies(name_))) return put;
      if (disk_.when_full) disk_.when_full();
      IOStatus full = IOStatus::NoSpace(name_);
      full.SetRetryable(true);  // as the real one does
      return full;
    }
    IOStatus Append(Slice const& bytes, IOOptions const& options,
                    rocksdb::DataVerificationInfo const&, IODebugContext* debug) override {
      return Append(bytes, options, debug);
    }

   private:
    small_disk& disk_;
    std::string name_;
  };

  std::size_t take(std::string const& name, std::size_t wanted) {
    std::lock_guard const lock(mutex_);
    if (!name.ends_with(files_)) return wanted;
    auto const fits = std::min(static_cast<std::int64_t>(wanted), room_);
    room_ -= fits;
    return static_cast<std::size_t>(fits);
  }
  bool lies(std::string const& name) {
    std::lock_guard const lock(mutex_);
    return name.ends_with(files_) && std::exchange(lies_, false);
  }

  std::mutex mutex_;
  std::int64_t room_ = std::numeric_limits<std::int64_t>::max();  // guarded by mutex_
  std::string files_;                                             // guarded by mutex_
  bool lies_ = false;                                             // guarded by mutex_
};

struct on_a_small_disk : test::surroundings {
  on_a_small_disk() { disk = files; }
  std::shared_ptr<small_disk> files = std::make_shared<small_disk>();

  void must_have(running_store& store, std::string_view names) {
    auto const list = store.list("bot");
    BOOST_REQUIRE(list.has_value());
    BOOST_TEST(test::names(*list) == names);
    auto const sealed = store->sealed_values(test::project("bot"));
    BOOST_REQUIRE(sealed.has_value());
    for (auto const& one : sealed->records) {
      BOOST_CHECK(one.sealed == std::string(900, one.name.text()[0]));
    }
  }
  static void wait_until_writable(running_store& store) {
    while (!store->writable()) std::this_thread::yield();
  }
};

core::upsert_secret upsert(std::string const& name, std::string_view id = "bot") {
  return test::upsert(id, name, 1, std::string(900, name[0]));
}
core::create_api_key make_key() {
  return {core::test::is_admin(), *core::test::api_key(3, {true, {}})};
}
core::receipt a_receipt() {
  return {test::project("bot"),
          core::consumer::process(1, "web.service", "box"),
          core::timestamp{5},
          core::delivery_extent::whole,
          {}};
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(full_disk, on_a_small_disk)

BOOST_AUTO_TEST_CASE(a_write_that_does_not_fit_is_refused_and_the_next_one_is_taken) {
  for (std::int64_t const room : {0, 1, 6, 7, 300, 1000}) {
    test::surroundings around;
    around.disk = files;
    files->leave_all();
    {
      running_store store(around);
      static_cast<void>(store.must<core::project_entry>(test::create("bot")));
      auto const before = store.must<core::secret_entry>(upsert("A")).version;
      files->leave(room, ".log");
      BOOST_TEST(test::is(store.ask(upsert("B")), errc::storage_full));
      must_have(store, "A,");
      files->leave_all();
      BOOST_TEST(store.must<core::secret_entry>(upsert("C")).version > before);
      BOOST_TEST(store->writable());
      must_have(store, "A,C,");
      BOOST_TEST(store.finish());
    }
    running_store again(around);
    must_have(again, "A,C,");
  }
}

BOOST_AUTO_TEST_CASE(what_was_refused_is_there_whole_or_not_at_all) {
  // The last byte is missing: written it is, and the engine was told otherwise.
  running_store store(*this);
  static_cast<void>(store.must<core::project_entry>(test::create("bot")));
  auto const generation = store->project_generation(test::project("bot"));
  files->leave(0, ".log");
  BOOST_TEST(test::is(store.ask(upsert("B")), errc::storage_full));
  BOOST_TEST(store->project_generation(test::project("bot")) % 2 == 1);  // nobody keeps a list
  files->leave_all();
  static_cast<void>(store.must<core::secret_entry>(upsert("C")));
  BOOST_TEST(store->project_generation(test::project("bot")) % 2 == 0);
  BOOST_TEST(store->project_generation(test::project("bot")) > generation);
  BOOST_TEST(store.show("bot")->secret_count == 1u);
}

// It is on disk, and the engine was told otherwise: what is known comes from there.
BOOST_AUTO_TEST_CASE(later_changes_build_on_what_was_refused_and_is_there_all_the_same) {
  running_store store(*this);
  static_cast<void>(store.must<core::project_entry>(test::create("bot")));
  static_cast<void>(store.must<core::secret_entry>(upsert("A")));
  files->lie_once(".log");
  BOOST_TEST(test::is(store.ask(upsert("B")), errc::storage_full));
  auto const next = store.must<core::secret_entry>(upsert("C")).version;
  must_have(store, "A,B,C,");
  BOOST_TEST(store.show("bot")->secret_count == 3u);
  BOOST_TEST(store.list("bot")->secrets[1].version < next);
  files->lie_once(".log");
  BOOST_TEST(test::is(store.ask(make_key()), errc::storage_full));
  BOOST_TEST(store->api_keys()->keys.empty());  // as was said
  wait_until_writable(store);
  BOOST_TEST(store->api_keys()->keys.size() == 1u);
}

BOOST_AUTO_TEST_CASE(who_watches_is_told_when_it_is_open_again_and_of_those_projects_alone) {
  running_store store(*this);
  auto const watch = [&](std::string_view id) {
    store->watch(test::project(id), store->sealed_values(test::project(id))->revision);
  };
  for (char const* const id : {"bot", "shop"}) {
    static_cast<void>(store.must<core::project_entry>(test::create(id)));
    watch(id);
  }
  for (char const* const id : {"bot", "shop"}) {
    BOOST_TEST(store->take_changed().empty());
    files->leave(0, ".log");
    BOOST_TEST(test::is(store.ask(upsert("A", id)), errc::storage_full));
    BOOST_TEST(store->take_changed().empty());
    files->leave_all();
    wait_until_writable(store);
    auto const changed = store->take_changed();
    BOOST_REQUIRE(changed.size() == 1u);
    BOOST_TEST(changed[0].text() == id);
    for (char const* const each : {"bot", "shop"}) {
      BOOST_TEST(store->project_generation(test::project(each)) % 2 == 0u);
    }
    watch(id);
  }
}

BOOST_AUTO_TEST_CASE(what_waits_behind_a_group_that_does_not_fit_is_refused_undecided) {
  running_store store(*this, 25, nullptr);
  test::waiting_port port;
  std::deque<core::change> changes;
  changes.emplace_back(test::create("bot"), port);
  for (std::size_t i = 0; i < core::limits::commit_group_changes_max; ++i) {
    changes.emplace_back(test::remove("none", "NONE"), port);
  }
  for (core::change& one : changes) BOOST_REQUIRE(store->submit(one).has_value());
  files->leave(0, ".log");
  store.start();
  port.wait_for(changes.size());
  BOOST_TEST(port.groups() == 2u);
  for (core::change const& one : changes) BOOST_TEST(test::is(one.came_of, errc::storage_full));
}

BOOST_AUTO_TEST_CASE(a_store_that_takes_writes_is_not_opened_again) {
  running_store store(*this);
  auto const before = store->api_key_generation();
  static_cast<void>(store.must<core::project_entry>(test::create("bot")));
  static_cast<void>(store.must<core::secret_entry>(upsert("A")));
  BOOST_TEST(store->api_key_generation() == before);  // which an opening changes
}

BOOST_AUTO_TEST_CASE(while_it_cannot_be_opened_again_everything_is_refused_and_nothing_ends) {
  {
    running_store store(*this);
    static_cast<void>(store.must<core::project_entry>(test::create("bot")));
    files->leave(10);  // also not enough for a new list of files
    BOOST_TEST(test::is(store.ask(upsert("A")), errc::storage_full));
    BOOST_TEST(!store->writable());
    BOOST_TEST(test::is(store.ask(upsert("B")), errc::storage_full));
    BOOST_TEST(test::is(store.ask(test::create("other")), errc::storage_full));
    BOOST_TEST(test::is(store.list("bot"), errc::unavailable));
    BOOST_TEST(test::is(store->find_project(test::project("bot")), errc::unavailable));
    BOOST_TEST(test::is(store->sealed_values(test::project("bot")), errc::unavailable));
    BOOST_TEST(store.finish());
  }
  files->leave_all();
  running_store again(*this);
  must_have(again, "");
}

BOOST_AUTO_TEST_CASE(what_is_to_be_written_beside_changes_meanwhile_ends_nothing) {
  {
    running_store store(*this);
    static_cast<void>(store.must<core::project_entry>(test::create("bot")));
    auto const key = store.must<core::api_key_entry>(make_key());
    files->leave(10);
    BOOST_TEST(test::is(store.ask(upsert("A")), errc::storage_full));
    BOOST_TEST(test::is(store.ask(upsert("B")), errc::storage_full));
    BOOST_TEST(test::is(store.list("bot"), errc::unavailable));
    store->note_use(key, {clock.now().unix_milliseconds + 5000});
    store->note_deliveries({a_receipt()});
    store->note_epoch_mark("the keeper's mark");
    BOOST_TEST(store.finish());  // when all these are written
  }
  files->leave_all();
  running_store again(*this);
  must_have(again, "");
}

BOOST_AUTO_TEST_CASE(readiness_comes_back_without_a_write) {
  running_store store(*this);
  static_cast<void>(store.must<core::project_entry>(test::create("bot")));
  files->leave(0, ".log");
  BOOST_TEST(test::is(store.ask(upsert("A")), errc::storage_full));
  files->leave_all();
  while (!store->writable()) std::this_thread::yield();
  static_cast<void>(store.must<core::secret_entry>(upsert("B")));
  must_have(store, "B,");
}

// What is written beside changes meets the full disk as well, and nobody asks again: without a word
// of it the server would say that it can write.
BOOST_AUTO_TEST_CASE(what_is_written_beside_changes_is_noticed_and_the_keepers_mark_is_kept) {
  running_store store(*this);
  static_cast<void>(store.must<core::project_entry>(test::create("bot")));
  files->leave(0, ".log");
  store->note_epoch_mark("the keeper's mark");
  while (store->writable()) std::this_thread::yield();
  files->leave_all();
  auto const is_kept = [&] {
    auto const mark = store->epoch_mark();
    return mark && *mark == "the keeper's mark";
  };
  while (!is_kept()) std::this_thread::yield();
  BOOST_TEST(store->writable());
  static_cast<void>(store.must<core::secret_entry>(upsert("A")));
  must_have(store, "A,");
}

BOOST_AUTO_TEST_CASE(a_later_mark_of_the_keepers_is_not_replaced_by_one_that_did_not_fit) {
  running_store store(*this);
  files->when_full = [&] { store->note_epoch_mark("later"); };
  files->leave(0, ".log");
  store->note_epoch_mark("earlier");
  while (store->writable()) std::this_thread::yield();
  files->leave_all();
  while (!store->epoch_mark() || store->epoch_mark()->empty()) std::this_thread::yield();
  BOOST_TEST(store.finish());
  BOOST_TEST(*store->epoch_mark() == "later");
}

BOOST_AUTO_TEST_CASE(receipts_and_last_uses_that_do_not_fit_are_noticed) {
  running_store store(*this);
  static_cast<void>(store.must<core::project_entry>(test::create("bot")));
  auto const key = store.must<core::api_key_entry>(make_key());
  files->leave(0, ".log");
  store->note_deliveries({a_receipt()});
  while (store->writable()) std::this_thread::yield();
  files->leave_all();
  wait_until_writable(store);
  files->leave(0, ".log");
  store->note_use(key, {clock.now().unix_milliseconds + 5000});
  BOOST_TEST(store.finish());
  BOOST_TEST(!store->writable());
}

BOOST_AUTO_TEST_CASE(a_disk_that_is_full_for_the_engines_own_work_is_the_same) {
  running_store store(*this);
  static_cast<void>(store.must<core::project_entry>(test::create("bot")));
  static_cast<void>(store.must<core::secret_entry>(upsert("A")));
  files->leave(0, ".sst");
  for (unsigned i = 0; i < 2'000; ++i) {  // more than it keeps in memory
    auto const came_of = store.ask(test::upsert("bot", "A", 1, std::string(16'000, 'A')));
    if (!came_of) BOOST_REQUIRE(test::is(came_of, errc::storage_full));
    if (!came_of) break;
  }
  BOOST_TEST(!store->writable());
  BOOST_TEST(log.warned("the disk was full") == 1);
  files->leave_all();
  while (!store->writable()) std::this_thread::yield();
  static_cast<void>(store.must<core::secret_entry>(upsert("A")));
  must_have(store, "A,");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace tacit::kv
