// A log is blocks of 32,768 bytes; the last one may be shorter. A block is pieces, and fewer than 7
// bytes of zeros when no piece fits any more:
//
//   piece  checksum(4)  length(2)  kind(1)  bytes(length)
//   kind   1 a whole record, 2 a first, 3 a middle, 4 a last piece of one
//
// The checksum is CRC-32C of kind and bytes, masked. A record is one piece, or a first one, middle
// ones and a last one. (RocksDB's other kinds are of settings that we do not use.)
//
// A record of a write-ahead log is a batch; the numbers of changes go on from record to record:
//
//   batch  number of its first change(8)  changes(4)  ...
#include "kv/log_scan.hpp"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <optional>

#include "core/wire.hpp"
#include "kv/checksum.hpp"

namespace tacit::kv {

using core::errc;
using core::result;

namespace {

constexpr std::size_t block_bytes = 32'768;
constexpr std::size_t head_bytes = 7;
enum piece_kind : unsigned char { whole = 1, first = 2, middle = 3, last = 4 };

struct piece {
  piece_kind kind;
  std::string_view bytes;
};

// The piece that begins there; nothing when there is no whole one.
std::optional<piece> piece_at(std::string_view log, std::size_t at) {
  std::size_t const room = std::min(block_bytes - at % block_bytes, log.size() - at);
  if (room < head_bytes) return std::nullopt;
  auto const byte = [&](std::size_t i) { return static_cast<unsigned char>(log[at + i]); };
  std::size_t const length = byte(4) | static_cast<std::size_t>(byte(5)) << 8;
  if (byte(6) < whole || byte(6) > last || length > room - head_bytes) return std::nullopt;
  std::uint32_t const checksum = byte(0) | static_cast<std::uint32_t>(byte(1)) << 8 |
                                 static_cast<std::uint32_t>(byte(2)) << 16 |
                                 static_cast<std::uint32_t>(byte(3)) << 24;
  if (masked_crc32c(log.substr(at + 6, length + 1)) != checksum) return std::nullopt;
  return piece{static_cast<piece_kind>(byte(6)), log.substr(at + head_bytes, length)};
}

// As far as it can be read. (An iterator over the buffer throws where the disk fails.)
std::string read_all(std::ifstream& file) {
  std::string bytes;
  std::vector<char> piece(block_bytes);
  do {
    file.read(piece.data(), static_cast<std::streamsize>(piece.size()));
    bytes.append(piece.data(), static_cast<std::size_t>(file.gcount()));
  } while (file.good());
  return bytes;
}

// Whether batches follow one another.
class change_numbers {
 public:
  explicit change_numbers(std::uint64_t first_at_most) : first_at_most_(first_at_most) {}
  bool take(std::string_view batch) {
    core::wire_reader from(batch.substr(0, batch_head_bytes));
    auto const first = from.number<std::uint64_t>();
    auto const changes = from.number<std::uint32_t>();
    if (!from.done() || first > first_at_most_ || (next_ && *next_ != first)) return false;
    next_ = first_at_most_ = first + changes;
    return true;
  }

 private:
  static constexpr std::size_t batch_head_bytes = 12;
  std::uint64_t first_at_most_;
  std::optional<std::uint64_t> next_;
};

std::uint64_t number_of(std::string const& name) {
  std::uint64_t number = 0;
  std::from_chars(name.data(), name.data() + name.size(), number);
  return number;
}

}  // namespace

scanned_log scan_log(std::string_view bytes, lost_record_visitor const& visit,
                     record_check const& follows) {
  scanned_log log;
  log.bytes = bytes.size();
  bool damaged = false;
  bool in_record = false;
  std::string record;
  std::size_t at = 0;
  while (at < bytes.size()) {
    std::size_t const left_of_block = block_bytes - at % block_bytes;
    if (left_of_block < head_bytes) {
      at += left_of_block;
      if (!damaged && !in_record) log.sound_bytes = std::min(at, bytes.size());
      continue;
    }
    auto const found = piece_at(bytes, at);
    if (!found) {
      damaged = true;
      in_record = false;
      ++at;
      continue;
    }
    bool const begins = found->kind == whole || found->kind == first;
    damaged = damaged || begins == in_record;
    if (begins) record.clear();
    in_record = begins || in_record;
    if (in_record) record.append(found->bytes);
    at += head_bytes + found->bytes.size();
    if (found->kind != whole && found->kind != last) continue;
    damaged = damaged || (in_record && follows && !follows(record));
    if (in_record && !damaged) log.sound_bytes = at;
    if (in_record && damaged) {
      log.readable_behind += record.size();
      visit(record);
    }
    in_record = false;
  }
  return log;
}

result<scanned_log> scan_list(std::string const& path) {
  std::ifstream file(path, std::ios::binary);
  std::string const bytes = read_all(file);
  if (!file.is_open() || file.bad()) return errc::unavailable;
  return scan_log(bytes, [](std::string_view) {});
}

result<std::vector<scanned_log>> scan_logs(std::string const& folder, logs_in_use const& in_use,
                                           lost_record_visitor const& visit) {
  std::vector<std::string> in_order(in_use.names.begin(), in_use.names.end());
  std::sort(in_order.begin(), in_order.end(), [](std::string const& one, std::string const& other) {
    return number_of(one) < number_of(other);
  });
  std::vector<scanned_log> logs;
  change_numbers numbers(in_use.last_listed_change + 1);
  bool damaged = false;
  for (std::string const& name : in_order) {
    std::ifstream file(std::filesystem::path(folder) / name, std::ios::binary);
    std::string bytes = read_all(file);
    if (!file.is_open() || file.bad()) return errc::unavailable;
    // A piece of no kind in front of it, and all of it lies behind a damage.
    if (damaged) bytes.insert(0, block_bytes, '\0');
    scanned_log log = scan_log(bytes, visit, [&](auto record) { return numbers.take(record); });
    log.name = name;
    if (damaged) log.bytes -= block_bytes;
    logs.push_back(log);
    // RocksDB begins a log only behind one with a record in it.
    damaged = damaged || !log.is_whole() || log.bytes == 0;
  }
  return logs;
}

scanned_log const* find_damaged_log(std::vector<scanned_log> const& logs) noexcept {
  bool const lost = std::any_of(logs.begin(), logs.end(),
                                [](scanned_log const& one) { return one.readable_behind > 0; });
  if (!lost) return nullptr;
  auto const found = std::find_if(logs.begin(), logs.end(),
                                  [](scanned_log const& one) { return !one.is_whole(); });
  return found == logs.end() ? nullptr : &*found;
}

}  // namespace tacit::kv
