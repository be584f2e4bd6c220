// The settings file and the environment. For every text: settings that hold every rule of the
// table, or one clear line that names the place; no other exception.
#include "app/settings/settings.hpp"

#include <string>

#include "app/settings/table.hpp"
#include "tests/fuzz/target.hpp"

namespace {

using namespace tacit::app;

void check_holds(setting_row const& row, settings const& loaded) {
  auto const fits = [&](std::string const& text) {
    return row.check == nullptr || row.check(text).empty();
  };
  settings const untouched;
  if (auto const* const number = std::get_if<std::uint32_t settings::*>(&row.target)) {
    CHECK(loaded.**number >= row.least && loaded.**number <= row.most);
  } else if (auto const* const text = std::get_if<std::string settings::*>(&row.target)) {
    CHECK(loaded.**text == untouched.**text || fits(loaded.**text));
    if (row.is_path && !(loaded.**text).empty()) CHECK((loaded.**text).front() == '/');
  } else if (auto const* const list =
                 std::get_if<std::vector<std::string> settings::*>(&row.target)) {
    for (std::string const& item : loaded.**list) CHECK(fits(item));
  }
}

void check_line(std::string_view line, std::string_view place) {
  CHECK(line.starts_with(place) && line.size() > place.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  std::string_view const text = tacit::fuzz::as_text(data, size);
  surroundings around;
  around.find_user = [](std::string const&) { return std::optional<std::uint32_t>(1000); };
  around.find_group = [](std::string const& name) {
    return name == "none" ? std::nullopt : std::optional<std::uint32_t>(1000);
  };
  settings loaded;
  try {
    apply_settings_text(text, "conf", around, loaded);
    for (setting_row const& row : setting_rows()) check_holds(row, loaded);
    for (delivery_allowance const& one : loaded.allow) {
      CHECK(project_id_fault(one.project).empty());
      CHECK(one.uid || one.gid || !one.unit.empty());
      CHECK(one.unit.empty() || unit_fault(one.unit).empty());
    }
  } catch (startup_error const& fault) {
    check_line(fault.what(), "conf, line ");
  }

  auto const rows = setting_rows();
  setting_row const& row = rows[tacit::fuzz::choice_of(text) % rows.size()];
  settings from_text;
  try {
    assign_from_text(row, std::string(text), "TACIT_X", from_text);
    check_holds(row, from_text);
  } catch (startup_error const& fault) {
    check_line(fault.what(), "TACIT_X: ");
  }
  return 0;
}
