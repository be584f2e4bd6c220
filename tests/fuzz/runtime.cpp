// What anybody on the network can have the keeper read, and what an enrolled runtime can: bytes
// that stand for a hello or an ask, and the request inside a session. For every input: what is
// taken encodes to the very bytes and keeps within the limits; nobody is welcomed who has not the
// key; nothing but the session's own ask is taken, and once.
#include <string>

#include "core/enrolment.hpp"
#include "core/runtime_message.hpp"
#include "core/runtime_sessions.hpp"
#include "tests/fuzz/target.hpp"

namespace {

using namespace tacit::core;

constexpr moment at{timestamp{1'800'000'000'000}, 1'000'000};

void judge_bytes(std::string_view bytes) {
  auto const message = decode_of_runtime(bytes);
  if (!message) return;
  CHECK(bytes.size() <= limits::remote_request_bytes_max);
  CHECK(std::visit([](auto const& one) { return encode_message(one); }, *message) == bytes);
}

void judge_request(std::string_view bytes) {
  auto const request = decode_request(bytes);
  if (!request) return;
  CHECK(request->wait_seconds <= limits::remote_wait_seconds_max);
  CHECK(request->host.size() <= runtime_host_bytes_max);
  CHECK(encode_request(*request) == bytes);
}

void judge_welcome(std::string_view bytes) {
  auto const said = decode_welcome(bytes);
  if (!said) return;
  CHECK(said->told == verdict::go_on || said->told == verdict::unauthorized ||
        said->told == verdict::unavailable);
  CHECK(encode_welcome(*said) == bytes);
}

struct door {
  exchange_private_key own = make_exchange_key();
  exchange_private_key runtime = make_exchange_key();
  enrolment_book book;
  runtime_sessions sessions{own, book};

  door() {
    enrolment const one{*runtime_id::parse("web"), *project_id::parse("shop"), public_half(runtime),
                        at.now, timestamp{at.now.unix_milliseconds + 1000}};
    CHECK(book.add(one, at.now).has_value());
    sessions.set_certain(true);
  }
};

// A runtime that is enrolled, and says what it likes.
void judge_session(std::string_view bytes) {
  door to;
  exchange_public_key const half = public_half(to.runtime);
  noise_initiator from({to.runtime, half, to.sessions.own_public(), runtime_prologue},
                       make_exchange_key());
  auto const first = from.begin("");
  CHECK(first.has_value());
  auto const answer = to.sessions.greet(encode_message(hello_message{half, *first}), at);
  CHECK(answer.has_value());
  auto finished = from.finish(*answer);
  CHECK(finished.has_value());
  auto const said = decode_welcome(finished->payload);
  CHECK(said && said->told == verdict::go_on);
  CHECK(!to.sessions.take(bytes, at) && to.sessions.waiting() == 1);
  std::string const ask = encode_message(ask_message{said->session, finished->session.seal(bytes)});
  auto const taken = to.sessions.take(ask, at);
  bool const fits = ask.size() <= limits::remote_request_bytes_max;
  CHECK(taken.has_value() == (fits && decode_request(bytes).has_value()));
  if (taken) CHECK(encode_request(taken->request) == bytes);
  CHECK(!to.sessions.take(ask, at));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  init_crypto();
  std::string_view input = tacit::fuzz::as_text(data, size);
  switch (tacit::fuzz::take_byte(input) % 8) {
    case 0: {
      door to;
      CHECK(!to.sessions.greet(input, at) && !to.sessions.take(input, at));
      break;
    }
    case 1:
      judge_session(input);
      break;
    case 2:
    case 3:
      judge_bytes(input);
      break;
    case 4:
      judge_welcome(input);
      break;
    default:
      judge_request(input);
  }
  return 0;
}
