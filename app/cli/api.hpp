// Asks the HTTP API: over TCP (https: with TLS) with TACIT_URL and TACIT_TOKEN, else over the
// server's api.sock, where the kernel says who asks. --data means the socket, whatever the
// environment says.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "app/cli/json.hpp"
#include "app/settings/settings.hpp"
#include "net/client.hpp"

namespace tacit::app {

// Flags that every command of the API has.
struct api_flags {
  std::optional<std::string> data_dir;
  bool json = false;
};

struct api_address {
  net::client_endpoint endpoint;
  std::string shown;   // the URL or the socket's path, for messages
  std::string prefix;  // of every target, "/api/v1" at its end
  std::string token;   // "" over the socket
};

// Throws cli_error (one of the two variables alone, a URL that we do not take) and startup_error.
[[nodiscard]] api_address find_api(api_flags const& flags, surroundings const& around);

// The same of a URL alone, without a token; `named` is what the URL was given as, for messages.
// Throws cli_error.
[[nodiscard]] api_address parse_server_url(std::string_view url, std::string const& named,
                                           surroundings const& around);

// What a command asks. project and name are for messages only, "" when there is none.
struct api_question {
  std::string_view method;
  std::string target;  // below /api/v1
  std::string_view body;
  std::string project;
  std::string name;
};

// One of error.details: what is wrong with a field of the request.
struct refused_field {
  std::string field;
  std::string issue;
};

// An answer that is not 2xx, as explain_refusal() needs it.
struct api_refusal {
  unsigned status = 0;
  std::string code;
  std::string message;
  std::string request_id;
  std::string retry_after;
  bool local = false;  // over the socket
  std::string at{};    // the URL or the socket's path
  std::vector<refused_field> details{};
};

// One line: what is wrong, and the next step.
[[nodiscard]] std::string explain_refusal(api_refusal const& refusal, api_question const& question);
[[nodiscard]] std::string explain_failure(net::client_failure const& failure,
                                          api_address const& address, api_question const& question);

// The whole document of a 2xx answer; its root has "data". Throws cli_error for all else.
[[nodiscard]] json_document ask_api(api_flags const& flags, api_question const& question);

// Everything but letters, digits, '-', '.', '_' and '~' as %XX.
[[nodiscard]] std::string encode_path_part(std::string_view text);

// Throw cli_error (wrong usage) when the text cannot be one; the text is not in the message, as it
// may be a value that was put in the wrong place.
void require_project_id(std::string const& text);
void require_secret_name(std::string const& text);

}  // namespace tacit::app
