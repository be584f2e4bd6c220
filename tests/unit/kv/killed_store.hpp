// A store whose server was killed, to be damaged and looked at, again and again.
#pragma once

#include <boost/test/unit_test.hpp>
#include <fstream>
#include <map>
#include <system_error>

#include "kv/salvage.hpp"
#include "tests/unit/kv/running_store.hpp"

namespace tacit::kv::test {

namespace fs = std::filesystem;

inline std::string value_of(std::string_view id, std::string_view name) {
  return std::string(id) + "/" + std::string(name) + std::string(300, '.');
}

inline std::string read_file(fs::path const& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}
inline void write_file(fs::path const& path, std::string const& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

// Two projects with four secrets each, at first in the log alone, as a kill leaves them.
struct killed_store : surroundings {
  static constexpr std::array ids{"bot", "shop"};
  static constexpr std::array names{"A", "B", "C", "D"};

  killed_store() {
    running_store store(*this);
    for (char const* const id : ids) {
      static_cast<void>(store.must<core::project_entry>(create(id)));
      for (char const* const name : names) {
        static_cast<void>(store.must<core::secret_entry>(upsert(id, name, 1, value_of(id, name))));
      }
    }
    keep();
    CHECK(store.finish());
  }
  // While the store runs RocksDB may make files, and remove those that it needs no more, in the
  // middle of it.
  void keep() {
    std::error_code failed;
    std::map<fs::path, std::uintmax_t> before;
    do {
      before = sizes();
      fs::remove_all(good);
      fs::copy(folder.store(), good, fs::copy_options::recursive, failed);
    } while (failed == std::errc::no_such_file_or_directory || sizes() != before);
    CHECK(!failed);
  }
  std::map<fs::path, std::uintmax_t> sizes() const {
    std::map<fs::path, std::uintmax_t> found;
    std::error_code gone;
    for (auto const& entry : fs::directory_iterator(folder.store())) {
      found[entry.path()] = entry.file_size(gone);
    }
    return found;
  }
  void begin_with(std::string const& from) {
    fs::remove_all(folder.store());
    fs::copy(from, folder.store(), fs::copy_options::recursive);
  }
  // Everything in tables.
  void flush_good() {
    begin_with(good);
    CHECK(running_store(*this).finish());
    keep();
  }
  fs::path only(std::string_view extension) const {
    std::vector<fs::path> const all = files(extension);
    for (fs::path const& one : all) {
      if (fs::file_size(one) > 0) return one;
    }
    return {};
  }
  std::vector<fs::path> files(std::string_view extension) const {
    std::vector<fs::path> found;
    for (auto const& entry : fs::directory_iterator(folder.store())) {
      if (entry.path().extension() == extension) found.push_back(entry.path());
    }
    std::sort(found.begin(), found.end());
    return found;
  }

  salvaged look(bool makes_new = false) {
    auto const opens = [](core::value_place const& place, std::string_view sealed) {
      return sealed == value_of(place.project.text(), place.name.text());
    };
    std::optional<std::string> into;
    if (makes_new) {
      into = folder.path() + "/new";
      fs::remove_all(*into);
      fs::create_directory(*into);
    }
    return salvage({folder.store(), share.check, &log, nullptr}, {share.rows, opens}, into);
  }

  // How many secrets a server finds in the new store: each with its value, all others were named.
  std::size_t left_of(salvaged const& found) {
    use_new();
    running_store store(*this);
    std::size_t left = 0;
    for (char const* const id : ids) {
      bool const is_there = store->find_project(project(id)) == core::project_state::present;
      // What cannot be read may be of anything.
      bool const is_cut = !found.damaged_logs.empty() || found.lost_last_changes > 0;
      bool const is_said = is_cut || found.lost_changes.contains("project " + std::string(id));
      if (!is_there) BOOST_TEST(is_said);
      auto const sealed = store->sealed_values(project(id));
      auto const list = store.list(id);
      BOOST_REQUIRE(sealed.has_value() == is_there);
      BOOST_REQUIRE(list.has_value() == is_there);
      std::set<std::string> there;
      for (auto const& one : is_there ? sealed->records : std::vector<sealed_record>()) {
        BOOST_TEST(one.sealed == value_of(id, one.name.text()));
        there.insert(std::string(one.name.text()));
      }
      if (is_there) BOOST_TEST(list->secrets.size() == there.size());
      if (is_there) BOOST_TEST(store.show(id)->secret_count == there.size());
      left += there.size();
      for (char const* const name : names) {
        std::string const key = std::string(id) + "/" + name;
        bool const is_named =
            is_cut || found.lost_secrets.contains(key) || found.lost_changes.contains(key);
        BOOST_TEST((there.contains(name) || is_named), key << " is lost and not named");
      }
      if (is_there) BOOST_TEST(store.ask(upsert(id, "NEW", 2)).has_value());
    }
    BOOST_TEST(found.secrets == left);
    return left;
  }

  // In the place of the old store.
  void use_new() {
    fs::remove_all(folder.store());
    fs::rename(folder.path() + "/new", folder.store());
  }
  void put(core::family in, std::string const& key, std::string const& bytes) {
    auto const raw = open_database();
    CHECK(raw->engine().Put({}, raw->in(in), key, bytes).ok());
  }
  std::string const good = folder.path() + "/good";
};

}  // namespace tacit::kv::test
