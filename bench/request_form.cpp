#include <array>
#include <charconv>

#include "bench/work.hpp"

namespace tacit::bench {

request_form::request_form(std::string_view host, std::string_view prefix, std::string_view token)
    : projects_(std::string(prefix) + "/projects") {
  fields_ = " HTTP/1.1\r\nHost: " + std::string(host) + "\r\n";
  if (!token.empty()) fields_ += "Authorization: Bearer " + std::string(token) + "\r\n";
  get_ = "GET " + projects_ + "/";
  post_ = "POST " + projects_ + "/";
  delete_ = "DELETE " + projects_ + "/";
}

void request_form::get_list(std::string& out, std::string_view project) const {
  out.append(get_).append(project).append("/secrets").append(fields_).append("\r\n");
}

void request_form::get_values(std::string& out, std::string_view project) const {
  out.append(get_).append(project).append("/env").append(fields_).append("\r\n");
}

void request_form::post(std::string& out, std::string_view body) const {
  std::array<char, 20> digits;
  auto const end = std::to_chars(digits.data(), digits.data() + digits.size(), body.size()).ptr;
  out.append(fields_).append("Content-Type: application/json\r\nContent-Length: ");
  out.append(digits.data(), end).append("\r\n\r\n").append(body);
}

void request_form::post_secret(std::string& out, std::string_view project,
                               std::string_view body) const {
  out.append(post_).append(project).append("/secrets");
  post(out, body);
}

void request_form::delete_secret(std::string& out, std::string_view project,
                                 std::string_view key) const {
  out.append(delete_).append(project).append("/secrets/").append(key);
  out.append(fields_).append("\r\n");
}

void request_form::post_project(std::string& out, std::string_view body) const {
  out.append("POST ").append(projects_);
  post(out, body);
}

void request_form::delete_project(std::string& out, std::string_view project) const {
  out.append(delete_).append(project).append(fields_).append("\r\n");
}

}  // namespace tacit::bench
