// Bodies. For every input: what is taken is what a general JSON parser reads, member for member;
// what that one reads as exactly our members, each once, is not refused.
#include "net/json_body.hpp"

#include <array>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include "core/crypto.hpp"
#include "tests/fuzz/target.hpp"

namespace {

using namespace tacit;
namespace json = boost::json;

constexpr std::size_t text_bytes_max = 64;
constexpr std::size_t secret_bytes_max = 256;

std::string_view to_view(json::string const& text) { return {text.data(), text.size()}; }

// Names and texts of a well-formed body; the tree does not tell of a member that came twice.
std::size_t count_texts(std::string_view body) {
  std::size_t quotes = 0;
  for (std::size_t i = 0; i < body.size(); ++i) {
    if (body[i] == '\\') {
      ++i;
    } else if (body[i] == '"') {
      ++quotes;
    }
  }
  return quotes / 2;
}

core::secret_buffer make_buffer() {
  core::init_crypto();
  return core::secret_buffer(secret_bytes_max);
}

bool is_list_of_texts(json::value const& value, std::vector<std::string> const& list) {
  if (!value.is_array() || value.get_array().size() != list.size()) return false;
  for (std::size_t i = 0; i < list.size(); ++i) {
    json::value const& item = value.get_array()[i];
    if (!item.is_string() || to_view(item.get_string()) != list[i]) return false;
  }
  return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  static core::secret_buffer secret = make_buffer();
  std::string_view const body = fuzz::as_text(data, size);
  std::string name;
  std::uint64_t number = 0;
  net::text_or_list either;
  std::array members{net::body_member{"value", &secret}, net::body_member{"name", &name},
                     net::body_member{"limit", &number, false},
                     net::body_member{"projects", &either, false}};
  auto const problem = net::read_json_body(body, members, text_bytes_max);

  boost::system::error_code error;
  json::value const tree = json::parse({body.data(), body.size()}, error);
  if (!problem) {
    CHECK(!error && tree.is_object());
    json::object const& object = tree.get_object();
    std::size_t seen = 0;
    for (net::body_member const& member : members) {
      if (!member.seen) continue;
      ++seen;
      json::value const* const value = object.if_contains({member.name.data(), member.name.size()});
      CHECK(value != nullptr);
      if (member.name == "value") CHECK(to_view(value->get_string()) == secret.reveal());
      if (member.name == "name") CHECK(to_view(value->get_string()) == name);
      if (member.name == "limit") CHECK(value->to_number<std::uint64_t>() == number);
      if (member.name == "projects" && either.text) {
        CHECK(value->is_string() && to_view(value->get_string()) == *either.text);
      } else if (member.name == "projects") {
        CHECK(is_list_of_texts(*value, either.list));
      }
    }
    CHECK(seen == object.size() && members[0].seen && members[1].seen);
    CHECK(name.size() <= text_bytes_max);
  } else {
    CHECK(!problem->field.empty() && !problem->issue.empty());
    // Exactly our two required members, as texts that fit, is no reason.
    bool const is_ours = !error && tree.is_object() && tree.get_object().size() == 2 &&
                         tree.get_object().contains("value") && tree.get_object().contains("name");
    CHECK(!is_ours || count_texts(body) != 4 || !tree.at("value").is_string() ||
          !tree.at("name").is_string() || tree.at("value").get_string().size() > secret_bytes_max ||
          tree.at("name").get_string().size() > text_bytes_max);
  }
  secret.clear();
  return 0;
}
