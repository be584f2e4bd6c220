#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "app/settings/table.hpp"
#include "core/credential_name.hpp"
#include "core/name.hpp"

namespace tacit::app {

namespace {

bool is_port(std::string_view text) {
  unsigned port = 0;
  char const* const end = text.data() + text.size();
  auto const [stop, fault] = std::from_chars(text.data(), end, port);
  return fault == std::errc() && stop == end && port <= 65535;
}

bool is_address(std::string const& text) {
  unsigned char bytes[sizeof(in6_addr)];
  if (text.size() > 2 && text.front() == '[' && text.back() == ']') {
    return inet_pton(AF_INET6, text.substr(1, text.size() - 2).c_str(), bytes) == 1;
  }
  return inet_pton(AF_INET, text.c_str(), bytes) == 1;
}

}  // namespace

std::string listen_fault(std::string const& text) {
  std::size_t const colon = text.rfind(':');
  if (colon != std::string::npos && is_address(text.substr(0, colon)) &&
      is_port(std::string_view(text).substr(colon + 1))) {
    return "";
  }
  return "must be ADDRESS:PORT, as 127.0.0.1:8787 or [::1]:8787 (port 0 takes a free one)";
}

bool is_loopback(std::string const& listen) {
  std::string const host = listen.substr(0, listen.rfind(':'));
  in_addr v4{};
  in6_addr v6{};
  if (inet_pton(AF_INET, host.c_str(), &v4) == 1) return ntohl(v4.s_addr) >> 24 == IN_LOOPBACKNET;
  bool const bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  return bracketed && inet_pton(AF_INET6, host.substr(1, host.size() - 2).c_str(), &v6) == 1 &&
         IN6_IS_ADDR_LOOPBACK(&v6);
}

std::string project_id_fault(std::string const& text) {
  if (core::project_id::parse(text)) return "";
  return "must be a project id: 1 to 64 letters, digits, _ and -, not _ or - first";
}

std::string secret_name_fault(std::string const& text) {
  if (core::secret_name::parse(text)) return "";
  return "must be a name of 1 to 64 capitals, digits and _, a capital first";
}

std::string unit_fault(std::string const& text) {
  constexpr std::array<std::string_view, 2> kinds{".service", ".scope"};
  if (text.size() > core::unit_name_chars_max) {
    return "must be a systemd unit, whose name has " + std::to_string(core::unit_name_chars_max) +
           " characters at most";
  }
  if (!text.empty() && !core::is_unit_name(text)) {
    return "must be a systemd unit, whose name has letters, digits and : - _ . \\ @ only";
  }
  bool const runs_processes = std::any_of(kinds.begin(), kinds.end(), [&](std::string_view kind) {
    return text.size() > kind.size() && text.ends_with(kind);
  });
  bool const is_template = text.find('@') + 1 == text.rfind('.');
  if (runs_processes && is_template) {
    return "is a template, of which no unit runs: state each instance, as worker@1.service";
  }
  if (runs_processes) return "";
  return "must end in .service or .scope, as app.service: processes run in no other kind of "
         "systemd unit, so that another would fit nobody";
}

std::string lone_unit_fault(std::string const& unit) {
  constexpr std::size_t most = core::unit_and_credential_chars_max;
  if (unit.size() < most || unit.ends_with(".scope")) return "";  // no credentials for scopes
  return "has " + std::to_string(unit.size()) + " characters: systemd loads no credential where " +
         "unit and id together have more than " + std::to_string(most) +
         "; state uid or gid as well to let it in on keeper.sock alone";
}

}  // namespace tacit::app
