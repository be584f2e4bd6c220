// The keeper's own file: a crash in the middle of a write leaves the book before it, and what
// somebody else wrote is no book.
#include "app/runtime_file.hpp"

#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "app/settings/settings.hpp"
#include "tests/unit/app/confined_child.hpp"
#include "tests/unit/core/samples.hpp"

namespace tacit::app {
namespace {

constexpr std::size_t slot_bytes = 256 * 1024;
constexpr core::timestamp now{1'800'000'000'000};

struct folder {
  std::string path = [] {
    core::init_crypto();
    std::string pattern = "/tmp/tacit-app-XXXXXX";
    BOOST_REQUIRE(::mkdtemp(pattern.data()) != nullptr);
    return pattern;
  }();
  std::string file = path + "/runtimes";
  core::runtime_book_key key = core::test::counting_key<core::runtime_book_key>(3);

  folder() = default;
  folder(folder const&) = delete;
  folder& operator=(folder const&) = delete;
  ~folder() { std::filesystem::remove_all(path); }

  core::enrolment_book load() const {
    runtime_file opened(file);
    opened.load(key);
    return opened.book();
  }
  // A book with so many changes, each written.
  core::enrolment_book write(unsigned changes) const {
    runtime_file opened(file);
    opened.load(key);
    core::enrolment_book book = opened.book();
    for (unsigned i = 0; i < changes; ++i) {
      core::exchange_public_key with;
      with.bytes.fill(static_cast<unsigned char>(book.epoch()));
      BOOST_REQUIRE(book.add({*core::runtime_id::parse("r" + std::to_string(book.epoch())),
                              core::test::project("p"),
                              with,
                              now,
                              {now.unix_milliseconds + 1000}},
                             now)
                        .has_value());
      BOOST_REQUIRE(opened.write(core::encode_book(key, book)));
    }
    return book;
  }
  std::string bytes() const {
    std::ifstream opened(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(opened), {}};
  }
  void spoil(std::size_t at) const {
    std::fstream changed(file, std::ios::in | std::ios::out | std::ios::binary);
    changed.seekg(static_cast<std::streamoff>(at));
    auto const byte = static_cast<unsigned char>(changed.get());
    changed.seekp(static_cast<std::streamoff>(at));
    changed.put(static_cast<char>(byte ^ 1u));
  }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(runtime_files, folder)

BOOST_AUTO_TEST_CASE(a_new_file_is_ours_alone_and_holds_an_empty_book) {
  BOOST_TEST(load().epoch() == 0u);
  struct stat about{};
  BOOST_REQUIRE(::stat(file.c_str(), &about) == 0);
  BOOST_TEST((about.st_mode & 0777u) == 0600u);
  BOOST_TEST(load().epoch() == 0u);
}

BOOST_AUTO_TEST_CASE(its_room_is_set_aside_so_that_a_full_disk_stops_no_change) {
  std::ofstream(file).close();  // also that of an earlier version
  BOOST_REQUIRE(::chmod(file.c_str(), 0600) == 0);
  write(3);
  struct stat about{};
  BOOST_REQUIRE(::stat(file.c_str(), &about) == 0);
  BOOST_TEST(static_cast<std::size_t>(about.st_blocks) * 512 >= 2 * slot_bytes);
}

BOOST_AUTO_TEST_CASE(the_newest_book_comes_back_after_any_number_of_changes) {
  for (unsigned changes = 1; changes < 6; ++changes) {
    core::enrolment_book const written = write(changes);
    BOOST_CHECK(load() == written);
  }
}

BOOST_AUTO_TEST_CASE(a_torn_write_leaves_the_book_before_it) {
  for (unsigned changes = 1; changes < 4; ++changes) {
    core::enrolment_book const before = write(1);
    core::enrolment_book const newest = write(1);
    BOOST_CHECK(load() == newest);
    // The first book lies in the first slot, and each change in the other one.
    std::size_t const slot = newest.epoch() % 2 * slot_bytes;
    spoil(slot + 6);
    BOOST_CHECK(load() == before);
    spoil(slot + 6);
    BOOST_CHECK(load() == newest);
  }
}

BOOST_AUTO_TEST_CASE(what_is_no_book_of_this_root_key_stops_the_start) {
  write(2);
  spoil(6);
  spoil(slot_bytes + 6);
  BOOST_CHECK_THROW(load(), startup_error);
  spoil(6);
  BOOST_CHECK_NO_THROW(load());
  key = core::test::counting_key<core::runtime_book_key>(4);
  BOOST_CHECK_THROW(load(), startup_error);
}

BOOST_AUTO_TEST_CASE(what_was_a_book_is_never_taken_for_a_new_file) {
  write(2);
  std::string const whole = bytes();
  for (std::size_t const left : {5u, 40u, 47u}) {
    std::filesystem::resize_file(file, left);  // as a copy that broke off
    std::string const cut = bytes();
    BOOST_CHECK_THROW(load(), startup_error);
    BOOST_CHECK(bytes().substr(0, left) == cut);
    std::ofstream(file, std::ios::binary) << whole;
  }
  BOOST_TEST(load().epoch() == 2u);
}

// There the file is as long as what was written to it.
BOOST_AUTO_TEST_CASE(it_is_not_taken_for_new_either_where_no_room_can_be_set_aside) {
  write(2);
  for (std::size_t const left : {5u, 3u, 2u, 1u}) {
    std::filesystem::resize_file(file, left);
    std::string const cut = bytes();
    int const came_of = in_child([&] {
      std::signal(SIGXFSZ, SIG_IGN);
      rlimit const no_room{slot_bytes / 2, slot_bytes / 2};
      if (::setrlimit(RLIMIT_FSIZE, &no_room) != 0) return 2;
      try {
        load();
      } catch (startup_error const&) {
        return 1;
      }
      return 0;
    });
    BOOST_TEST(came_of == 1);
    BOOST_CHECK(bytes() == cut);
  }
}

BOOST_AUTO_TEST_CASE(a_first_write_that_was_cut_off_is_made_again) {
  std::ofstream(file, std::ios::binary) << std::string(4, '\0') << "half of a book";
  BOOST_REQUIRE(::chmod(file.c_str(), 0600) == 0);
  BOOST_TEST(load().epoch() == 0u);
}

BOOST_AUTO_TEST_CASE(a_file_that_others_can_reach_or_that_is_a_link_stops_the_start) {
  write(1);
  for (mode_t const mode : {0640u, 0604u, 0620u}) {
    BOOST_REQUIRE(::chmod(file.c_str(), mode) == 0);
    BOOST_CHECK_THROW(load(), startup_error);
  }
  BOOST_REQUIRE(::chmod(file.c_str(), 0600) == 0);
  std::filesystem::rename(file, file + "2");
  std::filesystem::create_symlink(file + "2", file);
  BOOST_CHECK_THROW(load(), startup_error);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace tacit::app
