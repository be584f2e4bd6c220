#include "app/run/selection.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>

#include "app/cli/error.hpp"
#include "app/run/required_names.hpp"
#include "core/name.hpp"

namespace tacit::app {

namespace {

constexpr char const* required_file = "tacit.required";

[[noreturn]] void refuse(std::string const& fault) {
  throw cli_error(exit_failed, std::string(required_file) + fault);
}

bool has(std::vector<std::string> const& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

std::optional<std::vector<std::string>> parse_names(std::string_view list) {
  std::vector<std::string> names;
  while (true) {
    std::string_view const one = list.substr(0, list.find(','));
    if (!core::secret_name::parse(one)) return std::nullopt;
    names.emplace_back(one);
    if (one.size() == list.size()) return names;
    list.remove_prefix(one.size() + 1);
  }
}

void add_required_file(selection& wanted) {
  errno = 0;
  std::ifstream file(required_file);
  if (!file && errno == ENOENT) return;
  if (!file) refuse(std::string(" cannot be read: ") + std::strerror(errno));
  std::string text;
  for (std::string line; std::getline(file, line);) text.append(line).push_back('\n');
  if (file.bad()) refuse(" cannot be read");
  required_names const read = parse_required(text);
  if (read.wrong_line != 0) {
    refuse(", line " + std::to_string(read.wrong_line) +
           ": not the name of a secret, as DB_PASSWORD");
  }
  wanted.required.insert(wanted.required.end(), read.names.begin(), read.names.end());
}

std::vector<std::string> narrow(delivered& set, selection const& wanted) {
  if (wanted.only) {
    std::erase_if(set.values, [&](auto const& one) { return !has(*wanted.only, one.first); });
    std::erase_if(set.withheld, [&](std::string_view one) { return !has(*wanted.only, one); });
  }
  std::vector<std::string> missing;
  for (std::string const& name : wanted.required) {
    bool const there = std::any_of(set.values.begin(), set.values.end(),
                                   [&](auto const& one) { return one.first == name; });
    if (!there) missing.push_back(name);
  }
  std::sort(missing.begin(), missing.end());
  missing.erase(std::unique(missing.begin(), missing.end()), missing.end());
  return missing;
}

}  // namespace tacit::app
