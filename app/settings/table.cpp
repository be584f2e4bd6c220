#include "app/settings/table.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <limits>
#include <optional>

namespace tacit::app {

namespace {

namespace limits = core::limits;

std::string path_fault(std::string const& text) {
  if (text.empty()) return "is empty; give a path";
  bool const control =
      std::any_of(text.begin(), text.end(), [](char c) { return c >= 0 && c < ' '; });
  return control ? "must be a path without control characters" : "";
}

std::string optional_path_fault(std::string const& text) {
  return text.empty() ? "" : path_fault(text);
}

std::string user_fault(std::string const& text) {
  return text.empty() ? "is empty; give a user name" : "";
}

constexpr std::uint32_t as_count(std::size_t value) { return static_cast<std::uint32_t>(value); }

using s = settings;
constexpr std::uint32_t per_minute_max = limits::requests_per_minute_max;
constexpr std::uint32_t hour = 3600;

constexpr std::array rows{
    setting_row{"data_dir", &s::data_dir, 0, 0, path_fault, true},
    setting_row{"key_file", &s::key_file, 0, 0, path_fault, true},
    setting_row{"run_dir", &s::run_dir, 0, 0, path_fault, true},
    setting_row{"listen", &s::listen, 0, 0, listen_fault},
    setting_row{"plain_http", &s::plain_http},
    setting_row{"threads", &s::threads, 1, 1024},
    setting_row{"api_user", &s::api_user, 0, 0, user_fault},
    setting_row{"sandbox", &s::sandbox},
    setting_row{"tls.certificate", &s::tls_certificate, 0, 0, optional_path_fault, true},
    setting_row{"tls.key", &s::tls_key, 0, 0, optional_path_fault, true},
    setting_row{"tls.client_ca", &s::tls_client_ca, 0, 0, optional_path_fault, true},
    setting_row{"log.level", &s::level},
    setting_row{"limits.reads_per_minute", &s::reads_per_minute, 0, per_minute_max},
    setting_row{"limits.writes_per_minute", &s::writes_per_minute, 0, per_minute_max},
    setting_row{"limits.failed_auth_per_minute", &s::failed_auth_per_minute, 0, per_minute_max},
    setting_row{"limits.secrets_per_project", &s::secrets_per_project, 1,
                limits::secrets_per_project_max},
    setting_row{"limits.last_four_min_length", &s::last_four_min_length,
                limits::last_four_min_length_min, as_count(limits::value_chars_max)},
    setting_row{"limits.head_bytes", &s::head_bytes, 1024, 64 * 1024},
    setting_row{"limits.body_bytes", &s::body_bytes, 1024, 1024 * 1024},
    setting_row{"limits.head_seconds", &s::head_seconds, 1, hour},
    setting_row{"limits.body_seconds", &s::body_seconds, 1, hour},
    setting_row{"limits.idle_seconds", &s::idle_seconds, 1, hour},
    setting_row{"limits.connections", &s::connections, 1, 1'000'000},
    setting_row{"limits.list_cache_megabytes", &s::list_cache_megabytes, 1, 1'000'000},
    setting_row{"delivery.deliver_names", &s::deliver_names, 0, 0, secret_name_fault},
};

[[noreturn]] void refuse(setting_row const& row, std::string const& where,
                         std::string const& fault) {
  throw startup_error(where + ": " + std::string(row.name) + " " + fault);
}

// One overload a kind of setting: what it takes from a file, and how it reads a text.
class assignment {
 public:
  assignment(setting_row const& row, std::string const& where, settings& into)
      : row_(row), where_(where), into_(into) {}

  void file(std::string settings::* member, given_value const& value) const {
    auto const* const text = std::get_if<std::string>(&value);
    if (text == nullptr) refuse(row_, where_, "must be a text in quotes");
    this->text(member, *text);
  }

  void file(std::vector<std::string> settings::* member, given_value const& value) const {
    if (auto const* const one = std::get_if<std::string>(&value)) return store(member, {*one});
    auto const* const list = std::get_if<std::vector<std::string>>(&value);
    if (list == nullptr) refuse(row_, where_, "must be a text in quotes or a list of them");
    store(member, *list);
  }

  void file(std::uint32_t settings::* member, given_value const& value) const {
    auto const* const number = std::get_if<std::int64_t>(&value);
    if (number == nullptr) refuse(row_, where_, range());
    store(member, *number);
  }

