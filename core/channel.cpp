// Messages, little-endian; a text has 2 bytes of length before it, a short text 1:
//
//   start    1  the fields of api_settings in their order, public_key(32) record(32) label(32)
//               row(32) pepper(32) check(16) instance(16)
//   fetch    2  ask(4) short text(project)
//   drain    3
//   ready    4
//   record   5  ask(4) short text(name) record_id(8) version(8) sealed(rest)
//   fetched  6  ask(4) outcome(1) records(4) revision(8)
//   receipts 7  last(1) { receipt }
//   receipt     short text(project) has_uid(1) uid(4) short text(unit) short text(runtime)
//               short text(host) at(8) whole(1) count(2) { short text(name) version(8) at(8) }
//   watch    8  short text(project) revision(8)
//   changed  9  short text(project)
//   invite  10  requests(2)
//   reply   11  request(4) last(1) sealed(rest)
//   mark    12  mark(rest)
//   request 13  request(4) sealed(rest)
//   marked  14  mark(rest)
//   identity 15 long text(certificate) long text(key) long text(client_ca)
//
// Both ends are the same binary, so the numbers may change between versions.
#include "core/channel.hpp"

#include "core/channel_bytes.hpp"
#include "core/enrolment.hpp"
#include "core/limits.hpp"
#include "core/sealing.hpp"
#include "core/wire.hpp"

