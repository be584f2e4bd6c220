// The file STORE, numbers little-endian:
//   magic(8) "tacitst\n"  format(4)  check(16)  made(1: 0 or 1)  list number(8)  list bytes(8)
// The last two may both be missing.
#include "kv/store_mark.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>

#include "core/wire.hpp"
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

errc translate_errno() { return errno == ENOSPC ? errc::storage_full : errc::unavailable; }

}  // namespace

result<std::optional<store_mark>> read_store_mark(std::string const& folder) {
  open_file const file(folder + "/STORE", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (file.number() < 0 && errno == ENOENT) return std::optional<store_mark>();
  if (file.number() < 0) return errc::unavailable;
  std::string bytes(64, '\0');
  auto const got = ::read(file.number(), bytes.data(), bytes.size());
  if (got < 0) return errc::unavailable;
  bytes.resize(static_cast<std::size_t>(got));
  core::wire_reader from(bytes);
  store_mark mark;
  bool const is_ours = from.take(magic.size()) == magic;
  mark.format = from.number<std::uint32_t>();
  from.bytes(std::span(mark.check));
  auto const made = from.number<std::uint8_t>();
  mark.made = made == 1;
  if (!from.done()) {
    mark.floor.number = from.number<std::uint64_t>();
    mark.floor.bytes = from.number<std::uint64_t>();
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
  auto const scanned = scan_logs(folder, {name}, [](std::string_view) {});
  if (!scanned) return scanned.error();
  if (find_damaged_log(*scanned) != nullptr) return errc::corrupt;
  return list_of_files{*number, scanned->front().sound_bytes};
}

result<void> write_store_mark(std::string const& folder, store_mark const& mark) {
  std::string bytes(magic);
  core::wire_writer to(bytes);
  to.number(mark.format);
  to.bytes(mark.check);
  to.number(static_cast<std::uint8_t>(mark.made ? 1 : 0));
  to.number(mark.floor.number);
  to.number(mark.floor.bytes);
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

}  // namespace tacit::kv
