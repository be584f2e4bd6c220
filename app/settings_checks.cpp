#include <arpa/inet.h>

#include <charconv>

#include "app/settings_table.hpp"
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

std::string project_id_fault(std::string const& text) {
  if (core::project_id::parse(text)) return "";
  return "must be a project id: 1 to 64 letters, digits, _ and -, not _ or - first";
}

std::string secret_name_fault(std::string const& text) {
  if (core::secret_name::parse(text)) return "";
  return "must be a name of 1 to 64 capitals, digits and _, a capital first";
}

}  // namespace tacit::app
