#include "net/json_body.hpp"

#include <boost/json/basic_parser_impl.hpp>

namespace tacit::net {

namespace {

namespace json = boost::json;
using json::error_code;

constexpr std::size_t member_name_bytes_max = 32;
// Boost.JSON unescapes texts in a buffer on its stack.
constexpr std::size_t parser_stack_bytes = 16 * 1024;

// The calls of boost::json::basic_parser, see its documentation. A call that returns false ends the
// parse; problem says why.
class object_reader {
 public:
  static constexpr std::size_t max_object_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_array_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_key_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_string_size = static_cast<std::size_t>(-1);

  object_reader(std::span<body_member> members, std::size_t text_bytes_max)
      : members_(members), text_bytes_max_(text_bytes_max) {
    name_.reserve(member_name_bytes_max);  // it never moves
  }
  ~object_reader() { core::wipe(name_.data(), name_.capacity()); }
  object_reader(object_reader const&) = delete;
  object_reader& operator=(object_reader const&) = delete;

  std::optional<body_problem> problem;

  bool on_document_begin(error_code&) { return true; }
  bool on_document_end(error_code&) { return true; }

  bool on_object_begin(error_code& ec) {
    if (in_object_) return wrong_type(ec);
    in_object_ = true;
    return true;
  }
  bool on_object_end(std::size_t, error_code&) { return true; }

  bool on_array_begin(error_code& ec) {
    if (!in_object_) return refuse(ec, "body", "must be a JSON object");
    auto* const target = target_of<text_or_list*>();
    if (target == nullptr || in_array_) return wrong_type(ec);
    in_array_ = true;
    return true;
  }
  bool on_array_end(std::size_t, error_code&) {
    in_array_ = false;
    return true;
  }

  bool on_key_part(json::string_view part, std::size_t, error_code& ec) {
    if (name_.size() + part.size() > member_name_bytes_max) return unknown_member(ec);
    name_.append(part.data(), part.size());
    return true;
  }
  bool on_key(json::string_view part, std::size_t n, error_code& ec) {
    if (!on_key_part(part, n, ec)) return false;
    current_ = nullptr;
    for (body_member& member : members_) {
      if (member.name == name_) current_ = &member;
    }
    name_.clear();
    if (current_ == nullptr) return unknown_member(ec);
    if (current_->seen) return refuse(ec, current_->name, "must not be given twice");
    current_->seen = true;
    return true;
  }

  bool on_string_part(json::string_view part, std::size_t, error_code& ec) {
    if (!in_object_) return refuse(ec, "body", "must be a JSON object");
    std::string_view const text(part.data(), part.size());
    if (auto* const secret = target_of<core::secret_buffer*>()) {
      return (*secret)->append(text) || refuse(ec, current_->name, "is too long");
    }
    std::string* target = nullptr;
    if (auto* const plain = target_of<std::string*>()) target = *plain;
    if (auto* const either = target_of<text_or_list*>()) target = &text_of(**either);
    if (target == nullptr) return wrong_type(ec);
    if (target->size() + text.size() > text_bytes_max_) {
      return refuse(ec, current_->name, "is too long");
    }
    target->append(text);
    return true;
  }
  bool on_string(json::string_view part, std::size_t n, error_code& ec) {
    if (!on_string_part(part, n, ec)) return false;
    new_item_ = true;
    auto* const either = target_of<text_or_list*>();
    if (in_array_ && (*either)->list.size() > list_items_max) {
      return refuse(ec, current_->name, "has too many items");
    }
    return true;
  }

  bool on_number_part(json::string_view, error_code&) { return true; }
  bool on_int64(std::int64_t number, json::string_view text, error_code& ec) {
    if (number < 0) return wrong_type(ec);
    return on_uint64(static_cast<std::uint64_t>(number), text, ec);
  }
  bool on_uint64(std::uint64_t number, json::string_view, error_code& ec) {
    auto* const target = target_of<std::uint64_t*>();
    if (target == nullptr) return wrong_type(ec);
    **target = number;
    return true;
  }
  bool on_double(double, json::string_view, error_code& ec) { return wrong_type(ec); }
  bool on_bool(bool, error_code& ec) { return wrong_type(ec); }
  bool on_null(error_code& ec) { return wrong_type(ec); }
  bool on_comment_part(json::string_view, error_code&) { return true; }
  bool on_comment(json::string_view, error_code&) { return true; }

 private:
  template <typename Target>
  Target* target_of() {
    return current_ == nullptr ? nullptr : std::get_if<Target>(&current_->into);
  }

  std::string& text_of(text_or_list& either) {
    if (!in_array_) {
      if (!either.text) either.text.emplace();
      return *either.text;
    }
    if (new_item_) either.list.emplace_back();
    new_item_ = false;
    return either.list.back();
  }

  bool refuse(error_code& ec, std::string_view field, std::string_view issue) {
    problem = body_problem{field, issue};
    ec = json::error::syntax;
    return false;
  }
  bool unknown_member(error_code& ec) { return refuse(ec, "body", "has an unknown member"); }
  bool wrong_type(error_code& ec) {
    if (current_ == nullptr) return refuse(ec, "body", "must be a JSON object");
    return refuse(ec, current_->name, "has the wrong type");
  }

  std::span<body_member> members_;
  std::size_t text_bytes_max_;
  std::string name_;
  body_member* current_ = nullptr;
  bool in_object_ = false;
  bool in_array_ = false;
  bool new_item_ = true;
};

}  // namespace

std::optional<body_problem> read_json_body(std::string_view body, std::span<body_member> members,
                                           std::size_t text_bytes_max) {
  json::parse_options options;
  options.max_depth = 3;
  json::basic_parser<object_reader> parser(options, members, text_bytes_max);
  error_code error;
  std::size_t const read = parser.write_some(false, body.data(), body.size(), error);
  core::wipe_stack(parser_stack_bytes);
  if (parser.handler().problem) return parser.handler().problem;
  if (error || read != body.size() || !parser.done()) {
    return body_problem{"body", "must be one JSON object"};
  }
  for (body_member const& member : members) {
    if (member.required && !member.seen) return body_problem{member.name, "is required"};
  }
  return std::nullopt;
}

}  // namespace tacit::net
