// Messages, little-endian; a short text has one byte of length before it:
//
//   hello    1  key(32) handshake(48)
//   ask      2  session(16) sealed(rest, at least 16)
//   welcome  verdict(1) session(16)
//   request  short text(project) has_revision(1) revision(8) wait_seconds(2) short text(host)
//   answer   outcome(1) body_bytes(4) body, cut into chunks of limits::remote_chunk_bytes, the last
//            of what is left; each is sealed (16 bytes more)
//
// Both ends may be of different versions: a change of anything here is another runtime_prologue.
#include "core/runtime_message.hpp"

#include <algorithm>

#include "core/check.hpp"
#include "core/wire.hpp"

namespace tacit::core {

namespace {

enum class kind : std::uint8_t { hello = 1, ask = 2 };

constexpr std::size_t answer_start_bytes = 1 + 4;
constexpr std::size_t sealed_chunk_bytes = limits::remote_chunk_bytes + aead_tag_bytes;

result<message_of_runtime> decode_hello(wire_reader from) {
  hello_message message;
  from.bytes(std::span(message.key.bytes));
  message.handshake = from.take(noise_message_overhead_bytes);
  if (!from.done()) return errc::corrupt;
  return message_of_runtime(message);
}

result<message_of_runtime> decode_ask(wire_reader from) {
  ask_message message;
  from.bytes(std::span(message.session));
  message.sealed = from.rest();
  if (!from.ok() || message.sealed.size() < aead_tag_bytes) return errc::corrupt;
  return message_of_runtime(message);
}

bool is_outcome(std::uint8_t number) {
  return number >= static_cast<std::uint8_t>(remote_outcome::found) &&
         number <= static_cast<std::uint8_t>(remote_outcome::unauthorized);
}

}  // namespace

std::string encode_message(hello_message const& message) {
  std::string out(1, static_cast<char>(kind::hello));
  wire_writer(out).bytes(message.key.bytes);
  return out.append(message.handshake);
}

std::string encode_message(ask_message const& message) {
  std::string out(1, static_cast<char>(kind::ask));
  wire_writer(out).bytes(message.session);
  return out.append(message.sealed);
}

result<message_of_runtime> decode_of_runtime(std::string_view bytes) {
  if (bytes.size() > limits::remote_request_bytes_max) return errc::corrupt;
  wire_reader from(bytes);
  switch (static_cast<kind>(from.number<std::uint8_t>())) {
    case kind::hello:
      return decode_hello(from);
    case kind::ask:
      return decode_ask(from);
  }
  return errc::corrupt;
}

std::string encode_welcome(welcome const& said) {
  std::string out;
  wire_writer to(out);
  to.number(static_cast<std::uint8_t>(said.told));
  to.bytes(said.session);
  return out;
}

result<welcome> decode_welcome(std::string_view payload) {
  wire_reader from(payload);
  auto const told = from.number<std::uint8_t>();
  welcome said;
  from.bytes(std::span(said.session));
  if (!from.done() || told < 1 || told > 3) return errc::corrupt;
  said.told = static_cast<verdict>(told);
  return said;
}

std::string encode_request(runtime_request const& request) {
  std::string out;
  wire_writer to(out);
  to.short_text(request.project.text());
  to.number(static_cast<std::uint8_t>(request.known_revision ? 1 : 0));
  to.number(request.known_revision.value_or(0));
  to.number(request.wait_seconds);
  to.short_text(std::string_view(request.host).substr(0, runtime_host_bytes_max));
  return out;
}

result<runtime_request> decode_request(std::string_view bytes) {
  wire_reader from(bytes);
  auto const project = project_id::parse(from.short_text());
  auto const has_revision = from.number<std::uint8_t>();
  auto const revision = from.number<std::uint64_t>();
  auto const wait_seconds = from.number<std::uint16_t>();
  std::string_view const host = from.short_text();
  if (!from.done() || !project || has_revision > 1) return errc::corrupt;
  if (has_revision == 0 && revision != 0) return errc::corrupt;
  if (wait_seconds > limits::remote_wait_seconds_max) return errc::corrupt;
  if (host.size() > runtime_host_bytes_max) return errc::corrupt;
  runtime_request request{*project, {}, wait_seconds, std::string(host)};
  if (has_revision == 1) request.known_revision = revision;
  return request;
}

answer_sealer::answer_sealer(noise_session session, answer_start start, std::string_view body)
    : session_(std::move(session)), start_(start), rest_(body) {
  CHECK(start.body_bytes == body.size() && body.size() <= limits::remote_answer_bytes_max);
}

std::string answer_sealer::next() {
  CHECK(!done_);
  secret_buffer plain(limits::remote_chunk_bytes);
  if (first_) {
    std::string start;
    wire_writer to(start);
    to.number(static_cast<std::uint8_t>(start_.outcome));
    to.number(start_.body_bytes);
    CHECK(plain.append(start));
    first_ = false;
  }
  std::string_view const piece = rest_.substr(0, plain.capacity() - plain.size());
  CHECK(plain.append(piece));
  rest_.remove_prefix(piece.size());
  done_ = rest_.empty();
  return session_.seal(plain.reveal());
}

result<opened_answer> open_answer(noise_session session, std::string_view sealed) {
  secret_buffer chunk(limits::remote_chunk_bytes);
  opened_answer answer;
  std::size_t missing = 0;
  bool first = true;
  do {
    std::string_view const one = sealed.substr(0, sealed_chunk_bytes);
    sealed.remove_prefix(one.size());
    chunk.clear();
    if (!session.open(one, chunk)) return errc::corrupt;
    wire_reader from(chunk.reveal());
    if (first) {
      auto const outcome = from.number<std::uint8_t>();
      missing = from.number<std::uint32_t>();
      if (!from.ok() || !is_outcome(outcome) || missing > limits::remote_answer_bytes_max) {
        return errc::corrupt;
      }
      answer.outcome = static_cast<remote_outcome>(outcome);
      if (missing > 0 && answer.outcome != remote_outcome::found) return errc::corrupt;
      answer.body = secret_buffer(missing);
      first = false;
    }
    std::string_view const piece = from.rest();
    bool const is_full = chunk.size() == limits::remote_chunk_bytes;
    if (piece.size() > missing || (piece.size() < missing && !is_full)) return errc::corrupt;
    if (!answer.body.append(piece)) return errc::corrupt;
    missing -= piece.size();
  } while (missing > 0);
  if (!sealed.empty()) return errc::corrupt;
  return answer;
}

static_assert(1 + sizeof(session_number) + aead_tag_bytes + 1 + limits::name_chars_max + 1 + 8 + 2 +
                  1 + runtime_host_bytes_max <=
              limits::remote_request_bytes_max);
static_assert(1 + key_bytes + noise_message_overhead_bytes <= limits::remote_request_bytes_max);
static_assert(answer_start_bytes < limits::remote_chunk_bytes);

}  // namespace tacit::core
