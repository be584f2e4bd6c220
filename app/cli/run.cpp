#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "app/cli/delivery.hpp"
#include "app/cli/delivery_source.hpp"
#include "app/cli/error.hpp"
#include "app/cli/output.hpp"
#include "app/run/command_process.hpp"
#include "app/run/selection.hpp"
#include "app/run/supervisor.hpp"
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

namespace {

[[noreturn]] void become(child_environment child, std::vector<std::string> const& command) {
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

void require_all(std::vector<std::string> const& missing, std::string const& project) {
  if (missing.empty()) return;
  std::string list;
  for (std::string const& name : missing) list += (list.empty() ? "" : ", ") + name;
  throw cli_error(exit_failed, "not started: project " + project + " does not deliver " + list +
                                   ", which --require or the file tacit.required asks for; see "
                                   "what it has with: tacit secret list --project " +
                                   project);
}

}  // namespace

int run_command(delivery_arguments const& from, run_arguments const& how) {
  prctl(PR_SET_DUMPABLE, 0);  // until the exec: a value is never in a core file
  selection wanted{how.only, how.required};
  add_required_file(wanted);
  auto source = open_cached_source(from, read_surroundings());
  delivered set = fetch_values(*source, from.wait);
  require_all(narrow(set, wanted), from.project);
  bool const follows = how.action != change_action::none;
  if (!follows && !how.mask) {
    become(make_child_environment(how.pristine ? nullptr : environ, set), how.command);
  }
  if (!follows) source.reset();
  return end_as(supervise(how, wanted, std::move(set), std::move(source)));
}

}  // namespace tacit::app
