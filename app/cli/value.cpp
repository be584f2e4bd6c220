#include "app/cli/value.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "app/cli/error.hpp"
#include "app/cli/output.hpp"
#include "core/limits.hpp"
#include "core/utf8.hpp"

namespace tacit::app {

namespace {

namespace limits = core::limits;

// One byte more than the longest value and its newline, so that a longer one shows.
constexpr std::size_t room_bytes = limits::value_bytes_max + 2;

std::string too_long() {
  return "the value is longer than " + std::to_string(limits::value_chars_max) +
         " characters, the most that a secret holds";
}

// False when more came than `into` holds.
bool read_all(int fd, core::secret_buffer& into, std::string const& origin) {
  while (into.size() < into.capacity()) {
    std::span<char> const room = into.reveal_storage().subspan(into.size());
    ssize_t const count = read(fd, room.data(), room.size());
    if (count == 0) return true;
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      throw cli_error(exit_failed, "cannot read " + origin + ": " + std::strerror(errno));
    }
    into.resize(into.size() + static_cast<std::size_t>(count));
  }
  return false;
}

bool read_file(std::string const& file, core::secret_buffer& into) {
  int const fd = open(file.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    throw cli_error(exit_failed, "cannot read " + file + ": " + std::strerror(errno));
  }
  bool const whole = read_all(fd, into, file);
  close(fd);
  return whole;
}

bool read_variable(std::string const& name, surroundings const& around, core::secret_buffer& into) {
  auto const found = around.variables.find(name);
  if (found == around.variables.end()) {
    throw cli_error(exit_failed,
                    "--from-env names a variable that is not in "
                    "the environment; export it first");
  }
  return into.append(found->second);
}

}  // namespace

std::string value_fault(std::string_view value) {
  if (value.empty()) return "the value is empty, and a secret has at least one character";
  std::optional<std::size_t> const chars = core::count_utf8_chars(value);
  if (value.size() > limits::value_bytes_max || (chars && *chars > limits::value_chars_max)) {
    return too_long();
  }
  if (!chars) return "the value is not UTF-8 text; encode binary data first, as with base64";
  if (value.find('\0') != value.npos) {
    return "the value holds a NUL byte, which no environment can carry; encode it first, as with "
           "base64";
  }
  return "";
}

core::secret_buffer read_value(value_source const& source, std::string const& name,
                               surroundings const& around) {
  core::secret_buffer value(room_bytes);
  bool const terminal = !source.file && !source.variable && isatty(STDIN_FILENO) == 1;
  bool whole = false;
  if (source.file) {
    whole = read_file(*source.file, value);
  } else if (source.variable) {
    whole = read_variable(*source.variable, around, value);
  } else if (terminal) {
    say("type or paste the value of " + name +
        " (it is not shown), then press Ctrl-D; one Enter right before it is dropped");
    whole = read_hidden(value);
  } else {
    whole = read_all(STDIN_FILENO, value, "stdin");
  }
  if (!whole) throw cli_error(exit_failed, too_long());
  bool const trims = terminal || source.trim_newline;
  if (trims && value.reveal().ends_with('\n')) value.resize(value.size() - 1);
  std::string const fault = value_fault(value.reveal());
  if (!fault.empty()) throw cli_error(exit_failed, fault);
  return value;
}

}  // namespace tacit::app