  template <typename Choice>
  void file(Choice settings::* member, given_value const& value) const {
    auto const* const text = std::get_if<std::string>(&value);
    this->text(member, text == nullptr ? std::string() : *text);
  }

  void text(std::string settings::* member, std::string const& text) const {
    check(text);
    bool const to_complete = row_.is_path && !text.empty();
    into_.*member =
        to_complete ? std::filesystem::absolute(text).lexically_normal().string() : text;
  }

  void text(std::vector<std::string> settings::* member, std::string const& text) const {
    std::vector<std::string> items;
    std::size_t start = 0;
    while (!text.empty() && start <= text.size()) {
      std::size_t const comma = std::min(text.find(',', start), text.size());
      std::size_t const first = std::min(text.find_first_not_of(' ', start), comma);
      std::size_t end = comma;
      while (end > first && text[end - 1] == ' ') --end;
      items.push_back(text.substr(first, end - first));
      start = comma + 1;
    }
    store(member, std::move(items));
  }

  void text(std::uint32_t settings::* member, std::string const& text) const {
    std::int64_t number = 0;
    char const* const end = text.data() + text.size();
    auto const [stop, fault] = std::from_chars(text.data(), end, number);
    if (fault != std::errc() || stop != end) refuse(row_, where_, range());
    store(member, number);
  }

  void text(plain_http_scope settings::* member, std::string const& text) const {
    if (text != "loopback" && text != "anywhere") {
      refuse(row_, where_, "must be \"loopback\" or \"anywhere\"");
    }
    into_.*member = text == "loopback" ? plain_http_scope::loopback : plain_http_scope::anywhere;
  }

  void text(sandbox_mode settings::* member, std::string const& text) const {
    if (text != "on" && text != "off") refuse(row_, where_, "must be \"on\" or \"off\"");
    into_.*member = text == "on" ? sandbox_mode::on : sandbox_mode::off;
  }

  void text(log_level settings::* member, std::string const& text) const {
    constexpr std::array<std::string_view, 4> names{"error", "warn", "info", "debug"};
    auto const found = std::find(names.begin(), names.end(), text);
    if (found == names.end()) {
      refuse(row_, where_, "must be \"error\", \"warn\", \"info\" or \"debug\"");
    }
    into_.*member = static_cast<log_level>(found - names.begin());
  }

 private:
  void check(std::string const& text) const {
    std::string const fault = row_.check == nullptr ? std::string() : row_.check(text);
    if (!fault.empty()) refuse(row_, where_, fault);
  }

  std::string range() const {
    return "must be a whole number from " + std::to_string(row_.least) + " to " +
           std::to_string(row_.most);
  }

  void store(std::vector<std::string> settings::* member, std::vector<std::string> items) const {
    if (items.empty() && row_.name == "listen") refuse(row_, where_, "names no address");
    for (std::string const& item : items) check(item);
    into_.*member = std::move(items);
  }

  void store(std::uint32_t settings::* member, std::int64_t number) const {
    if (number < row_.least || number > row_.most) refuse(row_, where_, range());
    into_.*member = static_cast<std::uint32_t>(number);
  }

  setting_row const& row_;
  std::string const& where_;
  settings& into_;
};

}  // namespace

std::span<setting_row const> setting_rows() noexcept { return rows; }

setting_row const* find_setting(std::string_view name) noexcept {
  auto const found = std::find_if(rows.begin(), rows.end(),
                                  [&](setting_row const& row) { return row.name == name; });
  return found == rows.end() ? nullptr : &*found;
}

std::string environment_name(std::string_view setting) {
  std::string name = "TACIT_";
  for (char const c : setting) {
    if (c == '.') {
      name += '_';
    } else {
      name += c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    }
  }
  return name;
}

void assign_from_file(setting_row const& row, given_value const& value, std::string const& where,
                      settings& into) {
  assignment const act(row, where, into);
  std::visit([&](auto member) { act.file(member, value); }, row.target);
}

void assign_from_text(setting_row const& row, std::string const& text, std::string const& where,
                      settings& into) {
  assignment const act(row, where, into);
  std::visit([&](auto member) { act.text(member, text); }, row.target);
}

}  // namespace tacit::app
