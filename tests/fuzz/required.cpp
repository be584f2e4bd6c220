// tacit.required, read again by other means: byte for byte, with the name's form written out.
#include "app/run/required_names.hpp"

#include <string>
#include <vector>

#include "tests/fuzz/target.hpp"

namespace {

constexpr std::size_t name_chars_max = 64;

bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r'; }

bool is_name(std::string const& text) {
  if (text.empty() || text.size() > name_chars_max || !is_upper(text[0])) return false;
  for (char const c : text) {
    if (!is_upper(c) && (c < '0' || c > '9') && c != '_') return false;
  }
  return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  std::string_view const text = tacit::fuzz::as_text(data, size);
  std::vector<std::string> names;
  int wrong_line = 0;
  int number = 1;
  std::string line;
  for (std::size_t i = 0; i <= text.size() && wrong_line == 0; ++i) {
    if (i < text.size() && text[i] != '\n') {
      line += text[i];
      continue;
    }
    while (!line.empty() && is_blank(line.back())) line.pop_back();
    while (!line.empty() && is_blank(line.front())) line.erase(line.begin());
    if (is_name(line)) {
      names.push_back(line);
    } else if (!line.empty() && line.front() != '#') {
      wrong_line = number;
    }
    line.clear();
    ++number;
  }
  auto const found = tacit::app::parse_required(text);
  CHECK(found.wrong_line == wrong_line);
  CHECK(found.names == names);
  return 0;
}
