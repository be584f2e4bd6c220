#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "app/cli/delivery.hpp"
#include "app/cli/error.hpp"
#include "app/cli/output.hpp"
#include "core/check.hpp"

namespace tacit::app {

namespace {

bool is_kept(std::string_view entry, delivered const& values) {
  std::string_view const name = entry.substr(0, entry.find('='));
  if (name == "TACIT_TOKEN") return false;
  return !std::binary_search(values.values.begin(), values.values.end(),
                             std::pair(name, std::string_view()),
                             [](auto const& a, auto const& b) { return a.first < b.first; });
}

}  // namespace

child_environment make_child_environment(char** own, delivered const& values) {
  std::size_t bytes = 0;
  for (auto const& [name, value] : values.values) bytes += name.size() + value.size() + 2;
  child_environment made{core::secret_buffer(bytes), {}};
  for (char** at = own; at != nullptr && *at != nullptr; ++at) {
    if (is_kept(*at, values)) made.entries.push_back(*at);
  }
  for (auto const& [name, value] : values.values) {
    made.entries.push_back(made.block.reveal_storage().data() + made.block.size());
    CHECK(made.block.append(name) && made.block.append("=") && made.block.append(value));
    CHECK(made.block.append(std::string_view("\0", 1)));
  }
  made.entries.push_back(nullptr);
  return made;
}

int run_command(delivery_arguments const& from, std::vector<std::string> const& command) {
  prctl(PR_SET_DUMPABLE, 0);  // until the exec: a value is never in a core file
  child_environment child =
      make_child_environment(environ, fetch_values(from, read_surroundings()));
  std::vector<char*> arguments;
  for (std::string const& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  environ = child.entries.data();  // a delivered PATH is where the command is looked for
  execvp(arguments.front(), arguments.data());
  int const reason = errno;
  environ = nullptr;
  throw cli_error(reason == ENOENT ? exit_not_found : exit_not_executable,
                  "cannot run " + shown(command.front()) + ": " + std::strerror(reason));
}

}  // namespace tacit::app
