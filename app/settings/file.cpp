#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <limits>
#include <memory>

#define TOML_HEADER_ONLY 1
#define TOML_ENABLE_FORMATTERS 0
#include <toml++/impl/preprocessor.h>
// What toml++ 3.3 states to the optimizer with this is not so: a table's name that begins with a
// sign ("[!]") gets there before it is refused, and would be undefined behaviour.
#undef TOML_ASSERT_ASSUME
#define TOML_ASSERT_ASSUME(condition) static_assert(true)
#include <toml++/toml.h>

#include "app/settings/table.hpp"

namespace tacit::app {

namespace {

using name_lookup = std::function<std::optional<std::uint32_t>(std::string const&)>;

class settings_file {
 public:
  settings_file(std::string const& file, surroundings const& around, settings& into)
      : file_(file), around_(around), into_(into) {}

  void table(toml::table const& entries, std::string const& prefix) const {
    for (auto const& [key, node] : entries) {
      std::string const name = prefix + std::string(key.str());
      if (name == "delivery.allow") {
        allowances(node);
      } else if (setting_row const* const row = find_setting(name)) {
        assign_from_file(*row, value_of(node, name), where(node), into_);
      } else if (node.is_table() && is_group(name)) {
        table(*node.as_table(), name + ".");
      } else {
        refuse(key.source().begin ? key.source() : node.source(), "unknown setting " + name);
      }
    }
  }

 private:
  static bool is_group(std::string const& name) {
    auto const rows = setting_rows();
    return std::any_of(rows.begin(), rows.end(),
                       [&](setting_row const& row) { return row.name.starts_with(name + "."); });
  }

  std::string where(toml::source_region const& region) const {
    return file_ + ", line " + std::to_string(region.begin.line);
  }
  std::string where(toml::node const& node) const { return where(node.source()); }

  [[noreturn]] void refuse(toml::source_region const& region, std::string const& fault) const {
    throw startup_error(where(region) + ": " + fault);
  }
  [[noreturn]] void refuse(toml::node const& node, std::string const& fault) const {
    refuse(node.source(), fault);
  }

  // Any other type of TOML (boolean, date, float) is given on as a list of nothing that fits.
  given_value value_of(toml::node const& node, std::string const& name) const {
    if (auto const* const number = node.as_integer()) return number->get();
    if (auto const* const text = node.as_string()) return text->get();
    auto const* const list = node.as_array();
    if (list == nullptr) refuse(node, name + " has a type that no setting has");
    std::vector<std::string> items;
    for (toml::node const& item : *list) {
      auto const* const text = item.as_string();
      if (text == nullptr) refuse(item, name + " must be a list of texts in quotes");
      items.push_back(text->get());
    }
    return items;
  }

  void allowances(toml::node const& node) const {
    auto const* const list = node.as_array();
    if (list == nullptr) refuse(node, "delivery.allow must be written as [[delivery.allow]]");
    into_.allow.clear();
    for (toml::node const& item : *list) {
      auto const* const entry = item.as_table();
      if (entry == nullptr) refuse(item, "delivery.allow must be written as [[delivery.allow]]");
      into_.allow.push_back(allowance(*entry));
    }
  }

  delivery_allowance allowance(toml::table const& entry) const {
    delivery_allowance allowed;
    for (auto const& [key, node] : entry) {
      std::string const member(key.str());
      if (member == "project") {
        allowed.project = text_of(node, "project", project_id_fault);
      } else if (member == "unit") {
        allowed.unit = text_of(node, "unit", unit_fault);
      } else if (member == "uid") {
        allowed.uid = id_of(node, "uid", around_.find_user);
      } else if (member == "gid") {
        allowed.gid = id_of(node, "gid", around_.find_group);
      } else {
        refuse(node, "unknown setting delivery.allow." + member);
      }
    }
    if (allowed.project.empty()) refuse(entry, "delivery.allow needs project");
    if (!allowed.uid && !allowed.gid && allowed.unit.empty()) {
      refuse(entry, "delivery.allow needs one of uid, gid and unit");
    }
    if (!allowed.uid && !allowed.gid) {
      std::string const fault = lone_unit_fault(allowed.unit);
      if (!fault.empty()) refuse(*entry.get("unit"), "delivery.allow.unit " + fault);
    }
    return allowed;
  }

  std::string text_of(toml::node const& node, std::string const& member, text_check check) const {
    auto const* const text = node.as_string();
    std::string const fault =
        text == nullptr ? std::string("must be a text in quotes") : check(text->get());
    if (!fault.empty()) refuse(node, "delivery.allow." + member + " " + fault);
    return text->get();
  }

  std::uint32_t id_of(toml::node const& node, std::string const& member,
                      name_lookup const& lookup) const {
    // The largest number means "no change" to the kernel: it is nobody's.
    constexpr std::int64_t most = std::numeric_limits<std::uint32_t>::max() - 1;
    std::string const name = "delivery.allow." + member;
    if (auto const* const number = node.as_integer()) {
      if (number->get() >= 0 && number->get() <= most) {
        return static_cast<std::uint32_t>(number->get());
      }
      refuse(node, name + " must be from 0 to " + std::to_string(most));
    }
    auto const* const text = node.as_string();
    if (text == nullptr) refuse(node, name + " must be a number or a name in quotes");
    std::optional<std::uint32_t> const found = lookup ? lookup(text->get()) : std::nullopt;
    if (!found) refuse(node, name + ": this machine has no such name: " + text->get());
    return *found;
  }

  std::string const& file_;
  surroundings const& around_;
  settings& into_;
};

}  // namespace

void apply_settings_text(std::string_view toml, std::string const& file, surroundings const& around,
                         settings& into) {
  toml::table entries;
  try {
    entries = toml::parse(toml, file);
  } catch (toml::parse_error const& fault) {
    throw startup_error(file + ", line " + std::to_string(fault.source().begin.line) + ": " +
                        std::string(fault.description()));
  }
  settings_file(file, around, into).table(entries, "");
}

void apply_settings_file(std::string const& file, surroundings const& around, settings& into) {
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> const opened(std::fopen(file.c_str(), "re"),
                                                               std::fclose);
  std::string text;
  std::array<char, 4096> piece;
  std::size_t count = 0;
  do {
    count = opened ? std::fread(piece.data(), 1, piece.size(), opened.get()) : 0;
    text.append(piece.data(), count);
  } while (count > 0);
  if (!opened || std::ferror(opened.get()) != 0) {
    throw startup_error("cannot read the settings file " + file + ": " + std::strerror(errno));
  }
  apply_settings_text(text, file, around, into);
}

}  // namespace tacit::app
