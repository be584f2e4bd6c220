// dotenv has no specification: this is what the usual parsers read alike (npm dotenv 15 and newer,
// PyPI python-dotenv 0.15 and newer with its interpolation, the gem dotenv).
//
//   file   := line*
//   line   := NAME "=" value LF
//   value  := single | double | bare
//   single := "'" any byte but ' and CR, no \ before a \ or at the end "'"
//   double := '"' any byte but " \ $ ` CR LF, or \n (LF) or \r (CR) '"'
//   bare   := printable ASCII without # $ \ `, no space at an end, no quote at the start
//
// The first of these that fits: single without LF, double, single with LF, bare. Why the limits:
//   - python-dotenv takes \\ and \' in single quotes for escapes, npm only \' for no end
//   - npm expands \n and \r in double quotes and nothing else, python-dotenv more, the gem also $
//   - all readers turn a bare CR into LF
//   - python-dotenv interpolates ${NAME} in every kind of value, and has no way to escape it
//   - npm's patterns see the start of a line behind U+2028 in a bare value: so ASCII only
//   - the gem knows no LF in quotes: where one must stand there, it is in the minority
#include <algorithm>

#include "app/cli/env_format.hpp"
#include "core/check.hpp"

namespace tacit::app {

namespace {

bool holds(std::string_view value, std::string_view any_of) {
  return value.find_first_of(any_of) != value.npos;
}

bool fits_single(std::string_view value) {
  return !holds(value, "'\r") && value.find("\\\\") == value.npos && !value.ends_with('\\');
}

bool fits_double(std::string_view value) { return !holds(value, "\"\\$`"); }

bool fits_bare(std::string_view value) {
  bool const printable =
      std::all_of(value.begin(), value.end(), [](char c) { return c >= ' ' && c <= '~'; });
  return printable && !value.empty() && !holds(value, "#$\\`") &&
         !holds(value.substr(0, 1), " '\"") && !value.ends_with(' ');
}

void put_double(std::string_view value, text_sink const& put) {
  put("\"");
  while (!value.empty()) {
    std::size_t const plain = std::min(value.find_first_of("\n\r"), value.size());
    put(value.substr(0, plain));
    if (plain == value.size()) break;
    put(value[plain] == '\n' ? "\\n" : "\\r");
    value.remove_prefix(plain + 1);
  }
  put("\"");
}

}  // namespace

std::string_view dotenv_fault(std::string_view value) noexcept {
  if (value.find("${") != value.npos) return "holds ${, which some readers replace";
  if (fits_single(value) || fits_double(value) || fits_bare(value)) return "";
  if (value.find('\r') != value.npos) {
    return "holds a carriage return beside one of \" \\ $ `, which no quoting keeps";
  }
  return "holds quotes or backslashes that readers of dotenv do not agree on";
}

void put_dotenv(std::string_view value, text_sink const& put) {
  bool const single = fits_single(value);
  bool const one_line = value.find('\n') == value.npos;
  if (single && (one_line || !fits_double(value))) {
    put("'");
    put(value);
    put("'");
  } else if (fits_double(value)) {
    put_double(value, put);
  } else {
    CHECK(fits_bare(value));
    put(value);
  }
}

}  // namespace tacit::app
