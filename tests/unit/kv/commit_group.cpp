// Changes of every kind in one group, against a model that takes them one by one.
#include <boost/test/unit_test.hpp>
#include <deque>
#include <map>
#include <optional>
#include <random>
#include <set>

#include "kv/commit_group.hpp"
#include "tests/unit/kv/running_store.hpp"

namespace tacit::kv {
namespace {

using core::errc;

constexpr char const* project_ids[] = {"a", "a-b", "ab"};
constexpr char const* names[] = {"K1", "K2", "K3", "K4"};
constexpr char const* key_ids[] = {"key-1", "key-2", "key-3"};
constexpr std::uint32_t default_limit = 3;

core::api_key_hash hash_of(std::string_view id) {
  core::api_key_hash hash{};
  hash[0] = static_cast<unsigned char>(id.back());
  return hash;
}

core::create_api_key make_key(std::string_view id, std::vector<core::project_id> projects) {
  core::api_key_entry entry(*core::api_key_id::parse(id));
  entry.hash = hash_of(id);
  entry.permissions = core::permission_set::from_bits(3);
  entry.scope.projects = std::move(projects);
  return {core::test::is_admin(), std::move(entry)};
}

// What is there, and what each change says: written down as text, so that a difference can be read.
struct model {
  struct known {
    std::uint32_t limit = 0;
    std::map<std::string, std::string> secrets;  // name: sealed value
  };
  std::map<std::string, known> projects;
  std::map<std::string, std::set<std::string>> api_keys;  // id: scope

  std::string take(core::command const& what) {
    return std::visit([this](auto const& asked) { return run(asked); }, what);
  }

  std::string run(core::upsert_secret const& asked) {
    auto const at = projects.find(std::string(asked.permit.project().text()));
    if (at == projects.end()) return "not found";
    auto& secrets = at->second.secrets;
    std::string const name(asked.name.text());
    if (!secrets.contains(name) && secrets.size() >= at->second.limit) return "full";
    secrets[name] = asked.sealed_value;
    return "secret";
  }
  std::string run(core::remove_secret const& asked) {
    auto const at = projects.find(std::string(asked.permit.project().text()));
    if (at == projects.end()) return "not found";
    bool const existed = at->second.secrets.erase(std::string(asked.name.text())) > 0;
    return existed ? "removed" : "was not there";
  }
  std::string run(core::create_project const& asked) {
    std::uint32_t const limit = asked.secret_limit == 0 ? default_limit : asked.secret_limit;
    bool const is_new = projects.try_emplace(std::string(asked.id.text()), limit).second;
    return is_new ? "project" : "conflict";
  }
  std::string run(core::delete_project const& asked) {
    std::string const id(asked.id.text());
    if (projects.erase(id) == 0) return "was not there";
    for (auto& [key, scope] : api_keys) scope.erase(id);
    return "removed";
  }
  std::string run(core::create_api_key const& asked) {
    for (auto const& id : asked.key.scope.projects) {
      if (!projects.contains(std::string(id.text()))) return "for a project that is not there";
    }
    auto& scope = api_keys[std::string(asked.key.id.text())];
    scope.clear();
    for (auto const& id : asked.key.scope.projects) scope.emplace(id.text());
    return "API key";
  }
  std::string run(core::revoke_api_key const& asked) {
    return api_keys.erase(std::string(asked.id.text())) > 0 ? "revoked" : "not found";
  }

  [[nodiscard]] std::string text() const {
    std::string all;
    for (auto const& [id, one] : projects) {
      all += id + "(" + std::to_string(one.limit) + "):";
      for (auto const& [name, sealed] : one.secrets) all.append(name + "=" + sealed + ",");
      all += "\n";
    }
    for (auto const& [id, scope] : api_keys) {
      all += id + ":";
      for (auto const& one : scope) all.append(one + ",");
      all += "\n";
    }
    return all;
  }
};

std::string outcome_text(core::result<core::outcome> const& came_of) {
  if (test::is(came_of, errc::not_found)) return "not found";
  if (test::is(came_of, errc::secret_limit_exceeded)) return "full";
  if (test::is(came_of, errc::conflict)) return "conflict";
  if (test::is(came_of, errc::validation)) return "for a project that is not there";
  if (!came_of) return "another error";
  if (std::holds_alternative<core::secret_entry>(*came_of)) return "secret";
  if (std::holds_alternative<core::project_entry>(*came_of)) return "project";
  if (std::holds_alternative<core::api_key_entry>(*came_of)) return "API key";
  if (std::holds_alternative<core::revoked>(*came_of)) return "revoked";
  return std::get<core::removed>(*came_of).existed ? "removed" : "was not there";
}

struct groups : test::surroundings {
  std::unique_ptr<database> store = open_database();
  commit_memory memory;
  std::shared_ptr<core::api_key_directory const> api_keys =
      std::make_shared<core::api_key_directory>();
  std::uint64_t sequence = 0;
  test::waiting_port port;
  std::mt19937_64 random;
  std::uint64_t record_id = 0;

