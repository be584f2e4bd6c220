// JSON for the command line. The only file of app that includes Boost.JSON is cli/json.cpp: it is
// slow to compile. Answers can hold values, so that documents live in wiped memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/secret.hpp"

namespace boost::json {
class value;
}

namespace tacit::app {

// Looks at a value inside a document, which must live longer. A node of what is not there is empty;
// everything asked of it, or of another type, is empty too.
class json_node {
 public:
  json_node() = default;
  explicit json_node(boost::json::value const* value) : value_(value) {}

  [[nodiscard]] bool is_object() const noexcept;
  [[nodiscard]] bool is_text() const noexcept;
  [[nodiscard]] json_node operator[](std::string_view member) const noexcept;
  [[nodiscard]] std::string_view text() const noexcept;
  [[nodiscard]] std::int64_t number() const noexcept;
  [[nodiscard]] bool truth() const noexcept;
  [[nodiscard]] std::vector<json_node> items() const;
  [[nodiscard]] std::vector<std::pair<std::string_view, json_node>> members() const;

  // Gives the JSON text piece by piece; the pieces are wiped.
  void serialize(std::function<void(std::string_view)> const& sink) const;

 private:
  boost::json::value const* value_ = nullptr;
};

class json_document {
 public:
  // Nothing when the text is not JSON.
  [[nodiscard]] static std::optional<json_document> parse(std::string_view text);

  json_document(json_document&&) noexcept;
  json_document& operator=(json_document&&) noexcept;
  ~json_document();

  [[nodiscard]] json_node root() const noexcept;

 private:
  struct storage;
  explicit json_document(std::unique_ptr<storage> held);
  std::unique_ptr<storage> storage_;
};

// The body of a request that holds no secret.
class json_body {
 public:
  json_body();
  json_body(json_body const&) = delete;
  json_body& operator=(json_body const&) = delete;
  ~json_body();

  void add(std::string_view member, std::string_view value);
  void add(std::string_view member, std::int64_t value);
  void add(std::string_view member, std::vector<std::string> const& values);
  [[nodiscard]] std::string text() const;

 private:
  std::unique_ptr<boost::json::value> object_;
};

// Appends a JSON string with its quotes: `"` and `\` and control characters as escapes, all other
// bytes as they are (the text must be UTF-8). json_string_bytes() says how much room it takes; the
// buffer must have it.
[[nodiscard]] std::size_t json_string_bytes(std::string_view text) noexcept;
void append_json_string(core::secret_buffer& out, std::string_view text);

}  // namespace tacit::app
