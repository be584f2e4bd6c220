// Stored rows. Numbers are little-endian, times are milliseconds since 1970 (signed, 8 bytes), a
// short text has 1 byte of length before it.
//
//   projects  projectId              format(1) limit(4) created(8) name(rest) tag(16)
//   counters  projectId              format(1) secrets(4) revision(8) updated(8) tag(16)
//   secrets   projectId '/' key      format(1) version(8) created(8) updated(8) record_id(8)
//                                    nonce(24) ciphertext(n) tag(16)
//   values    projectId '/' key '/' record_id(8, big-endian)          see sealing.cpp
//   api_keys  key id                 format(1) hash(32) prefix(8) slot(2) permissions(1) created(8)
//                                    expires(8) last_used(8) all(1) count(2) { short text }
//                                    name(rest) tag(16)
//   meta      "sequence"             format(1) number(8) tag(16)
//   deliveries  projectId '/' consumer tag(16)
//                                    format(1) consumer at(8) whole(1) count(4)
//                                    { short text(name) version(8) at(8) } tag(16)
//
//   format := 0x01 in each; never change what a format means, a new one gets a new number
//   tag    := BLAKE2b-128(row key, "tacit row 1" || family(1) || length(1) key || all before)
//   secrets: ciphertext, tag := XChaCha20-Poly1305(label key, nonce, label) with associated data
//            family(1) || length(1) key || all before nonce
//   consumer     := has_uid(1) uid(4) short text(unit) short text(runtime) short text(host)
//   consumer tag := BLAKE2b-128(row key, "tacit consumer 1" || consumer)
//   expires, last_used: 0x8000000000000000 when there is none
#include "core/record.hpp"

#include <cstring>
#include <limits>

#include "core/wire.hpp"

