#include <netdb.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "app/cli/api.hpp"
#include "app/cli/output.hpp"
#include "core/limits.hpp"

namespace tacit::app {

namespace {

bool is_write(api_question const& question) { return question.method != "GET"; }

// A write without an answer may have happened.
std::string unknown_outcome(api_question const& question) {
  if (!is_write(question)) return "";
  return "; whether the change was made is unknown: list, then repeat it when it is missing";
}

std::string unauthorized(api_refusal const& refusal) {
  if (refusal.local) {
    return "the server did not take this user as its owner: run the command as the user that "
           "started tacit or as root, or set TACIT_URL and TACIT_TOKEN";
  }
  return "the API key in TACIT_TOKEN was not accepted (unknown, revoked, expired or mistyped); "
         "make one with: tacit key create NAME";
}

// A URL with a wrong path is answered as what is absent, so that the message names it.
std::string not_found(api_question const& question, api_refusal const& refusal) {
  std::string const where = refusal.local ? "" : " at " + refusal.at;
  if (question.target.starts_with("/api-keys/")) {
    return "no API key has the id " + question.name + where +
           "; see what there is with: tacit key list";
  }
  if (question.target == "/projects" || question.target == "/api-keys") {
    return "there is no tacit API at " + refusal.at +
           (refusal.local ? "" : "; TACIT_URL is the server's address, as https://HOST:PORT");
  }
  return "no project " + question.project + where +
         (refusal.local ? "" : ", or the API key may not see it") +
         "; see what there is with: tacit project list";
}

// What to do about a field, "" when the issue says all.
std::string next_step(std::string const& field, api_question const& question,
                      api_refusal const& refusal) {
  if (field == "projects") return "see: tacit project list";
  if (field == "secretLimit") return "give another one with --limit";
  if (field == "expiresAt") return "give another one with --expires";
  if (field == "id" && question.target.starts_with("/api-keys/")) {
    return "revoke it with another API key, or on the server's machine without TACIT_URL and "
           "TACIT_TOKEN";
  }
  if (field == "name" && refusal.code == "CONFLICT") {
    return "revoke one that is not used, see: tacit key list";
  }
  return "";
}

// "FIELD ISSUE" of all that is wrong, then what to do; "" when the server told no details.
std::string refused_fields(api_question const& question, api_refusal const& refusal) {
  std::string line;
  std::vector<std::string> steps;
  for (refused_field const& one : refusal.details) {
    if (one.field.empty() && one.issue.empty()) continue;
    line += (line.empty() ? "" : "; ") + shown(one.field) + " " + shown(one.issue);
    std::string const step = next_step(one.field, question, refusal);
    bool const is_new = std::find(steps.begin(), steps.end(), step) == steps.end();
    if (!step.empty() && is_new) steps.push_back(step);
  }
  for (std::string const& step : steps) line += "; " + step;
  return line;
}

std::string conflict(api_question const& question, api_refusal const& refusal) {
  if (question.target == "/projects" && !question.project.empty()) {
    return "the project id " + question.project + " is taken; give another one with --id";
  }
  std::string const fields = refused_fields(question, refusal);
  if (!fields.empty()) return "the server refused: " + fields;
  if (question.target == "/api-keys") {
    return "the server holds as many API keys as it can; " + next_step("name", question, refusal);
  }
  return "the server refused: " + shown(refusal.message);
}

std::string forbidden(api_refusal const& refusal) {
  if (refusal.local) {
    return "only the user that started tacit and root may do that over the socket";
  }
  return "the API key in TACIT_TOKEN lacks the permission for that; an admin makes one that "
         "has it with: tacit key create NAME (--admin for projects and API keys)";
}

std::string with_request_id(std::string line, api_refusal const& refusal) {
  if (!refusal.request_id.empty()) line += " (request " + shown(refusal.request_id) + ")";
  return line;
}

std::string try_again(api_refusal const& refusal) {
  return refusal.retry_after.empty() ? "try again later"
                                     : "try again in " + shown(refusal.retry_after) + " s";
}

std::string unreachable_socket(net::client_failure const& failure, api_address const& address) {
  std::string const path = address.shown;
  std::string const data = path.substr(0, path.size() - std::strlen("/store/api.sock"));
  if (failure.reason == EACCES || failure.reason == EPERM) {
    return "no permission to reach " + path +
           ": run the command as the user that started tacit "
           "or as root, or set TACIT_URL and TACIT_TOKEN";
  }
  std::string const fault = failure.reason == ENOENT ? "there is no " : "nobody answers at ";
  return fault + path + ": is the server running, with the folder " + data +
         "? Start it with: tacit serve --data " + data +
         ", or name its folder with --data DIR or TACIT_DATA_DIR (a data_dir set in a settings "
         "file must be given so too), or set TACIT_URL and TACIT_TOKEN";
}

net::tls_trust const& trust_of(api_address const& address) {
  static net::tls_trust const none;
  auto const* const remote = std::get_if<net::tcp_endpoint>(&address.endpoint);
  return remote != nullptr && remote->tls ? *remote->tls : none;
}

std::string explain_distrust(net::distrust why, api_address const& address) {
  std::string const who = "the certificate of " + address.shown + " ";
  std::string const unsent = "; nothing was sent";
  switch (why) {
    case net::distrust::expired:
      return who + "has expired: renew it there, or set this machine's clock" + unsent;
    case net::distrust::not_yet_valid:
      return who + "is not valid yet: is this machine's clock right?" + unsent;
    case net::distrust::another_host:
      return who + "is for another host: use the name in TACIT_URL that it is made for" + unsent;
    case net::distrust::unknown_authority:
      return who + "is of an authority that " +
             (trust_of(address).ca_file.empty() ? "this machine" : trust_of(address).ca_file) +
             " does not know: name its certificate with TACIT_CA_FILE" + unsent;
    case net::distrust::none:
    case net::distrust::other:
      break;
  }
  return who + "is not good (look at it with: openssl s_client)" + unsent;
}

std::string explain_tls(net::client_failure const& failure, api_address const& address) {
  net::tls_trust const& trust = trust_of(address);
  std::string const in_pem = " in PEM, that this user can read";
  switch (failure.fault) {
    case net::client_fault::bad_ca_file:
      return "TACIT_CA_FILE: " + trust.ca_file + " is no file with certificates" + in_pem;
    case net::client_fault::bad_certificate_file:
      return "TACIT_CLIENT_CERTIFICATE: " + trust.certificate_file +
             " is no file with a certificate" + in_pem;
    case net::client_fault::bad_key_file:
      return "TACIT_CLIENT_KEY: " +
             (trust.key_file.empty() ? trust.certificate_file : trust.key_file) +
             " is no file with the key of TACIT_CLIENT_CERTIFICATE, without a passphrase," + in_pem;
    case net::client_fault::untrusted:
      return explain_distrust(static_cast<net::distrust>(failure.reason), address);
    default:
      break;
  }
  std::string const words = failure.detail.empty() ? "it closed" : std::string(failure.detail);
  if (words.find("alert") == words.npos) {
    return "what answers at " + address.shown + " does not speak TLS (" + words +
           "): does it want http://?";
  }
  return address.shown + " refused the TLS connection (" + words +
         "): does it want a certificate? Give one with TACIT_CLIENT_CERTIFICATE and "
         "TACIT_CLIENT_KEY";
}

}  // namespace

std::string explain_refusal(api_refusal const& refusal, api_question const& question) {
  if (refusal.status == 401) return unauthorized(refusal);
  if (refusal.status == 403) return forbidden(refusal);
  if (refusal.status == 404) return not_found(question, refusal);
  if (refusal.code == "SECRET_LIMIT_EXCEEDED") {
    return "project " + question.project + " is full, " + question.name +
           " was not stored; "
           "remove one that is not used with: tacit secret rm NAME --project " +
           question.project;
  }
  if (refusal.code == "CONFLICT") return conflict(question, refusal);
  if (refusal.status == 429) return "too many requests; " + try_again(refusal);
  if (refusal.status == 507) {
    return "the server's disk is full (it keeps " +
           std::to_string(core::limits::storage_reserve_bytes / 1024 / 1024) +
           " MB free); make room there" + unknown_outcome(question);
  }
  if (refusal.status == 503) {
    return "the server cannot do that now; " + try_again(refusal) + unknown_outcome(question);
  }
  if (refusal.status >= 500) {
    return with_request_id("the server failed; its log says why", refusal) +
           unknown_outcome(question);
  }
  std::string const fields = refused_fields(question, refusal);
  if (!fields.empty()) return "the server refused: " + fields;
  return with_request_id("the server refused: " + shown(refusal.message), refusal);
}

std::string explain_failure(net::client_failure const& failure, api_address const& address,
                            api_question const& question) {
  bool const local = std::holds_alternative<net::unix_endpoint>(address.endpoint);
  switch (failure.fault) {
    case net::client_fault::path_too_long:
      return "the path " + address.shown +
             " is too long for a socket (107 bytes at most): "
             "give the server a folder with a shorter one";
    case net::client_fault::stranger:
      return "another user than the folder's owner listens on " + address.shown +
             ": nothing was sent; see who put it there";
    case net::client_fault::no_such_host:
      return "cannot find the host of " + address.shown + ": " + gai_strerror(failure.reason);
    case net::client_fault::cannot_connect:
      if (local) return unreachable_socket(failure, address);
      return "cannot connect to " + address.shown + ": " + std::strerror(failure.reason) +
             "; is the server running there?";
    case net::client_fault::timed_out:
      return "no answer from " + address.shown + " in " +
             std::to_string(net::client_timeout_seconds) + " s" + unknown_outcome(question);
    case net::client_fault::connection_lost:
      return "the connection to " + address.shown + " broke" + unknown_outcome(question);
    case net::client_fault::not_http:
      return "what answers at " + address.shown + " does not speak HTTP: is that a tacit server?";
    case net::client_fault::too_large:
      return "the answer of " + address.shown + " is larger than this tacit takes";
    case net::client_fault::bad_ca_file:
    case net::client_fault::bad_certificate_file:
    case net::client_fault::bad_key_file:
    case net::client_fault::untrusted:
    case net::client_fault::no_handshake:
      return explain_tls(failure, address);
  }
  return "cannot ask " + address.shown;
}

}  // namespace tacit::app
