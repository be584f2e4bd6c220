// Requests of other machines, which are the keeper's: this process cannot read them.
#include <array>

#include "core/limits.hpp"
#include "net/exchange.hpp"
#include "net/json_body.hpp"
#include "net/now.hpp"

namespace tacit::net {

using core::errc;

void service::pass_on(exchange& x) {
  constexpr std::size_t text_bytes_max = (core::limits::remote_request_bytes_max + 2) / 3 * 4;
  if (!has_json_body(x)) return;
  std::string message;
  std::array members{body_member{"message", &message}};
  auto problem = read_json_body(x.body, members, text_bytes_max);
  auto sealed = core::decode_base64(message);
  if (!problem && (!sealed || sealed->empty())) {
    problem = body_problem{"message", "must be base64url without padding"};
  }
  if (problem) return answer_error(x, errc::validation, problem);
  x.relayed = std::make_unique<pending_relay>();
  x.relayed->sealed = *std::move(sealed);
  x.relayed->record = x.record;
  x.relayed->request_id = x.record.request_id;
  x.relayed->address_hash = x.from.address_hash;
  x.relayed->record.request_id = x.relayed->request_id;
}

bool service::finish(pending_relay& relayed, std::string& out) {
  request_head const none;
  peer const nobody;
  exchange x{none, {}, nobody, out, {}, std::move(relayed.record)};
  if (relayed.reply.empty()) {
    // All that this process can say of it. Whether somebody is let in, the keeper says sealed: who
    // gets that is never refused for its address.
    auto const state = parts_.limiter.take_failure(relayed.address_hash, boot_nanoseconds());
    if (!state.admitted) x.answer.retry_seconds = state.reset_seconds;
    answer_error(x, state.admitted ? errc::unavailable : errc::rate_limited);
    return x.record.keep_alive;
  }
  std::string body = R"({"data":{"message":")";
  body += core::encode_base64(core::as_bytes(relayed.reply));
  body += R"("}})";
  answer_with(x, 200, body);
  return x.record.keep_alive;
}

}  // namespace tacit::net
