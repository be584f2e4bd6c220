#include "app/log_sink.hpp"

#include <poll.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <mutex>
#include <string>

#include "core/timestamp.hpp"
#include "net/json_writer.hpp"

namespace tacit::app {

namespace {

std::string_view name_of(core::severity how) {
  switch (how) {
    case core::severity::error:
      return "error";
    case core::severity::warn:
      return "warn";
    case core::severity::info:
      return "info";
    case core::severity::debug:
      return "debug";
  }
  return "error";
}

spdlog::level::level_enum to_spdlog(core::severity how) {
  switch (how) {
    case core::severity::error:
      return spdlog::level::err;
    case core::severity::warn:
      return spdlog::level::warn;
    case core::severity::info:
      return spdlog::level::info;
    case core::severity::debug:
      return spdlog::level::debug;
  }
  return spdlog::level::err;
}

core::severity to_severity(log_level level) {
  switch (level) {
    case log_level::error:
      return core::severity::error;
    case log_level::warn:
      return core::severity::warn;
    case log_level::info:
      return core::severity::info;
    case log_level::debug:
      return core::severity::debug;
  }
  return core::severity::info;
}

std::string time_text() {
  auto const now = std::chrono::system_clock::now().time_since_epoch();
  auto const text =
      core::format_timestamp({std::chrono::duration_cast<std::chrono::milliseconds>(now).count()});
  return {text.data(), text.size()};
}

// Whether a write to stderr always returns: to a file, or a device as /dev/null.
bool never_waits() {
  struct stat about{};
  if (::fstat(STDERR_FILENO, &about) != 0) return true;
  return S_ISREG(about.st_mode) || (S_ISCHR(about.st_mode) && ::isatty(STDERR_FILENO) != 1);
}

// poll(2): a pipe that is writable takes 4096 bytes, more than a line has.
bool would_take_a_line() {
  pollfd room{STDERR_FILENO, POLLOUT, 0};
  return ::poll(&room, 1, 0) == 1;
}

class log_sink final : public core::log {
 public:
  log_sink(log_level level, std::string_view process)
      : logger_("tacit", std::make_shared<spdlog::sinks::stderr_sink_st>()),
        least_(to_severity(level)),
        process_(process),
        for_people_(::isatty(STDERR_FILENO) == 1),
        never_waits_(never_waits()) {
    logger_.set_pattern("%v");
    logger_.set_level(spdlog::level::trace);
    logger_.flush_on(spdlog::level::trace);
  }
  ~log_sink() override {
    std::lock_guard const lock(mutex_);
    if (would_take_a_line()) tell_what_was_left_out();
  }

  void write(core::severity how, std::string_view event,
             std::initializer_list<core::log_field> fields) noexcept override {
    if (!wants(how)) return;
    std::string const line = rendered(how, event, fields);
    std::lock_guard const lock(mutex_);
    if (!never_waits_ && !would_take_a_line()) {
      ++left_out_;
      return;
    }
    tell_what_was_left_out();
    logger_.log(to_spdlog(how), "{}", line);
  }

  bool wants(core::severity how) const noexcept override { return how <= least_; }

 private:
  std::string rendered(core::severity how, std::string_view event,
                       std::initializer_list<core::log_field> fields) const {
    return for_people_ ? as_text(how, event, fields) : as_json(how, event, fields);
  }

  // Under mutex_, and only when stderr takes a line.
  void tell_what_was_left_out() {
    if (left_out_ == 0) return;
    constexpr auto warn = core::severity::warn;
    logger_.log(to_spdlog(warn), "{}",
                rendered(warn, "lines of the log were left out: who reads stderr was too slow",
                         {{"count", left_out_}}));
    left_out_ = 0;
  }

  std::string as_json(core::severity how, std::string_view event,
                      std::initializer_list<core::log_field> fields) const {
    std::string line;
    net::json_writer json(line);
    json.begin_object().key("time").text(time_text()).key("level").text(name_of(how));
    json.key("process").text(process_).key("event").text(event);
    for (core::log_field const& field : fields) {
      json.key(field.name);
      if (auto const* const text = std::get_if<std::string_view>(&field.value)) {
        json.text(*text);
      } else {
        json.signed_number(std::get<std::int64_t>(field.value));
      }
    }
    json.end_object();
    return line;
  }

  std::string as_text(core::severity how, std::string_view event,
                      std::initializer_list<core::log_field> fields) const {
    std::string line = time_text();
    line.append(" ").append(name_of(how)).append(" ").append(process_).append(": ").append(event);
    for (core::log_field const& field : fields) {
      line.append(" ").append(field.name).append("=");
      if (auto const* const text = std::get_if<std::string_view>(&field.value)) {
        net::append_json_text(line, *text);
      } else {
        line.append(std::to_string(std::get<std::int64_t>(field.value)));
      }
    }
    return line;
  }

  std::mutex mutex_;
  spdlog::logger logger_;      // guarded by mutex_
  std::int64_t left_out_ = 0;  // lines that were not taken and not yet told of; guarded by mutex_
  core::severity least_;
  std::string process_;
  bool for_people_;
  bool never_waits_;
};

}  // namespace

std::unique_ptr<core::log> make_log(log_level level, std::string_view process) {
  return std::make_unique<log_sink>(level, process);
}

}  // namespace tacit::app
