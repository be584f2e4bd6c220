// The one table of settings. It drives names, types, ranges and checks for file, environment and
// flags alike; conf/tacit.toml is held to it by a test. Not included outside app/settings*.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "app/settings/settings.hpp"

namespace tacit::app {

using setting_target = std::variant<std::string settings::*, std::vector<std::string> settings::*,
                                    std::uint32_t settings::*, plain_http_scope settings::*,
                                    sandbox_mode settings::*, log_level settings::*>;

// What is wrong with a text ("must be ..."), or "" when nothing is.
using text_check = std::string (*)(std::string const& text);

struct setting_row {
  std::string_view name;  // as in the file, with dots
  setting_target target;
  std::uint32_t least = 0;  // numbers only, both inclusive
  std::uint32_t most = 0;
  text_check check = nullptr;  // texts and each item of a list
  bool is_path = false;        // made absolute
};

// A value as a file can give it; the environment and flags give texts only, which become what the
// setting wants (a number, a list separated by commas).
using given_value = std::variant<std::int64_t, std::string, std::vector<std::string>>;

[[nodiscard]] std::span<setting_row const> setting_rows() noexcept;
[[nodiscard]] setting_row const* find_setting(std::string_view name) noexcept;

// "limits.body_bytes" is TACIT_LIMITS_BODY_BYTES.
[[nodiscard]] std::string environment_name(std::string_view setting);

// Checks the value and stores it. where begins the message: "FILE, line 3" or the name of a
// variable or flag. Throws startup_error.
void assign_from_file(setting_row const& row, given_value const& value, std::string const& where,
                      settings& into);
void assign_from_text(setting_row const& row, std::string const& text, std::string const& where,
                      settings& into);

// Applies a settings file's text; file is its name for messages. Throws startup_error.
void apply_settings_text(std::string_view toml, std::string const& file, surroundings const& around,
                         settings& into);

// Reads the file and applies it. Throws startup_error.
void apply_settings_file(std::string const& file, surroundings const& around, settings& into);

// What is wrong with an address to listen on, a project id, a secret's name, a systemd unit that a
// process can run in; "" when nothing is.
[[nodiscard]] std::string listen_fault(std::string const& text);
// Of an address that listen_fault() takes: whether other machines cannot reach it.
[[nodiscard]] bool is_loopback(std::string const& listen);
[[nodiscard]] std::string project_id_fault(std::string const& text);
[[nodiscard]] std::string secret_name_fault(std::string const& text);
[[nodiscard]] std::string unit_fault(std::string const& text);
// Of a unit that an entry states without uid and gid, so that systemd may load credentials for it.
[[nodiscard]] std::string lone_unit_fault(std::string const& unit);

}  // namespace tacit::app
