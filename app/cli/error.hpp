// How a command of the command line fails: one line for stderr and the exit status.
#pragma once

#include <stdexcept>
#include <string>

namespace tacit::app {

inline constexpr int exit_failed = 1;
inline constexpr int exit_wrong_usage = 2;
inline constexpr int exit_not_executable = 126;  // `tacit run`, as a shell
inline constexpr int exit_not_found = 127;

// The line says what is wrong and what to do next; never a value or an API key.
class cli_error : public std::runtime_error {
 public:
  cli_error(int status, std::string const& line) : std::runtime_error(line), status_(status) {}
  [[nodiscard]] int status() const noexcept { return status_; }

 private:
  int status_;
};

}  // namespace tacit::app
