// Messages, little-endian; a text has 2 bytes of length before it, a short text 1:
//
//   start    1  text(store) text(into) change_user(1) user(4) group(4) confine(1)
//               check(16) label(32) row(32)
//   question 2  short text(project) short text(name) record_id(8) sealed(rest)
//   verdict  3  opens(1: 0 or 1)
//
// Both ends are the same binary, so the numbers may change between versions.
#include "core/recovery.hpp"

#include "core/check.hpp"
#include "core/wire.hpp"

namespace tacit::core {

namespace {

enum class kind : std::uint8_t { start = 1, question = 2, verdict = 3 };

std::string message_of(kind which) { return std::string(1, static_cast<char>(which)); }

bool begins(wire_reader& from, kind which) {
  return from.number<std::uint8_t>() == static_cast<std::uint8_t>(which);
}

}  // namespace

secret_buffer encode_recovery(recovery_start const& message) {
  std::string fields = message_of(kind::start);
  wire_writer to(fields);
  to.long_text(message.store);
  to.long_text(message.into);
  to.number(static_cast<std::uint8_t>(message.change_user ? 1 : 0));
  to.number(message.user);
  to.number(message.group);
  to.number(static_cast<std::uint8_t>(message.confine ? 1 : 0));
  to.bytes(message.check);
  secret_buffer out(limits::channel_message_bytes_max);
  CHECK(out.append(fields));
  for (bytes_view const key :
       {bytes_view(message.keys.label.reveal()), bytes_view(message.keys.row.reveal())}) {
    CHECK(out.append({reinterpret_cast<char const*>(key.data()), key.size()}));
  }
  return out;
}

std::string encode_recovery(value_place const& place, std::string_view sealed) {
  std::string out = message_of(kind::question);
  wire_writer to(out);
  to.short_text(place.project.text());
  to.short_text(place.name.text());
  to.number(place.record_id);
  return out.append(sealed);
}

std::string encode_verdict(bool opens) {
  std::string out = message_of(kind::verdict);
  wire_writer(out).number(static_cast<std::uint8_t>(opens ? 1 : 0));
  return out;
}

result<recovery_start> decode_recovery_start(std::string_view datagram) {
  wire_reader from(datagram);
  if (!begins(from, kind::start)) return errc::corrupt;
  recovery_start message;
  message.store = from.long_text();
  message.into = from.long_text();
  message.change_user = from.number<std::uint8_t>() != 0;
  message.user = from.number<std::uint32_t>();
  message.group = from.number<std::uint32_t>();
  message.confine = from.number<std::uint8_t>() != 0;
  from.bytes(std::span(message.check));
  from.bytes(message.keys.label.reveal_mutable());
  from.bytes(message.keys.row.reveal_mutable());
  if (!from.done()) return errc::corrupt;
  return message;
}

result<recovery_question> decode_recovery_question(std::string_view datagram) {
  wire_reader from(datagram);
  if (!begins(from, kind::question)) return errc::corrupt;
  auto const project = project_id::parse(from.short_text());
  auto const name = secret_name::parse(from.short_text());
  auto const record_id = from.number<std::uint64_t>();
  bool const fits = from.rest().size() <= sealed_value_bytes_max;
  if (!from.ok() || !project || !name || !fits) return errc::corrupt;
  return recovery_question{*project, *name, record_id, from.rest()};
}

result<bool> decode_verdict(std::string_view datagram) {
  wire_reader from(datagram);
  bool const is_verdict = begins(from, kind::verdict);
  auto const opens = from.number<std::uint8_t>();
  if (!is_verdict || !from.done() || opens > 1) return errc::corrupt;
  return opens == 1;
}

}  // namespace tacit::core
