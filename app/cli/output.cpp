#include "app/cli/output.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "app/cli/error.hpp"
#include "core/utf8.hpp"

namespace tacit::app {

namespace {

// Characters, not columns: a wide character makes its row wider, no more.
std::size_t width_of(std::string const& text) {
  return core::count_utf8_chars(text).value_or(text.size());
}

}  // namespace

void write_out(std::string_view bytes) {
  while (!bytes.empty()) {
    ssize_t const count = write(STDOUT_FILENO, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      throw cli_error(exit_failed, std::string("cannot write to stdout: ") + std::strerror(errno));
    }
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
}

void write_error(std::string_view bytes) noexcept {
  while (!bytes.empty()) {
    ssize_t const count = write(STDERR_FILENO, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return;
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
}

void say(std::string const& line) noexcept {
  write_error("tacit: ");
  write_error(line);
  write_error("\n");
}

std::string shown(std::string_view text) {
  std::string safe;
  for (std::size_t i = 0; i < text.size(); ++i) {
    auto const byte = static_cast<unsigned char>(text[i]);
    auto const next = i + 1 < text.size() ? static_cast<unsigned char>(text[i + 1]) : 0u;
    bool const c1_control = byte == 0xC2 && next >= 0x80 && next < 0xA0;
    bool const control = byte < 0x20 || byte == 0x7F || c1_control;
    safe += control ? '?' : text[i];
    if (c1_control) ++i;
  }
  return safe;
}

std::string shown_time(std::string_view time) {
  if (time.size() < 16) return "-";
  return shown(time.substr(0, 10)) + " " + shown(time.substr(11, 5));
}

std::string format_table(std::vector<table_row> const& rows) {
  std::vector<std::size_t> widths;
  for (table_row const& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width_of(row[i]));
  }
  std::string text;
  for (table_row const& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      text += row[i];
      if (i + 1 < row.size()) text.append(widths[i] - width_of(row[i]) + 2, ' ');
    }
    text += '\n';
  }
  return text;
}

void write_json(json_node data) {
  data.serialize(write_out);
  write_out("\n");
}

void write_done(made_change const& change) {
  try {
    change.json ? write_json(change.data) : write_out(change.line + "\n");
  } catch (cli_error const& fault) {
    throw cli_error(fault.status(), change.line + ", but " + fault.what());
  }
}

}  // namespace tacit::app
