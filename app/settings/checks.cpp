#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "app/settings/table.hpp"
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

bool is_in_a_unit_name(char c) {
  constexpr std::string_view others = ":-_.\\@";
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
         others.find(c) != others.npos;
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

std::string project_id_fault(std::string const& text) {
  if (core::project_id::parse(text)) return "";
  return "must be a project id: 1 to 64 letters, digits, _ and -, not _ or - first";
}

std::string secret_name_fault(std::string const& text) {
  if (core::secret_name::parse(text)) return "";
  return "must be a name of 1 to 64 capitals, digits and _, a capital first";
}

std::string unit_fault(std::string const& text) {
  constexpr std::size_t unit_bytes_max = 255;  // systemd's
  constexpr std::array<std::string_view, 2> kinds{".service", ".scope"};
  if (text.size() > unit_bytes_max) {
    return "must be a systemd unit, whose name has " + std::to_string(unit_bytes_max) +
           " characters at most";
  }
  if (!std::all_of(text.begin(), text.end(), is_in_a_unit_name)) {
    return "must be a systemd unit, whose name has letters, digits and : - _ . \\ @ only";
  }
  bool const runs_processes = std::any_of(kinds.begin(), kinds.end(), [&](std::string_view kind) {
    return text.size() > kind.size() && text.ends_with(kind);
  });
  if (runs_processes) return "";
  return "must end in .service or .scope, as app.service: processes run in no other kind of "
         "systemd unit, so that another would fit nobody";
}

}  // namespace tacit::app
