// What a runtime on another machine and the keeper say to each other, through the api process,
// which can open none of it:
//
//   runtime → keeper   hello    I have this key: message 1 of a handshake (core/noise.hpp)
//   keeper → runtime   welcome  message 2: you may ask once, or why not
//   runtime → keeper   ask      what it wants, sealed in the session
//   keeper → runtime   answer   the outcome and the set, sealed in the session, in chunks
//
// Whatever the api process does, the runtime takes no other outcome than one that opens here: all
// else is that nobody answered. The grammar stands in runtime_message.cpp.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "core/crypto.hpp"
#include "core/error.hpp"
#include "core/limits.hpp"
#include "core/name.hpp"
#include "core/noise.hpp"
#include "core/secret.hpp"

namespace tacit::core {

// What both sides of a handshake have in mind. Another text for another meaning of the messages.
inline constexpr std::string_view runtime_prologue = "tacit runtime 1";

using session_number = std::array<unsigned char, 16>;  // random, of one handshake

struct hello_message {
  exchange_public_key key;
  std::string_view handshake;  // message 1, without payload
};
struct ask_message {
  session_number session;
  std::string_view sealed;  // a runtime_request
};
using message_of_runtime = std::variant<hello_message, ask_message>;

[[nodiscard]] std::string encode_message(hello_message const& message);
[[nodiscard]] std::string encode_message(ask_message const& message);
// Views into the bytes. errc::corrupt for anything that is not exactly one message.
[[nodiscard]] result<message_of_runtime> decode_of_runtime(std::string_view bytes);

// The payload of message 2.
enum class verdict : std::uint8_t {
  go_on = 1,
  unauthorized = 2,  // no valid enrolment has this key
  unavailable = 3,   // it cannot be told now
};
struct welcome {
  verdict told = verdict::unavailable;
  session_number session{};
};
[[nodiscard]] std::string encode_welcome(welcome const& said);
[[nodiscard]] result<welcome> decode_welcome(std::string_view payload);

struct runtime_request {
  project_id project;
  std::optional<std::uint64_t> known_revision;  // the answer is held while it is the project's
  std::uint16_t wait_seconds = 0;
  std::string host;  // the runtime's name of its machine, at most 64 bytes: for receipts
};
inline constexpr std::size_t runtime_host_bytes_max = 64;
[[nodiscard]] std::string encode_request(runtime_request const& request);
[[nodiscard]] result<runtime_request> decode_request(std::string_view bytes);

// Refused, absent, unavailable and empty are four outcomes: empty is a set without values.
enum class remote_outcome : std::uint8_t {
  found = 1,
  unchanged = 2,
  refused = 3,
  absent = 4,
  unavailable = 5,
  unauthorized = 6,  // the enrolment has ended since the handshake
};
struct answer_start {
  remote_outcome outcome = remote_outcome::unavailable;
  std::uint32_t body_bytes = 0;  // 0 unless found
};

// Seals an answer chunk by chunk. Each is handed on as it is made: the whole is never in memory
// twice.
class answer_sealer {
 public:
  // `body` outlives this.
  answer_sealer(noise_session session, answer_start start, std::string_view body);
  [[nodiscard]] bool done() const noexcept { return done_; }
  [[nodiscard]] std::string next();

 private:
  noise_session session_;
  answer_start start_;
  std::string_view rest_;
  bool first_ = true;
  bool done_ = false;
};

struct opened_answer {
  remote_outcome outcome = remote_outcome::unavailable;
  secret_buffer body{0};
};
// All chunks, one behind the other. errc::corrupt unless all of it is there, in order, and no more.
[[nodiscard]] result<opened_answer> open_answer(noise_session session, std::string_view sealed);

}  // namespace tacit::core
