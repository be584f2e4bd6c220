#include "core/runtime_sessions.hpp"

#include <algorithm>
#include <utility>
#include <variant>

namespace tacit::core {

// A bucket that holds as much as one second gives, as the time at which it would be empty: in
// microseconds, so that 1000 a second are whole numbers.
bool paced::take(std::uint64_t boot_milliseconds) noexcept {
  constexpr std::uint64_t second = 1'000'000;
  std::uint64_t const now = boot_milliseconds * 1000;
  std::uint64_t const from = std::max(empty_at_microseconds_, now);
  if (from + second / per_second_ > now + second) return false;
  empty_at_microseconds_ = from + second / per_second_;
  return true;
}

runtime_sessions::runtime_sessions(exchange_private_key const& own, enrolment_book const& book)
    : own_(own), own_public_(public_half(own)), book_(book) {}

paced& runtime_sessions::pace_of(exchange_public_key const& enrolled) {
  // Those of keys that were revoked go with all the others, which are then as after a quiet second.
  if (paces_.size() >= limits::enrolments_max && !paces_.contains(enrolled)) paces_.clear();
  return paces_.try_emplace(enrolled, limits::handshakes_per_runtime_per_second_max).first->second;
}

bool runtime_sessions::has_room_for(exchange_public_key const& runtime) const noexcept {
  if (waiting_.size() >= limits::handshakes_max) return false;
  auto const its = of_runtime_.find(runtime);
  return its == of_runtime_.end() || its->second < limits::handshakes_per_runtime_max;
}

std::optional<std::string> runtime_sessions::greet(std::string_view hello, moment at) {
  auto const message = decode_of_runtime(hello);
  if (!message || !std::holds_alternative<hello_message>(*message)) return std::nullopt;
  auto const& from = std::get<hello_message>(*message);
  forget_late(at.boot_milliseconds);
  // What is certain decides: a key that is not known to be enrolled is a stranger's.
  bool const enrolled = certain_ && book_.has_valid(from.key, at.now);
  // Before the handshake, which is dear. Whoever saw an enrolled key pass can send it.
  paced& its = enrolled ? pace_of(from.key) : strangers_;
  if (!its.take(at.boot_milliseconds)) return std::nullopt;
  if (!all_.take(at.boot_milliseconds)) return std::nullopt;

  noise_responder responder({own_, own_public_, from.key, runtime_prologue}, make_exchange_key());
  auto const read = responder.read(from.handshake);
  if (!read) return std::nullopt;
  welcome said;
  if (!certain_ || (enrolled && !has_room_for(from.key))) {
    said.told = verdict::unavailable;
  } else if (!enrolled) {
    said.told = verdict::unauthorized;
  } else {
    said.told = verdict::go_on;
    fill_random(said.session);
  }
  auto answered = responder.answer(encode_welcome(said));
  if (!answered) return std::nullopt;
  if (said.told == verdict::go_on) {
    waiting_.push_back({said.session, from.key, std::move(answered->session),
                        at.boot_milliseconds + limits::handshake_milliseconds_max});
    by_number_.emplace(said.session, std::prev(waiting_.end()));
    ++of_runtime_[from.key];
  }
  return std::move(answered->message);
}

std::optional<runtime_sessions::taken> runtime_sessions::take(std::string_view ask, moment at) {
  auto const message = decode_of_runtime(ask);
  if (!message || !std::holds_alternative<ask_message>(*message)) return std::nullopt;
  auto const& from = std::get<ask_message>(*message);
  forget_late(at.boot_milliseconds);
  auto const found = by_number_.find(from.session);
  if (found == by_number_.end()) return std::nullopt;
  // The first ask uses it up, also a false one: nobody gets to try twice.
  exchange_public_key const runtime = found->second->runtime;
  noise_session session = std::move(found->second->session);
  forget(found->second);
  secret_buffer plain(limits::remote_request_bytes_max);
  if (!session.open(from.sealed, plain)) return std::nullopt;
  auto request = decode_request(plain.reveal());
  if (!request) return std::nullopt;
  return taken{runtime, *std::move(request), std::move(session)};
}

void runtime_sessions::forget(place one) {
  auto const its = of_runtime_.find(one->runtime);
  if (--its->second == 0) of_runtime_.erase(its);
  by_number_.erase(one->number);
  waiting_.erase(one);
}

void runtime_sessions::forget_late(std::uint64_t boot_milliseconds) {
  while (!waiting_.empty() && waiting_.front().until_boot_milliseconds <= boot_milliseconds) {
    forget(waiting_.begin());
  }
}

}  // namespace tacit::core
