#include "app/runtime_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <optional>

#include "app/settings/settings.hpp"
#include "core/wire.hpp"

namespace tacit::app {

namespace {

constexpr std::size_t slot_bytes = 256 * 1024;
static_assert(sizeof(std::uint32_t) + core::book_bytes_max <= slot_bytes);

[[noreturn]] void fail(std::string const& what, std::string const& path) {
  throw startup_error("cannot " + what + " the keeper's file of enrolled runtimes " + path + " (" +
                      std::strerror(errno) + ")");
}

void sync_folder_of(std::string const& path) {
  std::size_t const slash = path.find_last_of('/');
  std::string const folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  descriptor const open(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!open.is_open() || ::fsync(open.number()) != 0) fail("sync the folder of", path);
}

void check_owner(descriptor const& file, std::string const& path) {
  struct stat about{};
  if (::fstat(file.number(), &about) != 0) fail("look at", path);
  if (!S_ISREG(about.st_mode)) throw startup_error(path + " is not a file");
  if ((about.st_mode & 0077) != 0) {
    throw startup_error("others can reach the keeper's file " + path + ": run chmod 0600 on it");
  }
  if (about.st_uid != ::geteuid()) {
    throw startup_error("the keeper's file " + path +
                        " belongs to another user: give it to this one");
  }
}

struct slot_contents {
  bool is_blank = true;  // nothing was ever written there
  std::string book{};    // what may be one
};

slot_contents read_slot(descriptor const& file, unsigned slot, std::string const& path) {
  std::string bytes(slot_bytes, '\0');
  auto const got =
      ::pread(file.number(), bytes.data(), bytes.size(), static_cast<off_t>(slot * slot_bytes));
  // Taken for blank, it would be written to.
  if (got < 0) fail("read", path);
  core::wire_reader from(std::string_view(bytes).substr(0, static_cast<std::size_t>(got)));
  auto const size = from.number<std::uint32_t>();
  bool const is_blank = got == 0 || (from.ok() && size == 0);  // not: cut in the middle of a length
  return {is_blank, std::string(from.take(size))};
}

bool write_all(int file, std::string_view bytes, off_t at) noexcept {
  while (!bytes.empty()) {
    auto const put = ::pwrite(file, bytes.data(), bytes.size(), at);
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(put));
    at += put;
  }
  return true;
}

}  // namespace

runtime_file::runtime_file(std::string path)
    : path_(std::move(path)),
      file_(::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600)) {
  if (!file_.is_open()) fail("open", path_);
  check_owner(file_, path_);
  // So that a full disk stops no change, least of all a revocation. Without the room, which not
  // every file system sets aside, a change may be refused.
  static_cast<void>(::fallocate(file_.number(), 0, 0, 2 * slot_bytes));
  sync_folder_of(path_);
}

void runtime_file::load(core::runtime_book_key const& key) {
  bool is_new = true;
  std::optional<core::enrolment_book> newest;
  for (unsigned slot = 0; slot < 2; ++slot) {
    slot_contents const read = read_slot(file_, slot, path_);
    is_new = is_new && read.is_blank;
    auto book = core::decode_book(key, read.book);
    if (!book || (newest && newest->epoch() > book->epoch())) continue;
    newest = *std::move(book);
    newest_slot_ = slot;
  }
  if (newest) {
    book_ = *std::move(newest);
    return;
  }
  if (!is_new) {
    throw startup_error("the keeper's file of enrolled runtimes " + path_ +
                        " is damaged, or was made with another root key: restore it from a copy, "
                        "or remove it and enrol all runtimes again");
  }
  newest_slot_ = 1;
  if (!write(core::encode_book(key, book_))) fail("write", path_);
}

bool runtime_file::write(std::string_view book) noexcept {
  unsigned const slot = 1 - newest_slot_;
  std::array<char, sizeof(std::uint32_t)> length{};
  for (std::size_t i = 0; i < length.size(); ++i) {
    length[i] = static_cast<char>(book.size() >> (8 * i) & 0xFFu);
  }
  auto const at = static_cast<off_t>(slot * slot_bytes);
  // The length behind the book: who ends in between has left a blank slot blank.
  bool const written = write_all(file_.number(), book, at + static_cast<off_t>(length.size())) &&
                       write_all(file_.number(), {length.data(), length.size()}, at) &&
                       ::fdatasync(file_.number()) == 0;
  if (written) newest_slot_ = slot;
  return written;
}

}  // namespace tacit::app
