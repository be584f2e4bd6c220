// The file STORE, numbers little-endian:
//   magic(8) "tacitst\n"  format(4)  check(16)  made(1: 0 or 1)  list number(8)  list bytes(8)
//   list checksum(4)  oldest log(8)  checksum(4) of all before it
//   change change          change  number(8)  checksum(4) of it; written in place, in turn
// It may end behind made, and behind list bytes. Checksums are kv/checksum.hpp's.
#include "kv/store_mark.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <fstream>

#include "core/wire.hpp"
#include "kv/checksum.hpp"
#include "kv/log_scan.hpp"

namespace tacit::kv {

using core::errc;
using core::result;

namespace {

constexpr std::string_view magic = "tacitst\n";

class open_file {
 public:
  open_file(std::string const& path, int flags) : number_(::open(path.c_str(), flags, 0600)) {}
  ~open_file() {
    if (number_ >= 0) ::close(number_);
  }
  open_file(open_file const&) = delete;
  open_file& operator=(open_file const&) = delete;
  [[nodiscard]] int number() const { return number_; }

 private:
  int number_;
};

constexpr std::size_t head_bytes = 61;  // all but the changes
constexpr std::size_t change_bytes = 12;

std::string encode_change(std::uint64_t number) {
  std::string bytes;
  core::wire_writer(bytes).number(number);
  core::wire_writer(bytes).number(masked_crc32c(bytes));
  return bytes;
}

// Of the two the later one that is whole; nothing when neither is.
std::optional<std::uint64_t> decode_changes(std::string_view both) {
  std::optional<std::uint64_t> last;
  for (std::size_t at = 0; at < both.size(); at += change_bytes) {
    core::wire_reader from(both.substr(at, change_bytes));
    auto const number = from.number<std::uint64_t>();
    bool const is_whole = both.substr(at, change_bytes) == encode_change(number);
    if (is_whole) last = std::max(last.value_or(0), number);
  }
  return last;
}

// As RocksDB names its files: six digits, or more.
std::string numbered(std::string prefix, std::uint64_t number) {
  std::string const digits = std::to_string(number);
  return prefix.append(digits.size() < 6 ? 6 - digits.size() : 0, '0').append(digits);
}

errc translate_errno() { return errno == ENOSPC ? errc::storage_full : errc::unavailable; }

}  // namespace

result<std::optional<store_mark>> read_store_mark(std::string const& folder) {
  open_file const file(folder + "/STORE", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (file.number() < 0 && errno == ENOENT) return std::optional<store_mark>();
  if (file.number() < 0) return errc::unavailable;
  std::string bytes(128, '\0');
  auto const got = ::read(file.number(), bytes.data(), bytes.size());
  if (got < 0) return errc::unavailable;
  bytes.resize(static_cast<std::size_t>(got));
  core::wire_reader from(bytes);
  store_mark mark;
  bool const is_ours = from.take(magic.size()) == magic;
  mark.format = from.number<std::uint32_t>();
  bool const has_own_form = bytes.size() == head_bytes + 2 * change_bytes;
  if (is_ours && mark.format > store_format && !has_own_form) return std::make_optional(mark);
  from.bytes(std::span(mark.check));
  auto const made = from.number<std::uint8_t>();
  mark.made = made == 1;
  if (!from.done()) {
    mark.floor.number = from.number<std::uint64_t>();
    mark.floor.bytes = from.number<std::uint64_t>();
  }
  if (!from.done()) {
    if (!has_own_form) return errc::corrupt;
    mark.list_checksum = from.number<std::uint32_t>();
    mark.oldest_log = from.number<std::uint64_t>();
    auto const sum = from.number<std::uint32_t>();
    auto const last = decode_changes(from.take(2 * change_bytes));
    std::string_view const summed = std::string_view(bytes).substr(0, head_bytes - sizeof sum);
    if (sum != masked_crc32c(summed) || !last) return errc::corrupt;
    mark.last_change = *last;
  }
  if (!is_ours || !from.done() || made > 1 || mark.format == 0) return errc::corrupt;
  return std::optional(mark);
}

std::optional<std::uint64_t> list_number(std::string_view name) {
  constexpr std::string_view prefix = "MANIFEST-";
  if (!name.starts_with(prefix)) return std::nullopt;
  name.remove_prefix(prefix.size());
  std::uint64_t number = 0;
  auto const read = std::from_chars(name.data(), name.data() + name.size(), number);
  if (read.ec != std::errc() || read.ptr != name.data() + name.size()) return std::nullopt;
  return number;
}

result<list_of_files> find_list_of_files(std::string const& folder) {
  open_file const current(folder + "/CURRENT", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (current.number() < 0) return errc::corrupt;
  std::string name(64, '\0');
  auto const got = ::read(current.number(), name.data(), name.size());
  if (got < 1) return errc::corrupt;
  name.resize(static_cast<std::size_t>(got) - 1);  // it ends with a newline
  auto const number = list_number(name);
  if (!number || ::access((folder + "/" + name).c_str(), F_OK) != 0) return errc::corrupt;
  auto const scanned = scan_list(folder + "/" + name);
  if (!scanned) return scanned.error();
  if (find_damaged_log({*scanned}) != nullptr) return errc::corrupt;
  return list_of_files{*number, scanned->sound_bytes};
}

std::optional<std::uint32_t> checksum_of(std::string const& folder, list_of_files const& list) {
  std::ifstream file(folder + "/" + numbered("MANIFEST-", list.number), std::ios::binary);
  std::string bytes(list.bytes, '\0');
  file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  if (!file) return std::nullopt;
  return masked_crc32c(bytes);
}

std::optional<std::string> find_missing_log(std::string const& folder, store_mark const& mark) {
  auto const now = find_list_of_files(folder);
  if (mark.oldest_log == 0 || !now || *now != mark.floor) return std::nullopt;
  std::string const name = numbered("", mark.oldest_log) + ".log";
  if (::access((folder + "/" + name).c_str(), F_OK) == 0) return std::nullopt;
  return name;
}

result<void> write_store_mark(std::string const& folder, store_mark const& mark) {
  std::string bytes(magic);
  core::wire_writer to(bytes);
  to.number(mark.format);
  to.bytes(mark.check);
  to.number(static_cast<std::uint8_t>(mark.made ? 1 : 0));
  to.number(mark.floor.number);
  to.number(mark.floor.bytes);
  if (mark.list_checksum) {
    to.number(*mark.list_checksum);
    to.number(mark.oldest_log);
    to.number(masked_crc32c(bytes));
    bytes += encode_change(mark.last_change) + encode_change(0);
  }
  std::string const unfinished = folder + "/STORE.new";
  {
    open_file const file(unfinished, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW);
    if (file.number() < 0) return translate_errno();
    auto const put = ::write(file.number(), bytes.data(), bytes.size());
    if (put != static_cast<ssize_t>(bytes.size())) return translate_errno();
    if (::fsync(file.number()) != 0) return translate_errno();
  }
  if (::rename(unfinished.c_str(), (folder + "/STORE").c_str()) != 0) return translate_errno();
  open_file const open_folder(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (open_folder.number() < 0 || ::fsync(open_folder.number()) != 0) return translate_errno();
  return {};
}

change_note::~change_note() {
  if (file_ >= 0) ::close(file_);
}

void change_note::open(std::string const& folder) noexcept {
  if (file_ >= 0) ::close(file_);
  file_ = ::open((folder + "/STORE").c_str(), O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
  second_ = true;
}

void change_note::write(std::uint64_t last_change) noexcept {
  if (file_ < 0) return;
  std::string const bytes = encode_change(last_change);
  std::size_t const at = head_bytes + (second_ ? change_bytes : 0);
  second_ = !second_;
  // What is not written leaves an earlier number, which refuses less.
  static_cast<void>(::pwrite(file_, bytes.data(), bytes.size(), static_cast<off_t>(at)) < 0);
}

}  // namespace tacit::kv
