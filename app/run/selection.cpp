#include "app/run/selection.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>

#include "app/cli/error.hpp"
#include "core/name.hpp"

namespace tacit::app {

namespace {

constexpr char const* required_file = "tacit.required";

[[noreturn]] void refuse(std::string const& fault) {
  throw cli_error(exit_failed, std::string(required_file) + fault);
}

std::string_view trimmed(std::string_view line) {
  constexpr std::string_view blanks = " \t\r";
  std::size_t const from = line.find_first_not_of(blanks);
  if (from == std::string_view::npos) return "";
  return line.substr(from, line.find_last_not_of(blanks) - from + 1);
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
  std::string line;
  for (int number = 1; std::getline(file, line); ++number) {
    std::string_view const name = trimmed(line);
    if (name.empty() || name.front() == '#') continue;
    if (!core::secret_name::parse(name)) {
      refuse(", line " + std::to_string(number) + ": not the name of a secret, as DB_PASSWORD");
    }
    wanted.required.emplace_back(name);
  }
  if (file.bad()) refuse(" cannot be read");
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
