#include "app/cli/json.hpp"

#include <algorithm>
#include <array>
#include <boost/json/monotonic_resource.hpp>
#include <boost/json/parser.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/serializer.hpp>
#include <boost/json/value.hpp>
#include <new>

#include "core/check.hpp"

namespace tacit::app {

namespace {

namespace json = boost::json;

// Takes over when a document outgrows its locked memory: not locked, but wiped.
class wiping_resource : public json::memory_resource {
  void* do_allocate(std::size_t bytes, std::size_t align) override {
    return ::operator new(bytes, std::align_val_t(align));
  }
  void do_deallocate(void* data, std::size_t bytes, std::size_t align) override {
    core::wipe(data, bytes);
    ::operator delete(data, std::align_val_t(align));
  }
  bool do_is_equal(json::memory_resource const& other) const noexcept override {
    return this == &other;
  }
};

constexpr std::size_t arena_bytes_max = 1024 * 1024;
constexpr std::size_t parser_stack_bytes = 16 * 1024;  // it unescapes texts on the stack

}  // namespace

struct json_document::storage {
  explicit storage(std::size_t text_bytes)
      : arena(std::min(arena_bytes_max, 8 * 1024 + 4 * text_bytes)),
        pool(reinterpret_cast<unsigned char*>(arena.reveal_storage().data()), arena.capacity(),
             &overflow) {}

  core::secret_buffer arena;
  wiping_resource overflow;
  json::monotonic_resource pool;
  json::value root;
};

json_document::json_document(std::unique_ptr<storage> held) : storage_(std::move(held)) {}
json_document::json_document(json_document&&) noexcept = default;
json_document& json_document::operator=(json_document&&) noexcept = default;
json_document::~json_document() = default;

std::optional<json_document> json_document::parse(std::string_view text) {
  auto held = std::make_unique<storage>(text.size());
  {
    json::parser parser(json::storage_ptr(&held->pool));
    parser.reset(json::storage_ptr(&held->pool));
    boost::system::error_code ec;
    parser.write(json::string_view(text.data(), text.size()), ec);
    if (ec) return std::nullopt;
    // Constructed, not assigned: an assignment would copy into the default memory.
    held->root.~value();
    new (&held->root) json::value(parser.release());
  }
  core::wipe_stack(parser_stack_bytes);
  return json_document(std::move(held));
}

json_node json_document::root() const noexcept { return json_node(&storage_->root); }

bool json_node::is_object() const noexcept { return value_ != nullptr && value_->is_object(); }
bool json_node::is_text() const noexcept { return value_ != nullptr && value_->is_string(); }

json_node json_node::operator[](std::string_view member) const noexcept {
  if (!is_object()) return {};
  return json_node(value_->get_object().if_contains({member.data(), member.size()}));
}

std::string_view json_node::text() const noexcept {
  if (!is_text()) return {};
  json::string const& text = value_->get_string();
  return {text.data(), text.size()};
}

std::int64_t json_node::number() const noexcept {
  return value_ != nullptr && value_->is_int64() ? value_->get_int64() : 0;
}

bool json_node::truth() const noexcept {
  return value_ != nullptr && value_->is_bool() && value_->get_bool();
}

std::vector<json_node> json_node::items() const {
  std::vector<json_node> all;
  if (value_ == nullptr || !value_->is_array()) return all;
  for (json::value const& item : value_->get_array()) all.emplace_back(&item);
  return all;
}

std::vector<std::pair<std::string_view, json_node>> json_node::members() const {
  std::vector<std::pair<std::string_view, json_node>> all;
  if (!is_object()) return all;
  for (json::key_value_pair const& member : value_->get_object()) {
    all.emplace_back(std::string_view(member.key().data(), member.key().size()),
                     json_node(&member.value()));
  }
  return all;
}

void json_node::serialize(std::function<void(std::string_view)> const& sink) const {
  if (value_ == nullptr) return sink("null");
  json::serializer writer;
  writer.reset(value_);
  core::secret_buffer piece(4096);
  while (!writer.done()) {
    json::string_view const part = writer.read(piece.reveal_storage().data(), piece.capacity());
    sink({part.data(), part.size()});
  }
}

json_body::json_body() : object_(std::make_unique<json::value>(json::object())) {}
json_body::~json_body() = default;

void json_body::add(std::string_view member, std::string_view value) {
  object_->as_object()[json::string_view(member.data(), member.size())] =
      json::string_view(value.data(), value.size());
}

void json_body::add(std::string_view member, std::int64_t value) {
  object_->as_object()[json::string_view(member.data(), member.size())] = value;
}

void json_body::add(std::string_view member, std::vector<std::string> const& values) {
  json::array list;
  for (std::string const& value : values) list.emplace_back(json::string_view(value));
  object_->as_object()[json::string_view(member.data(), member.size())] = std::move(list);
}

std::string json_body::text() const { return json::serialize(*object_); }

namespace {

// The escape of one byte, "" when it needs none.
std::string_view escape_of(char c, std::array<char, 6>& room) {
  if (c == '"') return "\\\"";
  if (c == '\\') return "\\\\";
  if (static_cast<unsigned char>(c) >= 0x20) return {};
  constexpr std::string_view digits = "0123456789abcdef";
  auto const byte = static_cast<unsigned char>(c);
  room = {'\\', 'u', '0', '0', digits[byte >> 4], digits[byte & 15u]};
  return {room.data(), room.size()};
}

}  // namespace

std::size_t json_string_bytes(std::string_view text) noexcept {
  std::array<char, 6> room{};
  std::size_t bytes = 2;
  for (char const c : text) bytes += std::max<std::size_t>(escape_of(c, room).size(), 1);
  return bytes;
}

void append_json_string(core::secret_buffer& out, std::string_view text) {
  std::array<char, 6> room{};
  CHECK(out.append("\""));
  for (char const c : text) {
    std::string_view const escape = escape_of(c, room);
    CHECK(out.append(escape.empty() ? std::string_view(&c, 1) : escape));
  }
  CHECK(out.append("\""));
}

}  // namespace tacit::app
