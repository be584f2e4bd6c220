// Logs as RocksDB writes them, whole and damaged, against what was written.
#include "kv/log_scan.hpp"

#include <boost/crc.hpp>
#include <boost/test/unit_test.hpp>
#include <fstream>

#include "core/wire.hpp"
#include "tests/unit/kv/running_store.hpp"

namespace tacit::kv {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t block_bytes = 32'768;
constexpr std::size_t head_bytes = 7;

// Does what RocksDB's log::Writer does. Records are letters, so that nothing in them looks like a
// piece.
class written_log {
 public:
  struct place {
    std::size_t begin = 0;
    std::size_t end = 0;
  };
  struct piece_place : place {
    std::size_t record = 0;
  };

  void add(std::string const& record) {
    records.push_back({});
    texts.push_back(record);
    std::string_view left = record;
    bool is_first = true;
    do {
      if (left_of_block() < head_bytes) bytes.append(left_of_block(), '\0');
      if (is_first) records.back().begin = bytes.size();
      std::string_view const text = left.substr(0, left_of_block() - head_bytes);
      left.remove_prefix(text.size());
      if (left.empty()) add_piece(is_first ? 1 : 4, text);
      if (!left.empty()) add_piece(is_first ? 2 : 3, text);
      is_first = false;
    } while (!left.empty());
    records.back().end = bytes.size();
  }
  // A record behind which so many bytes of the block are left.
  void add_to_leave(std::size_t bytes_left) {
    add(std::string(left_of_block() - head_bytes - bytes_left, letter()));
  }
  void add_piece(unsigned char kind, std::string_view text) {
    boost::crc_optimal<32, 0x1EDC6F41, 0xFFFFFFFF, 0xFFFFFFFF, true, true> crc;
    crc.process_byte(kind);
    crc.process_bytes(text.data(), text.size());
    std::uint32_t const masked = ((crc.checksum() >> 15) | (crc.checksum() << 17)) + 0xA282EAD8u;
    std::size_t const begin = bytes.size();
    core::wire_writer to(bytes);
    to.number(masked);
    to.number(static_cast<std::uint16_t>(text.size()));
    to.number(kind);
    bytes.append(text);
    pieces.push_back({{begin, bytes.size()}, records.size() - 1});
  }
  void add_letters(std::size_t count) { add(std::string(count, letter())); }

  // With another byte there.
  std::string damaged_at(std::size_t at) const {
    std::string changed = bytes;
    changed[at] = static_cast<char>(changed[at] ^ 0x10);
    return changed;
  }

  std::string bytes;
  std::vector<place> records;
  std::vector<std::string> texts;
  std::vector<piece_place> pieces;

 private:
  std::size_t left_of_block() const { return block_bytes - bytes.size() % block_bytes; }
  char letter() const { return static_cast<char>('a' + records.size() % 26); }
};

std::string batch(std::uint64_t first, std::uint32_t changes) {
  std::string bytes;
  core::wire_writer to(bytes);
  to.number(first);
  to.number(changes);
  return bytes + std::string(20, 'x');
}
written_log log_of(std::vector<std::string> const& batches) {
  written_log log;
  for (std::string const& one : batches) log.add(one);
  return log;
}

// With a record that leaves so many bytes of a block, and one over three blocks, among others.
written_log log_that_leaves(std::size_t bytes_left) {
  written_log log;
  log.add_letters(100);
  log.add_to_leave(bytes_left);
  log.add_letters(20);
  log.add_letters(2 * block_bytes);
  log.add_letters(30);
  return log;
}

struct scanned {
  scanned_log log;
  std::vector<std::string> lost;
};
scanned scan(std::string_view bytes) {
  scanned came_of;
  came_of.log =
      scan_log(bytes, [&](std::string_view record) { came_of.lost.emplace_back(record); });
  return came_of;
}

std::size_t bytes_of(std::vector<std::string> const& texts) {
  std::size_t bytes = 0;
  for (std::string const& one : texts) bytes += one.size();
  return bytes;
}

struct folder_of_logs {
  test::temp_folder folder;
  std::set<std::string> names;
  std::uint64_t last_listed_change = 9;
  std::vector<std::string> lost;

