// Every limit of the program, with its unit in its name. A limit at a call site gets lost.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tacit::core::limits {

// Names and values (the contract).
inline constexpr std::size_t name_chars_max = 64;  // project ids, API key ids, secret names
inline constexpr std::size_t value_chars_max = 4096;
inline constexpr std::size_t utf8_bytes_per_char_max = 4;
inline constexpr std::size_t value_bytes_max = value_chars_max * utf8_bytes_per_char_max;
inline constexpr std::size_t label_chars = 4;
inline constexpr std::size_t label_bytes_max = label_chars * utf8_bytes_per_char_max;
inline constexpr std::size_t display_name_chars_max = 128;  // names of projects and API keys
inline constexpr std::size_t display_name_bytes_max =
    display_name_chars_max * utf8_bytes_per_char_max;

// Defaults of settings (conf/tacit.toml states them).
inline constexpr std::uint32_t secrets_per_project_default = 25;
inline constexpr std::uint32_t secrets_per_project_max = 100'000;
inline constexpr std::uint32_t last_four_min_length_default = 8;
inline constexpr std::uint32_t last_four_min_length_min = 5;
inline constexpr std::uint32_t reads_per_minute_default = 120;
inline constexpr std::uint32_t writes_per_minute_default = 30;
inline constexpr std::uint32_t requests_per_minute_max = 1'000'000'000;

// HTTP.
inline constexpr std::size_t head_bytes_max = 8 * 1024;
inline constexpr std::size_t target_bytes_max = 1024;
inline constexpr std::size_t fields_max = 64;
inline constexpr std::size_t body_bytes_max = 64 * 1024;
inline constexpr std::size_t request_id_bytes_max = 128;
inline constexpr unsigned head_seconds_max = 10;
inline constexpr unsigned body_seconds_max = 10;
inline constexpr unsigned idle_seconds_max = 60;
inline constexpr std::size_t connections_max = 10'000;
inline constexpr std::uint32_t local_connections_max = 128;  // on api.sock, besides

// API keys: each has a slot of the rate limiter.
inline constexpr std::size_t api_keys_max = 4096;
inline constexpr std::size_t projects_per_api_key_max = 256;
inline constexpr std::size_t address_buckets = 4096;  // failed authentication, by address hash
inline constexpr std::uint32_t failed_auth_per_minute = 60;

// An intake key seals at most this many values, for at most this long (DESIGN: a captured api
// process gives up at most the last second).
inline constexpr std::uint32_t intake_uses_max = 4096;
inline constexpr std::int64_t intake_milliseconds_max = 1000;

// Receipts of deliveries: what waits, in the keeper and again in the api; what is stored of a
// project; what one answer lists.
inline constexpr std::size_t consumer_text_bytes_max = 255;
inline constexpr std::size_t receipts_waiting_max = 1024;
inline constexpr std::size_t receipt_secrets_waiting_max = 128 * 1024;
inline constexpr std::size_t consumers_per_project_max = 1000;
inline constexpr std::size_t delivery_lines_max = 5'000;

// The commit thread.
inline constexpr std::size_t commit_queue_changes_max = 16'384;
inline constexpr std::size_t commit_group_changes_max = 1024;
inline constexpr std::size_t commit_group_bytes_max = 4 * 1024 * 1024;
// Below this much free space, or so few free inodes, writes are refused.
inline constexpr std::uint64_t storage_reserve_bytes = 64ull * 1024 * 1024;
inline constexpr std::uint64_t storage_reserve_files = 64;

// A cached delivery: how long it may be used unless --cache-max-age says otherwise, and how far a
// clock may have been set back since it was kept.
inline constexpr std::int64_t cache_age_milliseconds_default = 24ll * 3600 * 1000;
inline constexpr std::uint64_t cache_skew_milliseconds_max = 2ull * 60 * 1000;

// How long run and env ask again when nobody answers, unless --wait says otherwise. A service that
// fails after 5 s or more does not reach systemd's limit of five starts in 10 s.
inline constexpr std::int64_t wait_milliseconds_default = 5000;

// Delivery: a request with ?wait= is held this long at most.
inline constexpr unsigned wait_seconds_max = 300;
// What the keeper remembers of what it delivered, to notice older records: 8 bytes each.
inline constexpr std::size_t delivered_records_max = 262'144;
inline constexpr std::size_t replaced_records_max = 65'536;

// Runtimes on other machines: how many are enrolled, and for how long at most.
inline constexpr std::size_t enrolments_max = 1024;
inline constexpr std::int64_t enrolment_milliseconds_default = 365ll * 24 * 3600 * 1000;
inline constexpr std::int64_t enrolment_milliseconds_max = 10 * enrolment_milliseconds_default;
// What the keeper has in hand of their requests, sent but not answered; how many of those may wait
// for a change; of one enrolment; and how long. A proxy on the way, or the client, gives up later.
inline constexpr std::size_t remote_requests_max = 1024;
inline constexpr std::size_t remote_requests_per_address_max = 256;  // that wait to be handed over
inline constexpr std::size_t remote_waits_max = 768;
inline constexpr std::size_t remote_requests_per_runtime_max = 16;
inline constexpr unsigned remote_wait_seconds_max = 20;
// One request, and the set that answers it.
inline constexpr std::size_t remote_request_bytes_max = 256;
inline constexpr std::size_t remote_answer_bytes_max = 8 * 1024 * 1024;
inline constexpr std::size_t remote_chunk_bytes = 16 * 1024;
// A handshake waits so long for the request that it is for.
inline constexpr std::uint64_t handshake_milliseconds_max = 20'000;
inline constexpr std::size_t handshakes_max = 1024;
inline constexpr std::size_t handshakes_per_runtime_max = 16;
// Handshakes cost the keeper some 0.2 ms each: so many at once, and so many a second.
inline constexpr std::uint32_t handshakes_per_second_max = 1000;
inline constexpr std::uint32_t handshakes_per_runtime_per_second_max = 50;  // of one enrolled key
inline constexpr std::uint32_t strangers_per_second_max = 50;  // with keys that are not enrolled

// One message on the socket pair between api and keeper: the largest is one sealed value.
inline constexpr std::size_t channel_message_bytes_max = 32 * 1024;

// Certificate, key and client CA for TLS, together, as PEM: one such message. A chain of four is
// about 8 KB.
inline constexpr std::size_t identity_bytes_max = 31 * 1024;

static_assert(value_bytes_max * 3 <= body_bytes_max, "4096 emoji as escapes take 12 bytes each");
static_assert(channel_message_bytes_max > value_bytes_max + 1024);
static_assert(channel_message_bytes_max >= identity_bytes_max + 7);
static_assert(last_four_min_length_min > label_chars);
static_assert(receipt_secrets_waiting_max >= secrets_per_project_max, "one receipt always fits");
static_assert(consumer_text_bytes_max <= 0xFF, "short texts in rows and messages");
static_assert(remote_waits_max < remote_requests_max, "who waits keeps nobody out");
static_assert(remote_chunk_bytes + 64 <= channel_message_bytes_max, "a chunk is a message");
static_assert(enrolments_max <= 0xFFFF);

}  // namespace tacit::core::limits
