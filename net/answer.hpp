// Answers as bytes. The only place that knows how an error looks from outside.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/entries.hpp"
#include "core/error.hpp"
#include "core/rate_limiter.hpp"
#include "core/receipt.hpp"
#include "core/store.hpp"
#include "net/json_body.hpp"

namespace tacit::net {

struct rate_report {
  core::rate_state state;
  core::bucket_kind kind = core::bucket_kind::read;
};

// The head of an answer besides its length. Texts are borrowed.
struct answer_head {
  unsigned status = 200;
  bool has_body = true;  // not to HEAD, not with 304
  std::string_view request_id;
  bool keep_alive = true;
  std::optional<rate_report> rate;             // once the API key is known
  std::optional<std::uint64_t> version;        // for the ETag
  std::optional<std::uint64_t> retry_seconds;  // for Retry-After
  std::string_view allowed;                    // for Allow
  bool challenge = false;                      // WWW-Authenticate: Bearer
};

// What an error is outside.
struct error_face {
  unsigned status;
  std::string_view code;
  std::string_view message;
  bool ends_connection;  // where the next request begins is not known
};
[[nodiscard]] error_face face_of(core::errc error) noexcept;

// Appends a whole answer. `date` is an IMF-fixdate (RFC 9110 section 5.6.7).
void append_answer(std::string& out, answer_head const& head, std::string_view date,
                   std::string_view body);

// The head alone, when the body is sent from elsewhere.
void append_answer_head(std::string& out, answer_head const& head, std::string_view date,
                        std::size_t body_bytes);

// Bodies.
void append_error_body(std::string& out, error_face const& face,
                       std::optional<body_problem> const& problem);
void append_secret_list_body(std::string& out, core::secret_list const& list);
void append_secret_body(std::string& out, core::secret_entry const& secret);
void append_removed_body(std::string& out, core::removed const& removed);
void append_success_body(std::string& out);
void append_project_body(std::string& out, core::project_entry const& project);
void append_project_list_body(std::string& out, std::vector<core::project_entry> const& projects);
void append_deliveries_body(std::string& out, core::delivery_report const& report);
void append_api_key_list_body(std::string& out, std::vector<core::api_key_entry> const& keys);
void append_new_api_key_body(std::string& out, core::api_key_entry const& key,
                             std::string_view raw_key);
// Null for the local owner.
void append_self_body(std::string& out, core::api_key_entry const* key);
void append_health_body(std::string& out);

// "Sun, 06 Nov 1994 08:49:37 GMT"
[[nodiscard]] std::string format_http_date(core::timestamp when);

}  // namespace tacit::net
