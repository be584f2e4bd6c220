// What commands write: results on stdout, everything else on stderr.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "app/cli/json.hpp"

namespace tacit::app {

// Writes all of it to stdout, unbuffered, so that no copy of a value stays behind. Throws cli_error
// when it cannot be written (a full disk, a closed pipe).
void write_out(std::string_view bytes);

// Writes to stderr; nowhere is left to say that it cannot.
void write_error(std::string_view bytes) noexcept;

// One line on stderr, behind "tacit: ".
void say(std::string const& line) noexcept;

// The text as a terminal may show it: control characters, which could steer it, become '?'.
[[nodiscard]] std::string shown(std::string_view text);

// "2026-04-18T09:12:44.000Z" as "2026-04-18 09:12", "-" when there is none.
[[nodiscard]] std::string shown_time(std::string_view time);

using table_row = std::vector<std::string>;

// Columns as wide as their widest cell, two spaces between; the first row is the heading.
[[nodiscard]] std::string format_table(std::vector<table_row> const& rows);

// The API's data, on one line.
void write_json(json_node data);

// What to say of a change that was made.
struct made_change {
  bool json = false;  // the data, else the line
  json_node data{};
  std::string line{};  // as "removed KEY in project ID"
};
// Throws cli_error when stdout does not take it, whose line says that the change was made.
void write_done(made_change const& change);

}  // namespace tacit::app
