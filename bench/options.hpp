// What tacit-bench is asked to do: the command line, as one struct.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace tacit::bench {

inline constexpr int exit_done = 0;
inline constexpr int exit_wrong = 1;  // the server was wrong, or could not be asked
inline constexpr int exit_wrong_usage = 2;
inline constexpr int exit_interrupted = 130;

enum class scenario { list, upsert, insert_delete, mixed, auth_fail, delivery };

[[nodiscard]] char const* name_of(scenario what) noexcept;

struct options {
  scenario what = scenario::list;
  std::string url = "http://127.0.0.1:8787";
  std::optional<std::string> ca_file;  // of an https URL: authorities instead of the system's
  bool insecure = false;               // of an https URL: takes any certificate
  std::optional<std::string> key_file;
  std::optional<std::string> data_dir;
  std::optional<std::string> run_dir;

  std::uint32_t projects = 100;
  std::uint32_t secrets = 25;  // in each project
  std::uint32_t value_bytes = 40;
  bool zipf = false;
  double zipf_exponent = 0.99;
  std::uint32_t writes_percent = 10;  // of `mixed`
  std::uint64_t seed = 1;

  std::uint32_t connections = 64;
  std::uint32_t threads = 1;
  std::uint32_t depth = 1;  // requests under way on each connection
  double rate = 0;          // requests a second of all threads; 0: closed loop
  double warm_up_seconds = 2;
  double duration_seconds = 10;
  double timeout_seconds = 30;

  bool progress = false;
  std::vector<int> server_pids;
  std::optional<std::string> json_file;  // "-" is stdout
  std::optional<std::string> html_file;
};

// What is wrong with the command line, in one line.
struct usage_fault {
  std::string line;
};
// Text to print on stdout, and be done.
struct usage_text {
  std::string text;
};

[[nodiscard]] std::variant<options, usage_text, usage_fault> parse_options(int argc, char** argv);

}  // namespace tacit::bench
