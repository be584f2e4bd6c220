// Stored rows: each family against known bytes, and every change of a row.
#include "core/record.hpp"

#include <boost/test/unit_test.hpp>
#include <functional>
#include <limits>
#include <set>

#include "core/wire.hpp"
#include "tests/unit/core/samples.hpp"

namespace tacit::core {
namespace {

using test::from_hex;

constexpr timestamp created{1'776'503'564'000};
constexpr timestamp updated{1'776'783'790'123};

row_keys sample_keys() { return derive_api_share(test::sample_root()).rows; }

// Computed in Python from the grammar in core/record.cpp.
constexpr std::string_view known_project =
    "0119000000e026dd9f9d01000054726164696e6720626f7420c3bc310763113cbdd8fee5f02fb92d64a6ac";
constexpr std::string_view known_counters =
    "010300000008070605040302012b1091b09d010000979184ab3863949cf7edb1a02e135cb2";
constexpr std::string_view known_sequence = "011807f6e5d4c3b2a15fc3178d2417ac8c6be54c7902ba7e07";
constexpr std::string_view known_api_key =
    "01b62107ba74b6ffa1c05bfa7c001c9dc9fcf634078d1c4081bcf0beea4ba52a357461635f30313233ff0f03e026dd"
    "9f9d01000000000000000000802b1091b09d010000000200016103612d626465706c6f79c8d42918df1babe58f67c9"
    "00ad326c3f";
constexpr std::string_view known_secret =
    "010700000000000000e026dd9f9d0100002b1091b09d01000088776655443322116061626364656667"
    "68696a6b6c6d6e6f7071727374757677bc4efb62afd5ca2cab0774850c4741c9caa6930d";

constexpr std::string_view known_receipt =
    "0101e80300000b626f742e736572766963650003626f782b1091b09d0100000102000000074150495f4b4559070000"
    "0000000000e026dd9f9d010000014208070605040302012b1091b09d010000a036b2af2443583dcdac8fa304c40b2"
    "9";
constexpr std::string_view known_consumer_tag = "fbb6d6ebc27a3eef14bd2c6522baa7f6";

receipt sample_receipt() {
  return {
      test::project("trading-bot"),
      consumer::process(1000, "bot.service", "box"),
      updated,
      delivery_extent::whole,
      {{test::secret("API_KEY"), 7, created}, {test::secret("B"), 0x0102030405060708, updated}}};
}

std::string const& receipt_key() {
  static std::string const key = "trading-bot/" + from_hex(known_consumer_tag);
  return key;
}

secret_row sample_secret() {
  secret_row row;
  row.version = 7;
  row.created = created;
  row.updated = updated;
  row.record_id = 0x1122334455667788;
  row.last_four = label::of_text("aB3x");
  return row;
}

api_key_entry sample_api_key() {
  api_key_entry entry(*api_key_id::parse("key-1"));
  entry.name = "deploy";
  std::string const hash =
      from_hex("b62107ba74b6ffa1c05bfa7c001c9dc9fcf634078d1c4081bcf0beea4ba52a35");
  std::copy(hash.begin(), hash.end(), entry.hash.begin());
  entry.shown_prefix = {'t', 'a', 'c', '_', '0', '1', '2', '3'};
  entry.slot = 4095;
  entry.permissions = permission_set::from_bits(3);
  entry.created = created;
  entry.last_used = updated;
  entry.scope.projects = {test::project("a"), test::project("a-b")};
  return entry;
}

// One row of each family: where it lies and how it is read.
struct kind_of_row {
  char const* what;
  row_place place;
  std::string bytes;
  std::function<bool(row_place, std::string_view)> decodes;
};

template <typename Decode>
kind_of_row kind(char const* what, row_place place, std::string_view hex, Decode decode) {
  return {what, place, from_hex(hex), [decode](row_place at, std::string_view row) {
            static row_keys const keys = sample_keys();
            auto const decoded = decode(keys, at, row);
            if (!decoded) BOOST_TEST(test::is(decoded, errc::corrupt));
            return decoded.has_value();
          }};
}

std::vector<kind_of_row> every_kind() {
  return {
      kind("project", {family::projects, "trading-bot"}, known_project, decode_project),
      kind("counters", {family::counters, "trading-bot"}, known_counters, decode_counters),
      kind("sequence", {family::meta, "sequence"}, known_sequence, decode_sequence),
      kind("API key", {family::api_keys, "key-1"}, known_api_key, decode_api_key),
      kind("secret", {family::secrets, "trading-bot/BINANCE_API_KEY"}, known_secret, decode_secret),
      kind("receipt", {family::deliveries, receipt_key()}, known_receipt, decode_receipt),
  };
}

}  // namespace

BOOST_AUTO_TEST_SUITE(record)

BOOST_AUTO_TEST_CASE(rows_have_the_known_bytes) {
  row_keys const keys = sample_keys();
  BOOST_CHECK(encode_project(keys, {family::projects, "trading-bot"},
                             {"Trading bot \xC3\xBC", 25, created}) == from_hex(known_project));
  BOOST_CHECK(encode_counters(keys, {family::counters, "trading-bot"},
                              {3, 0x0102030405060708, updated}) == from_hex(known_counters));
  BOOST_CHECK(encode_sequence(keys, {family::meta, "sequence"}, 0xa1b2c3d4e5f60718) ==
              from_hex(known_sequence));
  BOOST_CHECK(encode_api_key(keys, {family::api_keys, "key-1"}, sample_api_key()) ==
              from_hex(known_api_key));
  BOOST_CHECK(encode_receipt(keys, {family::deliveries, receipt_key()}, sample_receipt()) ==
              from_hex(known_receipt));
}

BOOST_AUTO_TEST_CASE(a_receipt_comes_back_as_it_was) {
  row_keys const keys = sample_keys();
  std::string const long_text(limits::consumer_text_bytes_max, 'u');
  for (consumer const& to :
       {consumer::process(0, "", ""), consumer::process(0xFFFF'FFFF, long_text, long_text),
        consumer::remote(long_text, "far"), consumer::remote("edge-1", "")}) {
    for (std::size_t const secrets : {0u, 1u, 2u}) {
      for (auto const extent : {delivery_extent::whole, delivery_extent::part}) {
        receipt before = sample_receipt();
        before.to = to;
        before.extent = extent;
        before.secrets.erase(before.secrets.begin() + static_cast<std::ptrdiff_t>(secrets),
                             before.secrets.end());
        std::string const key = receipt_key_of(keys, before.project, to);
        row_place const place{family::deliveries, key};
        auto const after = decode_receipt(keys, place, encode_receipt(keys, place, before));
        BOOST_REQUIRE(after.has_value());
        BOOST_TEST((after->project == before.project));
        BOOST_TEST((after->to == to));
        BOOST_TEST((after->at == before.at));
        BOOST_TEST((after->extent == extent));
        BOOST_TEST((after->secrets == before.secrets));
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(the_key_of_a_receipt_tells_consumers_apart) {
  row_keys const keys = sample_keys();
  project_id const bot = test::project("trading-bot");
  BOOST_TEST(receipt_key_of(keys, bot, sample_receipt().to) == receipt_key());
  BOOST_TEST(receipt_key_of(keys, bot, consumer::remote("edge-1", "far")) ==
             "trading-bot/" + from_hex("f4a8842bf2bcbcd75242b2dc7ab622fc"));
  std::vector<consumer> const different{
      consumer::process(0, "", ""),   consumer::remote("", ""),
      consumer::process(1, "", ""),   consumer::process(0, "a", "b"),
      consumer::process(0, "ab", ""), consumer::process(0, "", "ab"),
      consumer::remote("a", "b")};
  std::set<std::string> seen;
  for (consumer const& to : different) seen.insert(receipt_key_of(keys, bot, to));
  BOOST_TEST(seen.size() == different.size());
}

BOOST_AUTO_TEST_CASE(a_known_secret_row_is_read) {
  auto const row = decode_secret(sample_keys(), {family::secrets, "trading-bot/BINANCE_API_KEY"},
                                 from_hex(known_secret));
  BOOST_REQUIRE(row.has_value());
  BOOST_TEST(row->version == 7u);
  BOOST_CHECK(row->created == created);
  BOOST_CHECK(row->updated == updated);
  BOOST_TEST(row->record_id == 0x1122334455667788u);
  BOOST_CHECK(row->last_four.reveal() == "aB3x");
}

BOOST_AUTO_TEST_CASE(a_project_comes_back_as_it_was) {
  row_keys const keys = sample_keys();
  row_place const place{family::projects, "p"};
  for (std::string const& name :
       {std::string(), std::string("n"), std::string(512, 'n'), std::string("\0\xFF", 2)}) {
    for (std::uint32_t const limit : {0u, 1u, 25u, 0xFFFF'FFFFu}) {
      auto const row =
          decode_project(keys, place, encode_project(keys, place, {name, limit, created}));
      BOOST_REQUIRE(row.has_value());
      BOOST_TEST(row->name == name);
      BOOST_TEST(row->secret_limit == limit);
      BOOST_CHECK(row->created == created);
    }
  }
}

BOOST_AUTO_TEST_CASE(counters_and_the_sequence_come_back_as_they_were) {
  row_keys const keys = sample_keys();
  std::mt19937_64 random(11);
  for (int i = 0; i < 200; ++i) {
    counter_row const before{
        static_cast<std::uint32_t>(random()), random(), {static_cast<std::int64_t>(random())}};
    row_place const place{family::counters, "p"};
    auto const after = decode_counters(keys, place, encode_counters(keys, place, before));
    BOOST_REQUIRE(after.has_value());
    BOOST_TEST(after->secrets == before.secrets);
    BOOST_TEST(after->revision == before.revision);
    BOOST_CHECK(after->updated == before.updated);
    row_place const meta{family::meta, "sequence"};
    BOOST_TEST(*decode_sequence(keys, meta, encode_sequence(keys, meta, before.revision)) ==
               before.revision);
  }
}

BOOST_AUTO_TEST_CASE(a_secret_comes_back_with_each_possible_label) {
  row_keys const keys = sample_keys();
  row_place const place{family::secrets, "p/NAME"};
  for (std::size_t bytes = 0; bytes <= limits::label_bytes_max; ++bytes) {
    secret_row before = sample_secret();
    before.last_four = label::of_text(std::string(bytes, 'L'));
    std::string const row = encode_secret(keys, place, before);
    if (bytes >= 4) BOOST_TEST(row.find("LLLL") == std::string::npos);
    auto const after = decode_secret(keys, place, row);
    BOOST_REQUIRE(after.has_value());
    BOOST_CHECK(after->last_four.reveal() == before.last_four.reveal());
    BOOST_TEST(after->record_id == before.record_id);
  }
  BOOST_CHECK(encode_secret(keys, place, sample_secret()) !=
              encode_secret(keys, place, sample_secret()));
}

BOOST_AUTO_TEST_CASE(a_label_longer_than_any_is_refused_before_it_is_opened) {
  row_keys const keys = sample_keys();
  row_place const place{family::secrets, "p/NAME"};
  secret_row row = sample_secret();
  row.last_four = label::of_text(std::string(limits::label_bytes_max, 'L'));
  std::string const longest = encode_secret(keys, place, row);
  BOOST_TEST(test::is(decode_secret(keys, place, longest + 'x'), errc::corrupt));
  BOOST_TEST(
      test::is(decode_secret(keys, place, longest + std::string(60'000, 'x')), errc::corrupt));
}

BOOST_AUTO_TEST_CASE(an_api_key_comes_back_as_it_was) {
  row_keys const keys = sample_keys();
  row_place const place{family::api_keys, "key-1"};
  api_key_entry before = sample_api_key();
  for (unsigned variant = 0; variant < 32; ++variant) {
    before.permissions = permission_set::from_bits(static_cast<std::uint8_t>(variant & 7u));
    before.scope.all = (variant & 8u) != 0;
    before.scope.projects.clear();
    if (!before.scope.all) {
      for (int i = 0; i < (variant & 16u ? 256 : 1); ++i) {
        before.scope.projects.push_back(
            test::project(std::string(60, 'p') + std::to_string(1000 + i)));
      }
    }
    before.expires.reset();
    before.last_used.reset();
    if (variant & 1u) before.expires = updated;
    if (variant & 2u) before.last_used = timestamp{0};
    auto const after = decode_api_key(keys, place, encode_api_key(keys, place, before));
    BOOST_REQUIRE(after.has_value());
    BOOST_CHECK(after->id == before.id);
    BOOST_TEST(after->name == before.name);
    BOOST_CHECK(after->hash == before.hash);
    BOOST_CHECK(after->shown_prefix == before.shown_prefix);
    BOOST_TEST(after->slot == before.slot);
    BOOST_TEST(after->permissions.bits() == before.permissions.bits());
    BOOST_TEST(after->scope.all == before.scope.all);
    BOOST_CHECK(after->scope.projects == before.scope.projects);
    BOOST_CHECK(after->created == before.created);
    BOOST_CHECK(after->expires == before.expires);
    BOOST_CHECK(after->last_used == before.last_used);
  }
}

BOOST_AUTO_TEST_CASE(an_api_key_of_an_impossible_slot_is_refused) {
  row_keys const keys = sample_keys();
  row_place const place{family::api_keys, "key-1"};
  api_key_entry entry = sample_api_key();
  entry.slot = static_cast<std::uint16_t>(limits::api_keys_max);
  BOOST_TEST(
      test::is(decode_api_key(keys, place, encode_api_key(keys, place, entry)), errc::corrupt));
}

BOOST_AUTO_TEST_CASE(a_flipped_bit_anywhere_in_a_row_is_refused) {
  for (kind_of_row const& one : every_kind()) {
    BOOST_TEST_CONTEXT(one.what) {
      BOOST_TEST(one.decodes(one.place, one.bytes));
      test::for_each_flipped_bit(one.bytes, [&](std::string const& changed) {
        BOOST_TEST(!one.decodes(one.place, changed));
      });
    }
  }
}

BOOST_AUTO_TEST_CASE(a_cut_or_longer_row_is_refused) {
  for (kind_of_row const& one : every_kind()) {
    BOOST_TEST_CONTEXT(one.what) {
      for (std::size_t bytes = 0; bytes < one.bytes.size(); ++bytes) {
        BOOST_TEST(!one.decodes(one.place, one.bytes.substr(0, bytes)));
        BOOST_TEST(!one.decodes(one.place, one.bytes.substr(one.bytes.size() - bytes)));
      }
      BOOST_TEST(!one.decodes(one.place, one.bytes + '\0'));
      BOOST_TEST(!one.decodes(one.place, one.bytes + one.bytes));
    }
  }
}

BOOST_AUTO_TEST_CASE(a_row_under_another_key_or_in_another_family_is_refused) {
  for (kind_of_row const& one : every_kind()) {
    BOOST_TEST_CONTEXT(one.what) {
      std::string const longer = std::string(one.place.key) + 'x';
      std::string const shorter(one.place.key.substr(1));
      for (std::string_view const key : {std::string_view(longer), std::string_view(shorter),
                                         std::string_view("other"), std::string_view("")}) {
        BOOST_TEST(!one.decodes({one.place.in, key}, one.bytes));
      }
      for (unsigned number = 1; number <= 7; ++number) {
        auto const in = static_cast<family>(number);
        BOOST_TEST(one.decodes({in, one.place.key}, one.bytes) == (in == one.place.in));
      }
    }
  }
}

// The row with another format, and tagged (or, a secret's, sealed) for its place all the same.
std::string of_format(char format, kind_of_row const& one, row_keys const& keys) {
  std::string place;
  wire_writer to(place);
  to.number(static_cast<std::uint8_t>(one.place.in));
  to.short_text(one.place.key);
  if (one.place.in == family::secrets) {
    constexpr std::size_t head_bytes = 1 + 4 * 8;
    std::string row = one.bytes.substr(0, head_bytes);
    row[0] = format;
    std::string const associated = place + row;
    std::array<unsigned char, aead_nonce_bytes> const nonce{};
    std::array<unsigned char, 4 + aead_tag_bytes> cipher;
    aead_encrypt(keys.label.reveal(), nonce, as_bytes(associated), as_bytes("aB3x"), cipher.data());
    wire_writer(row).bytes(nonce);
    wire_writer(row).bytes(cipher);
    return row;
  }
  std::string row = one.bytes.substr(0, one.bytes.size() - row_tag_bytes);
  row[0] = format;
  std::array<unsigned char, row_tag_bytes> tag;
  keyed_hash(keys.row.reveal(), {as_bytes("tacit row 1"), as_bytes(place), as_bytes(row)}, tag);
  wire_writer(row).bytes(tag);
  return row;
}

BOOST_AUTO_TEST_CASE(a_row_of_another_format_is_refused_though_it_authenticates) {
  row_keys const keys = sample_keys();
  for (kind_of_row const& one : every_kind()) {
    for (char const format : {'\0', '\1', '\2'}) {
      std::string const row = of_format(format, one, keys);
      BOOST_TEST(one.decodes(one.place, row) == (format == 1), one.what);
    }
  }
}

BOOST_AUTO_TEST_CASE(a_row_of_another_store_is_refused) {
  row_keys const others = derive_api_share(test::counting_key<root_key>(1)).rows;
  for (kind_of_row const& one : every_kind()) {
    BOOST_TEST(!decode_counters(others, one.place, one.bytes));
    BOOST_TEST(!decode_project(others, one.place, one.bytes));
    BOOST_TEST(!decode_sequence(others, one.place, one.bytes));
    BOOST_TEST(!decode_api_key(others, one.place, one.bytes));
    BOOST_TEST(!decode_secret(others, one.place, one.bytes));
    BOOST_TEST(!decode_receipt(others, one.place, one.bytes));
  }
}

BOOST_AUTO_TEST_CASE(a_row_read_as_another_kind_at_its_own_place_is_refused) {
  row_keys const keys = sample_keys();
  row_place const place{family::meta, "sequence"};
  std::string const sequence = encode_sequence(keys, place, 1);
  BOOST_TEST(!decode_counters(keys, place, sequence));
  BOOST_TEST(!decode_project(keys, place, sequence));
  BOOST_TEST(!decode_api_key(keys, place, sequence));
  BOOST_TEST(!decode_sequence(keys, place, encode_counters(keys, place, {})));
  BOOST_TEST(!decode_counters(keys, place, encode_project(keys, place, {"nnnnnnnnn", 1, {}})));
}

BOOST_AUTO_TEST_CASE(keys_of_secrets_and_values_stand_together_by_project_and_sort_by_name) {
  project_id const bot = test::project("bot");
  secret_name const name = test::secret("KEY");
  BOOST_TEST(secrets_prefix_of(bot) == "bot/");
  BOOST_TEST(secret_key_of(bot, name) == "bot/KEY");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace tacit::core
