// A request's way through the program, without I/O on sockets: a framed request comes in; either
// its answer is appended, or a change is to be committed and finish() appends the answer
// afterwards. One service per io thread.
//
//   framed request → route → caller → admitted → permit → (content type, body) → command
//
// Each step takes the type that only the step before can make (core/access.hpp).
#pragma once

#include <boost/asio/any_completion_handler.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/access.hpp"
#include "core/crypto.hpp"
#include "core/line_pace.hpp"
#include "core/log.hpp"
#include "core/rate_limiter.hpp"
#include "core/sealing.hpp"
#include "core/store.hpp"
#include "net/answer.hpp"
#include "net/framing.hpp"
#include "net/project_cache.hpp"
#include "net/relay.hpp"
#include "net/route.hpp"

namespace tacit::net {

// Who is at the other end of a connection, as far as the kernel says.
struct peer {
  std::uint64_t address_hash = 0;  // for the limit on failed authentication
  bool local_owner = false;        // on api.sock, with the right credentials
};

// The last API key that was found on a connection, so that the next request with the same field
// need not be looked up again. Good only while the store's API keys have not changed.
struct remembered_key {
  core::short_tag tag{};
  std::shared_ptr<core::api_key_entry const> key;  // null: none yet
  std::uint64_t generation = 0;
};

// What services of all threads share; it outlives them.
struct service_parts {
  core::store& store;
  core::rate_limiter& limiter;
  core::api_share const& share;
  core::log& log;
  framing_limits framing;
  std::uint32_t last_four_min_length;
  std::size_t list_cache_bytes;  // of one service
  relay& to_keeper;
};

// What the answer to a request repeats of it, and what its log line says. The request id is
// borrowed from the request or from the service.
struct request_record {
  method verb = method::other;
  std::string_view route = "";
  std::string_view request_id;
  std::shared_ptr<core::api_key_entry const> api_key;
  bool keep_alive = true;
  std::optional<rate_report> rate;
  std::int64_t began_microseconds = 0;
};

// A change under way, and what its answer needs.
struct pending_write : core::change {
  using core::change::change;

  request_record record;  // its request id is a view of the next member
  std::string request_id;
  std::optional<core::api_key_text> raw_key;  // of a new API key: shown this once
  // The coroutine that waits. Set by emplace only: in Boost 1.81 assigning one recurses for ever.
  std::optional<boost::asio::any_completion_handler<void()>> resume;
};

// A sealed request on its way to the keeper, and what its answer needs. As pending_write.
struct pending_relay : relayed_request {
  request_record record;
  std::string request_id;
  std::optional<boost::asio::any_completion_handler<void()>> resume;
};

// What came of a request so far.
struct handled {
  std::unique_ptr<pending_write> write;  // to be submitted; null when the answer is appended
  std::unique_ptr<pending_relay> relay;  // the same
  bool keep_alive = true;
};

class service {
 public:
  service(service_parts const& parts, core::completion_port& home);

  // As head_memory::parse; `memory` is the connection's.
  [[nodiscard]] core::result<std::optional<request_head>> parse_head(head_memory& memory,
                                                                     std::string_view bytes) const {
    return memory.parse(bytes, parts_.framing, tag_key_);
  }

  // `body` has head.body_bytes bytes. It may hold a value: the caller wipes it afterwards.
  // `memory` is the connection's.
  [[nodiscard]] handled handle(request_head const& head, std::string_view body, peer const& from,
                               remembered_key& memory, std::string& out);

  // After the change was completed, or was refused by the store's submit().
  [[nodiscard]] bool finish(pending_write& write, std::string& out);
  // After the keeper's reply, or when it is not to be had.
  [[nodiscard]] bool finish(pending_relay& relayed, std::string& out);

  // The answer to bytes that are no request that we take; the connection ends after it.
  void refuse_bytes(core::errc why, std::string_view bytes, std::string& out);

  // Every second: forgets the intake key when it is old, says what the log was spared.
  void grow_old();

  [[nodiscard]] core::store& store() noexcept { return parts_.store; }
  [[nodiscard]] relay& to_keeper() noexcept { return parts_.to_keeper; }

 private:
  struct exchange;  // one request and its answer under way

  void answer_error(exchange& x, core::errc error,
                    std::optional<body_problem> const& problem = std::nullopt);
  void answer_body(exchange& x, unsigned status);
  void answer_with(exchange& x, unsigned status, std::string_view body);
  void log_answer(request_record const& record, unsigned status);

  core::result<core::caller> identify(exchange const& x, remembered_key& memory);
  core::result<std::shared_ptr<core::api_key_entry const>> find_api_key(
      std::string_view credentials);
  void answer_unidentified(exchange& x);
  void answer_health(exchange& x);
  void pass_on(exchange& x);
  void dispatch(exchange& x, core::admitted const& caller);

  void list_secrets(exchange& x, core::admitted const& caller);
  void upsert_secret(exchange& x, core::admitted const& caller);
  void remove_secret(exchange& x, core::admitted const& caller);
  void list_projects(exchange& x, core::admitted const& caller);
  void show_project(exchange& x, core::admitted const& caller);
  void create_project(exchange& x, core::admitted const& caller);
  void delete_project(exchange& x, core::admitted const& caller);
  void list_deliveries(exchange& x, core::admitted const& caller);
  void list_api_keys(exchange& x, core::admitted const& caller);
  void create_api_key(exchange& x, core::admitted const& caller);
  void revoke_api_key(exchange& x, core::admitted const& caller);

  [[nodiscard]] bool has_json_body(exchange& x);
  // One out of the caller's scope is not looked for: how long that takes would tell whether it is
  // there.
  core::result<core::project_state> find_project(core::admitted const& caller,
                                                 core::project_id const& id);
  void commit(exchange& x, core::command what);
  [[nodiscard]] std::string_view make_request_id();
  [[nodiscard]] std::string_view date_now(core::timestamp now);

  service_parts const& parts_;
  core::completion_port& home_;
  core::sealer sealer_;
  core::short_tag_key tag_key_;  // of head_memory and remembered_key
  core::secret_buffer name_;     // the name and the value of the secret of the request at hand: a
  core::secret_buffer value_;    // client may take one for the other
  std::string body_;             // the body of the answer at hand
  std::shared_ptr<core::api_key_directory const> api_keys_;
  std::uint64_t api_keys_generation_ = 0;
  std::string date_;
  std::int64_t date_second_ = -1;
  project_cache projects_;
  std::string request_id_;    // the last one made
  core::line_pace failures_;  // of POST /api/v1/runtime, by status
};

}  // namespace tacit::net