  template <std::size_t Count>
  std::string_view one_of(char const* const (&texts)[Count]) {
    return texts[random() % Count];
  }

  core::command any_command() {
    std::string_view const id = one_of(project_ids);
    switch (random() % 16) {
      case 0:
      case 1:
      case 2:
        return test::create(id, static_cast<std::uint32_t>(random() % 3));
      case 3:
      case 4:
        return test::erase(id);
      case 5: {
        std::string_view const key = one_of(key_ids);
        if (has_key(key)) return core::revoke_api_key{core::test::is_admin(), key_id(key)};
        std::vector<core::project_id> scope;
        for (char const* const project : project_ids) {
          if (random() % 2 == 0) scope.push_back(test::project(project));
        }
        has_key_[std::string(key)] = true;
        return make_key(key, std::move(scope));
      }
      case 6: {
        std::string_view const key = one_of(key_ids);
        has_key_[std::string(key)] = false;
        return core::revoke_api_key{core::test::is_admin(), key_id(key)};
      }
      case 7:
      case 8:
        return test::remove(id, one_of(names));
      default:
        ++record_id;
        return test::upsert(id, one_of(names), record_id, "v" + std::to_string(record_id));
    }
  }

  // Commits them as one group. What each says.
  std::string commit(std::deque<core::change>& changes) {
    auto const directory = api_keys;
    commit_context const context{*store, memory, share.rows, default_limit, *directory};
    commit_group group(context, sequence, clock.now());
    std::string said;
    for (core::change& one : changes) {
      group.apply(one);
      said += outcome_text(one.came_of) + "\n";
    }
    static_cast<void>(group.finish());
    CHECK(store->engine().Write({}, &group.batch()).ok());
    BOOST_TEST(group.sequence() >= sequence);
    sequence = group.sequence();
    group.remember_in(memory);
    if (group.new_api_keys()) api_keys = group.new_api_keys();
    return said;
  }

  // What is on disk, as the model writes it; with what contradicts itself.
  std::string text() {
    std::string all;
    std::map<std::string, std::string> secrets;  // of each project
    for (std::string const& key : test::keys_in(*store, core::family::values)) {
      std::string sealed;
      CHECK(store->engine().Get({}, store->in(core::family::values), key, &sealed).ok());
      auto const slash = key.find('/');
      secrets[key.substr(0, slash)] += key.substr(slash + 1) + "=" + sealed + ",";
    }
    BOOST_TEST(
        test::keys_in(*store, core::family::secrets) == test::keys_in(*store, core::family::values),
        boost::test_tools::per_element());
    BOOST_TEST(test::keys_in(*store, core::family::counters) ==
                   test::keys_in(*store, core::family::projects),
               boost::test_tools::per_element());
    for (std::string const& id : test::keys_in(*store, core::family::projects)) {
      all += id + "(" + std::to_string(limit_of(id)) + "):" + secrets[id] + "\n";
      auto const count = std::count(secrets[id].begin(), secrets[id].end(), ',');
      BOOST_TEST(count_of(id) == count);
      secrets.erase(id);
    }
    BOOST_TEST(secrets.empty());  // none without a project
    for (std::string const& id : test::keys_in(*store, core::family::api_keys)) {
      auto const key = api_keys->find(hash_of(id));
      BOOST_REQUIRE(key != nullptr);
      std::string row;
      CHECK(store->engine().Get({}, store->in(core::family::api_keys), id, &row).ok());
      auto const stored = core::decode_api_key(share.rows, {core::family::api_keys, id}, row);
      BOOST_REQUIRE(stored.has_value());
      BOOST_TEST((stored->scope.projects == key->scope.projects));
      BOOST_TEST(stored->slot == key->slot);
      all += id + ":";
      for (auto const& project : stored->scope.projects) all.append(project.text()).append(",");
      all += "\n";
    }
    return all;
  }

  bool has_key(std::string_view id) { return has_key_[std::string(id)]; }
  static core::api_key_id key_id(std::string_view id) { return *core::api_key_id::parse(id); }

 private:
  std::string row_of(core::family which, std::string const& id) {
    std::string row;
    CHECK(store->engine().Get({}, store->in(which), id, &row).ok());
    return row;
  }
  std::uint32_t limit_of(std::string const& id) {
    auto const row = core::decode_project(share.rows, {core::family::projects, id},
                                          row_of(core::family::projects, id));
    BOOST_REQUIRE(row.has_value());
    return row->secret_limit == 0 ? default_limit : row->secret_limit;
  }
  std::uint32_t count_of(std::string const& id) {
    auto const row = core::decode_counters(share.rows, {core::family::counters, id},
                                           row_of(core::family::counters, id));
    BOOST_REQUIRE(row.has_value());
    return row->secrets;
  }