namespace tacit::core {

namespace {

constexpr std::uint8_t format_1 = 1;
constexpr std::int64_t no_time = std::numeric_limits<std::int64_t>::min();

// With room for `more` bytes behind them.
std::string place_bytes(row_place place, std::size_t more = 0) {
  std::string bytes;
  bytes.reserve(2 + place.key.size() + more);
  wire_writer to(bytes);
  to.number(static_cast<std::uint8_t>(place.in));
  to.short_text(place.key);
  return bytes;
}

std::array<unsigned char, row_tag_bytes> row_tag(row_keys const& keys, row_place place,
                                                 std::string_view row) {
  constexpr std::string_view purpose = "tacit row 1";
  std::array<unsigned char, row_tag_bytes> tag;
  keyed_hash(keys.row.reveal(), {as_bytes(purpose), as_bytes(place_bytes(place)), as_bytes(row)},
             tag);
  return tag;
}

void append_tag(std::string& row, row_keys const& keys, row_place place) {
  auto const tag = row_tag(keys, place, row);
  wire_writer(row).bytes(tag);
}

// The row without its tag and format byte, when both are right.
result<std::string_view> authenticated(row_keys const& keys, row_place place,
                                       std::string_view row) {
  if (row.size() < 1 + row_tag_bytes) return errc::corrupt;
  std::string_view const body = row.substr(0, row.size() - row_tag_bytes);
  auto const expected = row_tag(keys, place, body);
  if (!equal_in_constant_time(expected, as_bytes(row.substr(body.size())))) return errc::corrupt;
  if (static_cast<unsigned char>(body.front()) != format_1) return errc::corrupt;
  return body.substr(1);
}

std::int64_t to_wire(std::optional<timestamp> when) {
  return when ? when->unix_milliseconds : no_time;
}

std::optional<timestamp> time_from_wire(std::int64_t milliseconds) {
  if (milliseconds == no_time) return std::nullopt;
  return timestamp{milliseconds};
}

constexpr std::size_t secret_head_bytes = 1 + 4 * 8;
constexpr std::size_t secret_row_bytes_min = secret_head_bytes + aead_nonce_bytes + aead_tag_bytes;
constexpr std::size_t secret_row_bytes_max = secret_row_bytes_min + limits::label_bytes_max;

void write_consumer(wire_writer& to, consumer const& one) {
  to.number(static_cast<std::uint8_t>(one.uid ? 1 : 0));
  to.number(one.uid.value_or(0));
  to.short_text(one.unit);
  to.short_text(one.runtime);
  to.short_text(one.host);
}

consumer read_consumer(wire_reader& from) {
  consumer one;
  bool const has_uid = from.number<std::uint8_t>() != 0;
  auto const uid = from.number<std::uint32_t>();
  if (has_uid) one.uid = uid;
  one.unit = from.short_text();
  one.runtime = from.short_text();
  one.host = from.short_text();
  return one;
}

}  // namespace

std::string encode_project(row_keys const& keys, row_place place, project_row const& project) {
  std::string row;
  wire_writer to(row);
  to.number(format_1);
  to.number(project.secret_limit);
  to.number(project.created.unix_milliseconds);
  row.append(project.name);
  append_tag(row, keys, place);
  return row;
}

result<project_row> decode_project(row_keys const& keys, row_place place, std::string_view row) {
  auto const body = authenticated(keys, place, row);
  if (!body) return body.error();
  wire_reader from(*body);
  project_row project;
  project.secret_limit = from.number<std::uint32_t>();
  project.created.unix_milliseconds = from.number<std::int64_t>();
  if (!from.ok()) return errc::corrupt;
  project.name = from.rest();
  return project;
}

std::string encode_counters(row_keys const& keys, row_place place, counter_row const& counters) {
  std::string row;
  wire_writer to(row);
  to.number(format_1);
  to.number(counters.secrets);
  to.number(counters.revision);
  to.number(counters.updated.unix_milliseconds);
  append_tag(row, keys, place);
  return row;
}

result<counter_row> decode_counters(row_keys const& keys, row_place place, std::string_view row) {
  auto const body = authenticated(keys, place, row);
  if (!body) return body.error();
  wire_reader from(*body);
  counter_row counters;
  counters.secrets = from.number<std::uint32_t>();
  counters.revision = from.number<std::uint64_t>();
  counters.updated.unix_milliseconds = from.number<std::int64_t>();
  if (!from.done()) return errc::corrupt;
  return counters;
}

std::string encode_secret(row_keys const& keys, row_place place, secret_row const& secret) {
  std::string row;
  row.reserve(secret_row_bytes_max);
  wire_writer to(row);
  to.number(format_1);
  to.number(secret.version);
  to.number(secret.created.unix_milliseconds);
  to.number(secret.updated.unix_milliseconds);
  to.number(secret.record_id);
  std::string const associated = place_bytes(place, row.size()).append(row);

  std::array<unsigned char, aead_nonce_bytes> nonce;
  fill_nonce(nonce);
  to.bytes(nonce);
  std::size_t const head = row.size();
  std::string_view const text = secret.last_four.reveal();
  row.resize(head + text.size() + aead_tag_bytes);
  aead_encrypt(keys.label.reveal(), nonce, as_bytes(associated), as_bytes(text),
               reinterpret_cast<unsigned char*>(row.data() + head));
  return row;
}

result<secret_row> decode_secret(row_keys const& keys, row_place place, std::string_view row) {
  if (row.size() < secret_row_bytes_min || row.size() > secret_row_bytes_max) return errc::corrupt;
  wire_reader from(row);
  auto const format = from.number<std::uint8_t>();
  secret_row secret;
  secret.version = from.number<std::uint64_t>();
  secret.created.unix_milliseconds = from.number<std::int64_t>();
  secret.updated.unix_milliseconds = from.number<std::int64_t>();
  secret.record_id = from.number<std::uint64_t>();
  std::array<unsigned char, aead_nonce_bytes> nonce;
  from.bytes(std::span(nonce));
  if (!from.ok() || format != format_1) return errc::corrupt;

  std::string const associated =
      place_bytes(place, secret_head_bytes).append(row.substr(0, secret_head_bytes));
  std::string_view const cipher = from.rest();
  std::array<char, limits::label_bytes_max> text{};
  auto const opened = aead_decrypt(keys.label.reveal(), nonce, as_bytes(associated),
                                   as_bytes(cipher), reinterpret_cast<unsigned char*>(text.data()));
  if (!opened) return errc::corrupt;
  secret.last_four = label::of_text({text.data(), cipher.size() - aead_tag_bytes});
  wipe(text.data(), text.size());
  return secret;
}

std::string encode_api_key(row_keys const& keys, row_place place, api_key_entry const& entry) {
  std::string row;
  wire_writer to(row);
  to.number(format_1);
  to.bytes(entry.hash);
  row.append(entry.shown_prefix.data(), entry.shown_prefix.size());
  to.number(entry.slot);
  to.number(entry.permissions.bits());
  to.number(entry.created.unix_milliseconds);
  to.number(to_wire(entry.expires));
  to.number(to_wire(entry.last_used));
  to.number(static_cast<std::uint8_t>(entry.scope.all ? 1 : 0));
  to.number(static_cast<std::uint16_t>(entry.scope.projects.size()));
  for (project_id const& project : entry.scope.projects) to.short_text(project.text());
  row.append(entry.name);
  append_tag(row, keys, place);
  return row;
}

result<api_key_entry> decode_api_key(row_keys const& keys, row_place place, std::string_view row) {
  auto const body = authenticated(keys, place, row);
  if (!body) return body.error();
  auto const id = api_key_id::parse(place.key);
  if (!id) return errc::corrupt;
  wire_reader from(*body);
  api_key_entry entry(*id);
  from.bytes(std::span(entry.hash));
  std::string_view const prefix = from.take(api_key_shown_chars);
  if (from.ok()) std::memcpy(entry.shown_prefix.data(), prefix.data(), prefix.size());
  entry.slot = from.number<std::uint16_t>();
  entry.permissions = permission_set::from_bits(from.number<std::uint8_t>());
  entry.created.unix_milliseconds = from.number<std::int64_t>();
  entry.expires = time_from_wire(from.number<std::int64_t>());
  entry.last_used = time_from_wire(from.number<std::int64_t>());
  entry.scope.all = from.number<std::uint8_t>() != 0;
  auto const count = from.number<std::uint16_t>();
  for (std::size_t i = 0; i < count && from.ok(); ++i) {
    auto const project = project_id::parse(from.short_text());
    if (!project) return errc::corrupt;
    entry.scope.projects.push_back(*project);
  }
  if (!from.ok() || entry.slot >= limits::api_keys_max) return errc::corrupt;
  entry.name = from.rest();
  return entry;
}

std::string encode_sequence(row_keys const& keys, row_place place, std::uint64_t number) {
  std::string row;
  wire_writer to(row);
  to.number(format_1);
  to.number(number);
  append_tag(row, keys, place);
  return row;
}

result<std::uint64_t> decode_sequence(row_keys const& keys, row_place place, std::string_view row) {
  auto const body = authenticated(keys, place, row);
  if (!body) return body.error();
  wire_reader from(*body);
  auto const number = from.number<std::uint64_t>();
  if (!from.done()) return errc::corrupt;
  return number;
}

std::string encode_receipt(row_keys const& keys, row_place place, receipt const& one) {
  std::string row;
  wire_writer to(row);
  to.number(format_1);
  write_consumer(to, one.to);
  to.number(one.at.unix_milliseconds);
  to.number(static_cast<std::uint8_t>(one.extent == delivery_extent::whole ? 1 : 0));
  to.number(static_cast<std::uint32_t>(one.secrets.size()));
  for (delivered_secret const& secret : one.secrets) {
    to.short_text(secret.name.text());
    to.number(secret.version);
    to.number(secret.at.unix_milliseconds);
  }
  append_tag(row, keys, place);
  return row;
}

result<receipt> decode_receipt(row_keys const& keys, row_place place, std::string_view row) {
  auto const body = authenticated(keys, place, row);
  if (!body) return body.error();
  auto const project = project_id::parse(place.key.substr(0, place.key.find('/')));
  if (!project) return errc::corrupt;
  wire_reader from(*body);
  receipt one{*project, read_consumer(from), {}, delivery_extent::part, {}};
  one.at.unix_milliseconds = from.number<std::int64_t>();
  if (from.number<std::uint8_t>() != 0) one.extent = delivery_extent::whole;
  auto const count = from.number<std::uint32_t>();
  for (std::uint32_t i = 0; i < count; ++i) {
    auto const name = secret_name::parse(from.short_text());
    auto const version = from.number<std::uint64_t>();
    timestamp const at{from.number<std::int64_t>()};
    if (!name || !from.ok()) return errc::corrupt;
    one.secrets.push_back({*name, version, at});
  }
  if (!from.done()) return errc::corrupt;
  return one;
}

std::string secrets_prefix_of(project_id const& project) {
  return std::string(project.text()) + '/';
}

std::string secret_key_of(project_id const& project, secret_name const& name) {
  std::string key;
  key.reserve(project.text().size() + 1 + name.text().size());
  return key.append(project.text()).append(1, '/').append(name.text());
}

std::string receipt_key_of(row_keys const& keys, project_id const& project, consumer const& to) {
  constexpr std::string_view purpose = "tacit consumer 1";
  std::string bytes;
  wire_writer writer(bytes);
  write_consumer(writer, to);
  std::array<unsigned char, row_tag_bytes> tag;
  keyed_hash(keys.row.reveal(), {as_bytes(purpose), as_bytes(bytes)}, tag);
  std::string key = secrets_prefix_of(project);
  wire_writer(key).bytes(tag);
  return key;
}

}  // namespace tacit::core
