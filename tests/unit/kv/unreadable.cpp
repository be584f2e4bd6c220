// Tables that the disk does not give back: what cannot be read is not taken for what is not there.
#include <rocksdb/file_system.h>

#include <atomic>
#include <boost/test/unit_test.hpp>
#include <set>

#include "tests/unit/kv/running_store.hpp"

namespace tacit::kv {
namespace {

using core::errc;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using test::running_store;

// Fails to read tables, while it is told to.
class blind_disk final : public rocksdb::FileSystemWrapper {
 public:
  blind_disk() : FileSystemWrapper(rocksdb::FileSystem::Default()) {}
  char const* Name() const override { return "blind_disk"; }

  // To the files of these names; none while nothing opens them.
  void be_blind_to(std::set<std::string> files) { files_ = std::move(files); }
  std::atomic<bool> is_blind = false;

  IOStatus NewRandomAccessFile(std::string const& name, rocksdb::FileOptions const& options,
                               std::unique_ptr<rocksdb::FSRandomAccessFile>* made,
                               IODebugContext* debug) override {
    auto const status = FileSystemWrapper::NewRandomAccessFile(name, options, made, debug);
    bool const is_one = files_.contains(name.substr(name.rfind('/')));
    if (status.ok() && is_one) *made = std::make_unique<file>(std::move(*made), is_blind);
    return status;
  }

 private:
  class file final : public rocksdb::FSRandomAccessFileOwnerWrapper {
   public:
    file(std::unique_ptr<rocksdb::FSRandomAccessFile> real, std::atomic<bool> const& is_blind)
        : FSRandomAccessFileOwnerWrapper(std::move(real)), is_blind_(is_blind) {}

    IOStatus Read(std::uint64_t at, std::size_t bytes, IOOptions const& options,
                  rocksdb::Slice* read, char* scratch, IODebugContext* debug) const override {
      if (is_blind_) return IOStatus::IOError("not given back");
      return FSRandomAccessFileOwnerWrapper::Read(at, bytes, options, read, scratch, debug);
    }

   private:
    std::atomic<bool> const& is_blind_;
  };

  std::set<std::string> files_;
};

// A closed store with the project `bot` and the secrets A and B, all of it in tables.
struct on_a_blind_disk : test::surroundings {
  std::shared_ptr<blind_disk> files = std::make_shared<blind_disk>();

  on_a_blind_disk() {
    disk = files;
    running_store store(*this);
    static_cast<void>(store.must<core::project_entry>(test::create("bot")));
    for (char const* name : {"A", "B"}) {
      static_cast<void>(store.must<core::secret_entry>(test::upsert("bot", name, 1)));
    }
    CHECK(store.finish());
  }

  std::set<std::string> tables_of(std::string_view family_name) {
    auto const raw = open_database();
    std::vector<rocksdb::LiveFileMetaData> all;
    raw->engine().GetLiveFilesMetaData(&all);
    std::set<std::string> names;
    for (auto const& one : all) {
      if (one.column_family_name == family_name) names.insert(one.name);
    }
    BOOST_REQUIRE(!names.empty());
    return names;
  }
  static void must_be_unchanged(running_store& store) {
    auto const list = store.list("bot");
    BOOST_REQUIRE(list.has_value());
    BOOST_TEST(test::names(*list) == "A,B,");
    BOOST_TEST(store.show("bot")->secret_count == 2u);
    BOOST_TEST(store.must<core::removed>(test::remove("bot", "A")).existed);
    static_cast<void>(store.must<core::secret_entry>(test::upsert("bot", "A", 2)));
    CHECK(store.finish());
  }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(unreadable, on_a_blind_disk)

BOOST_AUTO_TEST_CASE(a_project_whose_row_cannot_be_read_is_neither_absent_nor_damaged) {
  for (char const* const half : {"counters", "projects"}) {
    BOOST_TEST_CONTEXT(half) {
      files->be_blind_to(tables_of(half));
      running_store store(*this);
      files->is_blind = true;
      BOOST_TEST(test::is(store.ask(test::upsert("bot", "A", 9)), errc::unavailable));
      BOOST_TEST(test::is(store.ask(test::upsert("bot", "NEW", 9)), errc::unavailable));
      BOOST_TEST(test::is(store.ask(test::remove("bot", "A")), errc::unavailable));
      BOOST_TEST(test::is(store.ask(test::create("bot")), errc::unavailable));
      BOOST_TEST(test::is(store.ask(test::erase("bot")), errc::unavailable));
      BOOST_TEST(test::is(store.show("bot"), errc::unavailable));
      files->is_blind = false;
      must_be_unchanged(store);
    }
  }
}

BOOST_AUTO_TEST_CASE(a_secret_whose_row_cannot_be_read_is_not_a_new_one) {
  files->be_blind_to(tables_of("secrets"));
  running_store store(*this);
  files->is_blind = true;
  BOOST_TEST(test::is(store.ask(test::upsert("bot", "A", 9)), errc::unavailable));
  BOOST_TEST(test::is(store.ask(test::remove("bot", "A")), errc::unavailable));
  BOOST_TEST(test::is(store.ask(test::erase("bot")), errc::unavailable));
  BOOST_TEST(test::is(store.list("bot"), errc::unavailable));
  BOOST_TEST(test::is(store->sealed_values(test::project("bot")), errc::unavailable));
  files->is_blind = false;
  must_be_unchanged(store);
}

BOOST_AUTO_TEST_CASE(a_value_that_cannot_be_read_is_delivered_as_nothing_and_not_as_absent) {
  files->be_blind_to(tables_of("values"));
  running_store store(*this);
  files->is_blind = true;
  BOOST_TEST(test::is(store->sealed_values(test::project("bot")), errc::unavailable));
  BOOST_TEST(test::is(store.ask(test::erase("bot")), errc::unavailable));
  files->is_blind = false;
  must_be_unchanged(store);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace tacit::kv