namespace tacit::core {

namespace {

using kind = message_kind;

void encode_settings(wire_writer& to, api_settings const& settings) {
  to.long_text(settings.store_dir);
  to.number(settings.user);
  to.number(settings.group);
  to.number(to_byte(settings.change_user));
  to.number(to_byte(settings.confine));
  to.number(to_byte(settings.show_first_key));
  to.number(settings.log_level);
  to.number(settings.threads);
  to.number(settings.listeners);
  to.number(to_byte(settings.tls));
  to.number(settings.owner);
  to.number(settings.reads_per_minute);
  to.number(settings.writes_per_minute);
  to.number(settings.failed_auth_per_minute);
  to.number(settings.secrets_per_project);
  to.number(settings.last_four_min_length);
  to.number(settings.head_bytes);
  to.number(settings.body_bytes);
  to.number(settings.head_seconds);
  to.number(settings.body_seconds);
  to.number(settings.idle_seconds);
  to.number(settings.connections);
  to.number(settings.list_cache_megabytes);
}

api_settings decode_settings(wire_reader& from) {
  api_settings settings;
  settings.store_dir = from.long_text();
  settings.user = from.number<std::uint32_t>();
  settings.group = from.number<std::uint32_t>();
  settings.change_user = from.number<std::uint8_t>() != 0;
  settings.confine = from.number<std::uint8_t>() != 0;
  settings.show_first_key = from.number<std::uint8_t>() != 0;
  settings.log_level = from.number<std::uint8_t>();
  settings.threads = from.number<std::uint16_t>();
  settings.listeners = from.number<std::uint16_t>();
  settings.tls = from.number<std::uint8_t>() != 0;
  settings.owner = from.number<std::uint32_t>();
  settings.reads_per_minute = from.number<std::uint32_t>();
  settings.writes_per_minute = from.number<std::uint32_t>();
  settings.failed_auth_per_minute = from.number<std::uint32_t>();
  settings.secrets_per_project = from.number<std::uint32_t>();
  settings.last_four_min_length = from.number<std::uint32_t>();
  settings.head_bytes = from.number<std::uint32_t>();
  settings.body_bytes = from.number<std::uint32_t>();
  settings.head_seconds = from.number<std::uint32_t>();
  settings.body_seconds = from.number<std::uint32_t>();
  settings.idle_seconds = from.number<std::uint32_t>();
  settings.connections = from.number<std::uint32_t>();
  settings.list_cache_megabytes = from.number<std::uint32_t>();
  return settings;
}

result<message_to_api> decode_start(wire_reader from) {
  start_message message;
  message.settings = decode_settings(from);
  from.bytes(std::span(message.share.public_key.bytes));
  from.bytes(message.share.record.reveal_mutable());
  from.bytes(message.share.rows.label.reveal_mutable());
  from.bytes(message.share.rows.row.reveal_mutable());
  from.bytes(message.share.pepper.reveal_mutable());
  from.bytes(std::span(message.share.check));
  from.bytes(std::span(message.share.instance));
  if (!from.done()) return errc::corrupt;
  return message_to_api(std::move(message));
}

result<message_to_api> decode_fetch(wire_reader from) {
  auto const ask = from.number<std::uint32_t>();
  auto const project = project_id::parse(from.short_text());
  if (!from.done() || !project) return errc::corrupt;
  return message_to_api(fetch_message{ask, *project});
}

result<message_to_api> decode_watch(wire_reader from) {
  auto const project = project_id::parse(from.short_text());
  auto const revision = from.number<std::uint64_t>();
  if (!from.done() || !project) return errc::corrupt;
  return message_to_api(watch_message{*project, revision});
}

result<message_to_keeper> decode_record(wire_reader from) {
  auto const ask = from.number<std::uint32_t>();
  auto const name = secret_name::parse(from.short_text());
  auto const record_id = from.number<std::uint64_t>();
  auto const version = from.number<std::uint64_t>();
  if (!from.ok() || !name || from.rest().size() > sealed_value_bytes_max) return errc::corrupt;
  return message_to_keeper(
      record_message{ask, *name, record_id, version, std::string(from.rest())});
}

result<message_to_keeper> decode_fetched(wire_reader from) {
  fetched_message message;
  message.ask = from.number<std::uint32_t>();
  auto const came_of = from.number<std::uint8_t>();
  message.records = from.number<std::uint32_t>();
  message.revision = from.number<std::uint64_t>();
  bool const known = came_of >= 1 && came_of <= 3;
  if (!from.done() || !known) return errc::corrupt;
  message.came_of = static_cast<fetch_outcome>(came_of);
  return message_to_keeper(message);
}

result<message_to_api> decode_receipts(wire_reader from) {
  receipts_message message;
  message.last = from.number<std::uint8_t>() != 0;
  if (!from.ok()) return errc::corrupt;
  while (!from.done()) {
    auto one = decode_receipt(from);
    if (!one) return errc::corrupt;
    message.receipts.push_back(std::move(*one));
  }
  return message_to_api(std::move(message));
}

secret_buffer copy_of(std::string_view text) {
  secret_buffer copy(text.size());
  CHECK(copy.append(text));
  return copy;
}

result<message_to_api> decode_identity(wire_reader from) {
  std::string_view const certificate = from.long_text();
  std::string_view const key = from.long_text();
  std::string_view const client_ca = from.long_text();
  if (!from.done()) return errc::corrupt;
  return message_to_api(identity_message{copy_of(certificate), copy_of(key), copy_of(client_ca)});
}

result<message_to_keeper> decode_changed(wire_reader from) {
  auto const project = project_id::parse(from.short_text());
  if (!from.done() || !project) return errc::corrupt;
  return message_to_keeper(changed_message{*project});
}

result<message_to_api> decode_invite(wire_reader from) {
  invite_message const message{from.number<std::uint16_t>()};
  if (!from.done()) return errc::corrupt;
  return message_to_api(message);
}

result<message_to_api> decode_reply(wire_reader from) {
  reply_message message;
  message.request = from.number<std::uint32_t>();
  auto const last = from.number<std::uint8_t>();
  message.sealed = from.rest();
  if (!from.ok() || last > 1) return errc::corrupt;
  message.last = last == 1;
  return message_to_api(std::move(message));
}

result<message_to_keeper> decode_request(wire_reader from) {
  request_message message;
  message.request = from.number<std::uint32_t>();
  message.sealed = from.rest();
  bool const fits = message.sealed.size() <= limits::remote_request_bytes_max;
  if (!from.ok() || !fits) return errc::corrupt;
  return message_to_keeper(std::move(message));
}

// Of a mark, in either direction: none, or one that is whole.
result<std::string> decode_mark(wire_reader from) {
  std::string_view const mark = from.rest();
  if (!mark.empty() && mark.size() != epoch_mark_bytes) return errc::corrupt;
  return std::string(mark);
}

}  // namespace

secret_buffer encode_start(start_message const& message) {
  std::string head = message_of(kind::start);
  wire_writer to(head);
  encode_settings(to, message.settings);
  api_share const& share = message.share;
  secret_buffer out(head.size() + 5 * key_bytes + share.check.size() + share.instance.size());
  for (bytes_view const part :
       {as_bytes(head), bytes_view(share.public_key.bytes), bytes_view(share.record.reveal()),
        bytes_view(share.rows.label.reveal()), bytes_view(share.rows.row.reveal()),
        bytes_view(share.pepper.reveal()), bytes_view(share.check), bytes_view(share.instance)}) {
    CHECK(out.append({reinterpret_cast<char const*>(part.data()), part.size()}));
  }
  return out;
}

secret_buffer encode_identity(identity_message const& message) {
  secret_buffer out(limits::channel_message_bytes_max);
  CHECK(out.append(message_of(kind::identity)));
  for (secret_buffer const* const text : {&message.certificate, &message.key, &message.client_ca}) {
    std::string length;
    wire_writer(length).number(static_cast<std::uint16_t>(text->size()));
    CHECK(text->size() <= 0xFFFF && out.append(length) && out.append(text->reveal()));
  }
  return out;
}

std::string encode_message(fetch_message const& message) {
  std::string out = message_of(kind::fetch);
  wire_writer to(out);
  to.number(message.ask);
  to.short_text(message.project.text());
  return out;
}

std::string encode_message(watch_message const& message) {
  std::string out = message_of(kind::watch);
  wire_writer to(out);
  to.short_text(message.project.text());
  to.number(message.revision);
  return out;
}

std::string encode_message(drain_message const&) { return message_of(kind::drain); }

std::string encode_message(ready_message const&) { return message_of(kind::ready); }

std::string encode_message(record_message const& message) {
  std::string out = message_of(kind::record);
  wire_writer to(out);
  to.number(message.ask);
  to.short_text(message.name.text());
  to.number(message.record_id);
  to.number(message.version);
  out.append(message.sealed);
  return out;
}

std::string encode_message(fetched_message const& message) {
  std::string out = message_of(kind::fetched);
  wire_writer to(out);
  to.number(message.ask);
  to.number(static_cast<std::uint8_t>(message.came_of));
  to.number(message.records);
  to.number(message.revision);
  return out;
}

std::string encode_message(changed_message const& message) {
  std::string out = message_of(kind::changed);
  wire_writer to(out);
  to.short_text(message.project.text());
  return out;
}

std::string encode_message(invite_message const& message) {
  std::string out = message_of(kind::invite);
  wire_writer(out).number(message.requests);
  return out;
}

std::string encode_message(reply_message const& message) {
  std::string out = message_of(kind::reply);
  wire_writer to(out);
  to.number(message.request);
  to.number(to_byte(message.last));
  return out.append(message.sealed);
}

std::string encode_message(mark_message const& message) {
  return message_of(kind::mark).append(message.mark);
}

std::string encode_message(request_message const& message) {
  std::string out = message_of(kind::request);
  wire_writer(out).number(message.request);
  return out.append(message.sealed);
}

std::string encode_message(marked_message const& message) {
  return message_of(kind::marked).append(message.mark);
}

result<message_to_api> decode_to_api(std::string_view datagram) {
  wire_reader from(datagram);
  switch (static_cast<kind>(from.number<std::uint8_t>())) {
    case kind::start:
      return decode_start(from);
    case kind::fetch:
      return decode_fetch(from);
    case kind::watch:
      return decode_watch(from);
    case kind::drain:
      if (from.done()) return message_to_api(drain_message{});
      return errc::corrupt;
    case kind::receipts:
      return decode_receipts(from);
    case kind::identity:
      return decode_identity(from);
    case kind::invite:
      return decode_invite(from);
    case kind::reply:
      return decode_reply(from);
    case kind::mark: {
      auto mark = decode_mark(from);
      if (!mark) return mark.error();
      return message_to_api(mark_message{*std::move(mark)});
    }
    default:  // of the other direction, or none
      return errc::corrupt;
  }
}

result<message_to_keeper> decode_to_keeper(std::string_view datagram) {
  wire_reader from(datagram);
  switch (static_cast<kind>(from.number<std::uint8_t>())) {
    case kind::ready:
      if (from.done()) return message_to_keeper(ready_message{});
      return errc::corrupt;
    case kind::record:
      return decode_record(from);
    case kind::fetched:
      return decode_fetched(from);
    case kind::changed:
      return decode_changed(from);
    case kind::request:
      return decode_request(from);
    case kind::marked: {
      auto mark = decode_mark(from);
      if (!mark) return mark.error();
      return message_to_keeper(marked_message{*std::move(mark)});
    }
    default:  // of the other direction, or none
      return errc::corrupt;
  }
}

}  // namespace tacit::core
