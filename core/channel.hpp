// The messages on the socket pair between the keeper and the api process, one datagram each
// (SOCK_SEQPACKET). This is the whole list of what the api can be asked to do for the keeper:
//
//   keeper → api   start    its settings and its share of the keys; the first message, once
//                  fetch    the sealed values of one project
//                  watch    say once when a project's revision is another than this
//                  drain    finish what is under way, write out, exit 0
//                  receipts what was delivered to whom, in batches: to be kept
//                  invite   so many more sealed requests of other machines may be handed over
//                  reply    to one of these, in pieces: sealed too
//                  mark     the epoch mark (core/enrolment.hpp), to be kept; empty: which is?
//                  identity the certificate and key for TLS; when its settings say so, the second
//                           message, and again whenever the files were read anew
//   api → keeper   ready    it serves
//                  record   one sealed value, in answer to a fetch
//                  fetched  the end of a fetch: what came of it
//                  changed  a watched project's revision is another, or it is gone
//                  request  a sealed request of another machine: one for each that was invited
//                  marked   the epoch mark that is kept, in answer to an empty mark
//
// No plaintext of a value goes over it in either direction, and the api asks for nothing of its
// own: it carries what it cannot open, as many as the keeper invites. The keeper takes every byte
// from the api as hostile. The grammar stands in channel.cpp.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/crypto.hpp"
#include "core/error.hpp"
#include "core/name.hpp"
#include "core/receipt.hpp"
#include "core/secret.hpp"

namespace tacit::core {

// What the api process needs to know from the settings. Sizes in bytes, times in seconds.
struct api_settings {
  std::string store_dir;
  std::uint32_t user = 0;  // uid and gid to change to; only when change_user
  std::uint32_t group = 0;
  bool change_user = false;
  bool confine = true;
  bool show_first_key = false;  // stdout is a terminal: make an admin API key when there is none
  std::uint8_t log_level = 0;
  std::uint16_t threads = 1;
  std::uint16_t listeners = 0;  // inherited, from channel_listener_descriptor on
  bool tls = false;             // spoken on all of them
  std::uint32_t owner = 0;      // uid that is the local owner on api.sock, beside root
  std::uint32_t reads_per_minute = 0;
  std::uint32_t writes_per_minute = 0;
  std::uint32_t failed_auth_per_minute = 0;
  std::uint32_t secrets_per_project = 0;
  std::uint32_t last_four_min_length = 0;
  std::uint32_t head_bytes = 0;
  std::uint32_t body_bytes = 0;
  std::uint32_t head_seconds = 0;
  std::uint32_t body_seconds = 0;
  std::uint32_t idle_seconds = 0;
  std::uint32_t connections = 0;
  std::uint32_t list_cache_megabytes = 0;
};

struct start_message {
  api_settings settings;
  api_share share;
};
struct fetch_message {
  std::uint32_t ask = 0;  // numbers the answers
  project_id project;
};
// At most one of a project is outstanding: it ends with its `changed`.
struct watch_message {
  project_id project;
  std::uint64_t revision = 0;
};
struct drain_message {};
// Of a batch. A receipt that is too long for one message is followed by one or more of extent
// `part` with the rest of its secrets.
struct receipts_message {
  bool last = false;  // of the batch
  std::vector<receipt> receipts;
};
struct invite_message {
  std::uint16_t requests = 0;
};
struct reply_message {
  std::uint32_t request = 0;
  bool last = false;  // of the pieces. None at all: the request was not understood
  std::string sealed;
};
struct mark_message {
  std::string mark;
};
// PEM texts as the files have them.
struct identity_message {
  secret_buffer certificate{0};  // the server's, then those that it rests on
  secret_buffer key{0};
  secret_buffer client_ca{0};  // empty: clients need no certificate
};
struct ready_message {};
struct record_message {
  std::uint32_t ask = 0;
  secret_name name;
  std::uint64_t record_id = 0;
  std::uint64_t version = 0;
  std::string sealed;
};
enum class fetch_outcome : std::uint8_t { found = 1, absent = 2, unavailable = 3 };
struct fetched_message {
  std::uint32_t ask = 0;
  fetch_outcome came_of = fetch_outcome::unavailable;
  std::uint32_t records = 0;   // how many were sent before
  std::uint64_t revision = 0;  // of the project, in the same snapshot
};
struct changed_message {
  project_id project;
};
struct request_message {
  std::uint32_t request = 0;  // the api's number for the reply
  std::string sealed;
};
struct marked_message {
  std::string mark;  // empty: none
};

// Holds keys: sent and forgotten.
[[nodiscard]] secret_buffer encode_start(start_message const& message);
// At most limits::identity_bytes_max of all three.
[[nodiscard]] secret_buffer encode_identity(identity_message const& message);
[[nodiscard]] std::string encode_message(fetch_message const& message);
[[nodiscard]] std::string encode_message(watch_message const& message);
[[nodiscard]] std::string encode_message(drain_message const& message);
[[nodiscard]] std::string encode_message(ready_message const& message);
[[nodiscard]] std::string encode_message(record_message const& message);
[[nodiscard]] std::string encode_message(fetched_message const& message);
// A batch as messages, none for an empty one.
[[nodiscard]] std::vector<std::string> encode_batch(std::vector<receipt> const& receipts);
[[nodiscard]] std::string encode_message(changed_message const& message);
[[nodiscard]] std::string encode_message(invite_message const& message);
[[nodiscard]] std::string encode_message(reply_message const& message);
[[nodiscard]] std::string encode_message(mark_message const& message);
[[nodiscard]] std::string encode_message(request_message const& message);
[[nodiscard]] std::string encode_message(marked_message const& message);

using message_to_api =
    std::variant<start_message, fetch_message, watch_message, drain_message, receipts_message,
                 invite_message, reply_message, mark_message, identity_message>;
using message_to_keeper = std::variant<ready_message, record_message, fetched_message,
                                       changed_message, request_message, marked_message>;

// errc::corrupt for anything that is not exactly one message of that direction.
[[nodiscard]] result<message_to_api> decode_to_api(std::string_view datagram);
[[nodiscard]] result<message_to_keeper> decode_to_keeper(std::string_view datagram);

}  // namespace tacit::core