  void put(std::string const& name, std::string const& bytes) {
    std::ofstream(folder.store() + "/" + name, std::ios::binary) << bytes;
    names.insert(name);
  }
  core::result<std::vector<scanned_log>> scan() {
    return scan_logs(folder.store(), {names, last_listed_change},
                     [this](std::string_view one) { lost.emplace_back(one); });
  }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(log_scans)

BOOST_AUTO_TEST_CASE(a_log_is_whole_wherever_its_records_end_in_a_block) {
  for (std::size_t bytes_left = 0; bytes_left < 10; ++bytes_left) {
    written_log const log = log_that_leaves(bytes_left);
    auto const found = scan(log.bytes);
    BOOST_TEST(found.log.is_whole(), bytes_left << " bytes left");
    BOOST_TEST(found.log.bytes == log.bytes.size());
    BOOST_TEST(found.lost.empty());
  }
}

BOOST_AUTO_TEST_CASE(in_front_of_a_damage_all_is_sound_and_behind_it_all_is_named) {
  for (std::size_t bytes_left = 0; bytes_left < 10; ++bytes_left) {
    written_log const log = log_that_leaves(bytes_left);
    for (auto const& piece : log.pieces) {
      std::size_t const middle = (piece.begin + head_bytes + piece.end) / 2;
      for (std::size_t at = piece.begin; at < piece.end; ++at) {
        if (at == piece.begin + head_bytes) at = std::max(at, middle);
        if (at > middle) break;
        auto const found = scan(log.damaged_at(at));
        auto const first_lost = log.texts.begin() + static_cast<std::ptrdiff_t>(piece.record) + 1;
        BOOST_TEST(found.log.sound_bytes == log.records[piece.record].begin, "byte " << at);
        BOOST_TEST((found.lost == std::vector(first_lost, log.texts.end())), "byte " << at);
        BOOST_TEST(found.log.readable_behind == bytes_of(found.lost));
        BOOST_TEST((find_damaged_log({found.log}) != nullptr) == !found.lost.empty());
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(pieces_that_do_not_follow_one_another_are_a_damage_and_no_record) {
  enum kind : unsigned char { first = 2, middle = 3, last = 4 };
  for (std::vector<kind> const& kinds : std::vector<std::vector<kind>>{
           {first}, {middle}, {last}, {first, middle}, {middle, last}, {first, first, last}}) {
    written_log log;
    log.add_letters(100);
    for (kind const one : kinds) log.add_piece(one, "piece");
    log.add_letters(200);
    auto const found = scan(log.bytes);
    BOOST_TEST(found.log.sound_bytes == log.records[0].end);
    std::vector<std::string> lost{log.texts[1]};
    if (kinds.size() == 3) lost.insert(lost.begin(), "piecepiece");
    BOOST_TEST((found.lost == lost));
  }
}

BOOST_AUTO_TEST_CASE(a_log_that_ends_early_is_sound_to_its_last_whole_record_and_has_lost_nothing) {
  for (std::size_t const bytes_left : {0u, 3u, 6u, 7u, 8u}) {
    written_log const log = log_that_leaves(bytes_left);
    for (auto const& piece : log.pieces) {
      for (std::size_t const bytes :
           {piece.begin, piece.begin + 1, piece.begin + head_bytes, piece.end - 1}) {
        auto const found = scan(log.bytes.substr(0, bytes));
        bool const is_whole = bytes == log.records[piece.record].begin;
        BOOST_TEST(found.log.is_whole() == is_whole);
        BOOST_TEST(found.log.sound_bytes == log.records[piece.record].begin);
        BOOST_TEST(found.lost.empty());
        BOOST_TEST(find_damaged_log({found.log}) == nullptr);
      }
    }
  }
}

BOOST_FIXTURE_TEST_CASE(all_in_the_logs_behind_one_that_is_not_whole_is_lost, folder_of_logs) {
  written_log const first = log_of({batch(10, 2), batch(12, 1)});
  written_log const second = log_of({batch(13, 3)});
  written_log const third = log_of({batch(16, 1)});
  put("999999.log", first.bytes);
  put("1000000.log", second.bytes);  // behind by number, in front by name
  put("1000002.log", third.bytes);
  put("1000003.log", "");  // begun, and not written to
  auto const whole = scan();
  BOOST_REQUIRE(whole.has_value());
  BOOST_TEST(lost.empty());
  BOOST_TEST(find_damaged_log(*whole) == nullptr);

  put("999999.log", first.bytes.substr(0, first.bytes.size() - 1));
  auto const cut = scan();
  BOOST_REQUIRE((cut && cut->size() == 4u));
  BOOST_TEST((*cut)[0].name == "999999.log");
  BOOST_TEST((*cut)[0].sound_bytes == first.records.back().begin);
  for (std::size_t const i : {1u, 2u}) {
    written_log const& behind = i == 1 ? second : third;
    BOOST_TEST((*cut)[i].sound_bytes == 0u);
    BOOST_TEST((*cut)[i].bytes == behind.bytes.size());
    BOOST_TEST((*cut)[i].readable_behind == behind.texts[0].size());
  }
  BOOST_TEST((lost == std::vector{second.texts[0], third.texts[0]}));
  auto const* const damaged = find_damaged_log(*cut);
  BOOST_REQUIRE(damaged != nullptr);
  BOOST_TEST(damaged->name == "999999.log");
}

// Each with its right checksum.
BOOST_FIXTURE_TEST_CASE(batches_that_do_not_follow_one_another_are_a_damage, folder_of_logs) {
  using batches = std::vector<std::string>;
  std::string const a = batch(10, 2);
  std::string const b = batch(12, 1);
  std::string const c = batch(13, 3);
  std::string const d = batch(16, 1);
  std::vector<batches> const damaged{{b, a, c, d},    {a, c, b, d}, {a, b, d, c}, {a, a, b, c, d},
                                     {a, b, b, c, d}, {a, c, d},    {a, b, d},    {a, "short", b}};
  for (batches const& one : damaged) {
    for (std::size_t first = 1; first < one.size(); ++first) {  // in one log, or two
      auto const middle = one.begin() + static_cast<std::ptrdiff_t>(first);
      put("000004.log", log_of({one.begin(), middle}).bytes);
      put("000007.log", log_of({middle, one.end()}).bytes);
      auto const logs = scan();
      BOOST_REQUIRE(logs.has_value());
      BOOST_TEST(find_damaged_log(*logs) != nullptr);
    }
  }
  put("000004.log", "");  // emptied: RocksDB begins no log behind an empty one
  put("000007.log", log_of({c, d}).bytes);
  BOOST_TEST(find_damaged_log(*scan()) != nullptr);
  put("000004.log", log_of({a, b}).bytes);
  BOOST_TEST(find_damaged_log(*scan()) == nullptr);
  last_listed_change = 100;  // the logs may begin in front of it
  BOOST_TEST(find_damaged_log(*scan()) == nullptr);
  last_listed_change = 8;  // the first batch is missing
  BOOST_TEST(find_damaged_log(*scan()) != nullptr);
}

BOOST_FIXTURE_TEST_CASE(a_log_that_cannot_be_read_is_not_taken_for_an_empty_one, folder_of_logs) {
  put("000004.log", log_that_leaves(1).bytes);
  names.insert("000007.log");
  BOOST_TEST(test::is(scan(), core::errc::unavailable));  // there is none
  fs::create_directory(folder.store() + "/000007.log");
  BOOST_TEST(test::is(scan(), core::errc::unavailable));  // opens, and does not read
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace tacit::kv
