#include "app/cli/api.hpp"

#include <algorithm>

#include "app/cli/error.hpp"
#include "core/name.hpp"

namespace tacit::app {

namespace {

std::string variable(surroundings const& around, std::string_view name) {
  auto const found = around.variables.find(name);
  return found == around.variables.end() ? std::string() : found->second;
}

[[noreturn]] void refuse_url(std::string const& named, std::string const& fault) {
  throw cli_error(exit_failed,
                  named + " " + fault + "; give it as https://HOST:PORT or http://HOST:PORT");
}

net::tls_trust trust_of(surroundings const& around) {
  return {variable(around, "TACIT_CA_FILE"), variable(around, "TACIT_CLIENT_CERTIFICATE"),
          variable(around, "TACIT_CLIENT_KEY")};
}

std::vector<refused_field> read_details(json_node error) {
  std::vector<refused_field> details;
  for (json_node const one : error["details"].items()) {
    details.push_back({std::string(one["field"].text()), std::string(one["issue"].text())});
  }
  return details;
}

}  // namespace

// SCHEME://HOST[:PORT][/PATH], HOST a name, an IPv4 address or an [IPv6 address].
api_address parse_server_url(std::string_view url, std::string const& named,
                             surroundings const& around) {
  bool const with_tls = url.starts_with("https://");
  if (!with_tls && !url.starts_with("http://")) {
    refuse_url(named, "does not begin with https:// or http://");
  }
  std::string_view rest = url.substr(url.find("://") + 3);
  std::string_view authority = rest.substr(0, rest.find('/'));
  std::string_view path = rest.substr(authority.size());
  while (path.ends_with('/')) path.remove_suffix(1);
  if (std::any_of(url.begin(), url.end(), [](char c) { return c <= ' ' || c > '~'; }) ||
      url.find_first_of("?#@") != url.npos) {
    refuse_url(named, "holds what a base address does not have (a space, ?, # or @)");
  }
  std::size_t const bracket = authority.find(']');
  std::size_t const colon = authority.find(':', bracket == authority.npos ? 0 : bracket);
  std::string_view host = authority.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  if (host.empty()) refuse_url(named, "names no host");
  std::string_view const port =
      colon == authority.npos ? (with_tls ? "443" : "80") : authority.substr(colon + 1);
  bool const digits =
      std::all_of(port.begin(), port.end(), [](char c) { return c >= '0' && c <= '9'; });
  if (port.empty() || port.size() > 5 || !digits) refuse_url(named, "has a port that is no number");
  constexpr std::string_view base = "/api/v1";
  net::tcp_endpoint endpoint{std::string(host), std::string(port)};
  if (with_tls) endpoint.tls = trust_of(around);
  return {std::move(endpoint), std::string(url),
          std::string(path) + std::string(path.ends_with(base) ? "" : base), ""};
}

api_address find_api(api_flags const& flags, surroundings const& around) {
  std::string const url = variable(around, "TACIT_URL");
  std::string token = variable(around, "TACIT_TOKEN");
  if (flags.data_dir || (url.empty() && token.empty())) {
    std::string const path = find_data_dir(flags.data_dir, around) + "/store/api.sock";
    return {net::unix_endpoint{path}, path, "/api/v1", ""};
  }
  if (token.empty()) {
    throw cli_error(exit_failed,
                    "TACIT_URL is set, but TACIT_TOKEN is not: export an API key in "
                    "it, or unset TACIT_URL to use the server of this machine");
  }
  if (url.empty()) {
    throw cli_error(exit_failed,
                    "TACIT_TOKEN is set, but TACIT_URL is not: set it to the "
                    "server's address, or unset TACIT_TOKEN to use the server of "
                    "this machine");
  }
  if (std::any_of(token.begin(), token.end(), [](char c) { return c <= ' ' || c > '~'; })) {
    throw cli_error(exit_failed,
                    "TACIT_TOKEN holds a space, a newline or another character that "
                    "no API key has");
  }
  api_address address = parse_server_url(url, "TACIT_URL", around);
  address.token = std::move(token);
  return address;
}

json_document ask_api(api_flags const& flags, api_question const& question) {
  api_address address = find_api(flags, read_surroundings());
  std::string const target = address.prefix + question.target;
  net::client_result const answer =
      net::exchange(address.endpoint, {question.method, target, address.token, question.body});
  core::wipe(address.token);
  if (!answer) {
    throw cli_error(exit_failed, explain_failure(answer.error(), address, question));
  }
  bool const success = answer->status >= 200 && answer->status < 300;
  std::optional<json_document> document = json_document::parse(answer->body.reveal());
  if (document && success && document->root().is_object()) return *std::move(document);
  json_node const error = document ? document->root()["error"] : json_node();
  if (success || error["code"].text().empty()) {
    throw cli_error(exit_failed, "unexpected answer (status " + std::to_string(answer->status) +
                                     ") from " + address.shown + ": is that a tacit server?");
  }
  bool const local = std::holds_alternative<net::unix_endpoint>(address.endpoint);
  throw cli_error(exit_failed,
                  explain_refusal({answer->status, std::string(error["code"].text()),
                                   std::string(error["message"].text()), answer->request_id,
                                   answer->retry_after, local, address.shown, read_details(error)},
                                  question));
}

std::string encode_path_part(std::string_view text) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  std::string encoded;
  for (char const c : text) {
    auto const byte = static_cast<unsigned char>(c);
    bool const plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                       std::string_view("-._~").find(c) != text.npos;
    if (plain) {
      encoded += c;
    } else {
      encoded += {'%', digits[byte >> 4], digits[byte & 15u]};
    }
  }
  return encoded;
}

void require_project_id(std::string const& text) {
  if (core::project_id::parse(text)) return;
  throw cli_error(exit_wrong_usage,
                  "a project id is 1 to 64 letters, digits, _ and -, not _ or - first; "
                  "see yours with: tacit project list");
}

void require_secret_name(std::string const& text) {
  if (core::secret_name::parse(text)) return;
  throw cli_error(exit_wrong_usage,
                  "the name of a secret is 1 to 64 capitals, digits and _, a capital first, "
                  "as DATABASE_URL");
}

}  // namespace tacit::app