  std::map<std::string, bool> has_key_;  // as far as was asked
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(commit_groups, groups)

BOOST_AUTO_TEST_CASE(changes_of_every_kind_in_one_group_do_what_they_do_one_by_one) {
  for (std::uint64_t seed = 1; seed <= 6; ++seed) {
    random.seed(seed);
    model expected = {};
    // The store of the seed before stays: its projects and keys are deleted first.
    std::deque<core::change> none;
    for (char const* const id : project_ids) none.emplace_back(test::erase(id), port);
    for (char const* const id : key_ids) {
      none.emplace_back(core::revoke_api_key{core::test::is_admin(), key_id(id)}, port);
    }
    static_cast<void>(commit(none));
    BOOST_REQUIRE(text() == "");
    for (int round = 0; round < 150; ++round) {
      std::deque<core::change> changes;
      std::string said;
      for (std::size_t count = 1 + random() % 24; count > 0; --count) {
        changes.emplace_back(any_command(), port);
        said += expected.take(changes.back().what) + "\n";
      }
      BOOST_TEST_CONTEXT("seed " << seed << ", group " << round) {
        BOOST_REQUIRE_EQUAL(commit(changes), said);
        BOOST_REQUIRE_EQUAL(text(), expected.text());
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(api_keys_of_one_group_have_a_slot_each) {
  std::deque<core::change> changes;
  for (char const* const id : key_ids) changes.emplace_back(make_key(id, {}), port);
  changes.emplace_back(core::revoke_api_key{core::test::is_admin(), key_id("key-2")}, port);
  changes.emplace_back(make_key("key-4", {}), port);
  static_cast<void>(commit(changes));
  std::map<std::string, std::uint16_t> slots;
  for (auto const& [hash, key] : api_keys->keys) slots[std::string(key->id.text())] = key->slot;
  std::map<std::string, std::uint16_t> const expected{{"key-1", 0}, {"key-3", 2}, {"key-4", 1}};
  BOOST_TEST((slots == expected));
}

BOOST_AUTO_TEST_CASE(what_a_delete_takes_along_counts_among_the_bytes_of_its_group) {
  std::deque<core::change> changes;
  changes.emplace_back(test::create("a"), port);
  static_cast<void>(commit(changes));
  std::size_t bytes = 0;
  rocksdb::WriteBatch many;
  for (std::size_t i = 0; i < 100; ++i) {
    std::string const key = "a/L" + std::to_string(i);
    for (auto const which : {core::family::values, core::family::deliveries}) {
      many.Put(store->in(which), key, "");
      bytes += key.size();
    }
  }
  BOOST_REQUIRE(store->engine().Write({}, &many).ok());
  commit_context const context{*store, memory, share.rows, default_limit, *api_keys};
  commit_group group(context, sequence, clock.now());
  core::change asked(test::erase("a"), port);
  group.apply(asked);
  BOOST_TEST(group.bytes() == bytes);
}

BOOST_AUTO_TEST_CASE(what_is_remembered_is_bounded_and_has_no_labels) {
  constexpr std::size_t secrets_max = 32'768;
  constexpr std::size_t projects_max = 8192;
  std::deque<core::change> changes;
  changes.emplace_back(test::create("a"), port);
  changes.emplace_back(test::upsert("a", "K1", 1), port);
  static_cast<void>(commit(changes));
  BOOST_TEST((memory.secrets.at("a/K1")->last_four.reveal() == ""));
  for (std::size_t i = 0; i < secrets_max; ++i) memory.secrets["x/" + std::to_string(i)] = {};
  for (std::size_t i = 0; i < projects_max; ++i) {
    memory.projects[test::project("x" + std::to_string(i))] = {};
  }
  changes.clear();
  changes.emplace_back(test::upsert("a", "K2", 1), port);
  static_cast<void>(commit(changes));
  BOOST_TEST(memory.secrets.size() <= secrets_max);
  BOOST_TEST(memory.projects.size() <= projects_max);

  rocksdb::WriteBatch many;
  for (std::size_t i = 0; i < secrets_max; ++i) {
    many.Put(store->in(core::family::values), "a/L" + std::to_string(i), "");
  }
  BOOST_REQUIRE(store->engine().Write({}, &many).ok());
  changes.clear();
  changes.emplace_back(test::erase("a"), port);
  static_cast<void>(commit(changes));
  BOOST_TEST(memory.secrets.size() <= secrets_max);
  BOOST_REQUIRE_EQUAL(text(), "");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace tacit::kv
