// Rows that were exchanged, moved or copied behind the store's back, each with every other: an
// error or what was written, never another's value, name, count or time.
#include <boost/test/unit_test.hpp>
#include <set>

#include "core/sealing.hpp"
#include "tests/unit/kv/running_store.hpp"

namespace tacit::kv {
namespace {

using core::errc;
using core::family;

constexpr std::array ids{"bot", "shop"};
constexpr std::array names{"A", "B", "C"};

std::string value_of(std::string_view id, std::string_view name) {
  return std::string(id) + "'s value of " + std::string(name);
}

struct row {
  family in;
  std::string key;
  std::string bytes;
};

// Two projects with three secrets each, sealed as the api seals them, and receipts; what is in the
// database can be changed while the store is open.
struct full_store : test::surroundings {
  full_store() {
    auto opened = open_database();
    raw = opened.get();
    open = std::make_unique<store>(std::move(opened), store_parts{share.rows, clock, limiter, log},
                                   25);
    std::jthread const commits([this] { CHECK(open->run_commits()); });
    core::sealer seals(share.public_key, share.record);
    for (char const* const id : ids) {
      ask(test::create(id));
      core::project_id const project = test::project(id);
      for (char const* const name : names) {
        auto const record_id = static_cast<std::uint64_t>(clock.milliseconds += 7);
        core::secret_name const named = test::secret(name);
        std::string sealed = seals.seal(value_of(id, name), {project, named, record_id}, 1);
        ask(test::upsert(id, name, record_id, std::move(sealed), std::string(name) + id));
      }
    }
    open->close();
  }

  void ask(core::command what) {
    test::waiting_port port;
    core::change asked(std::move(what), port);
    CHECK(open->submit(asked).has_value());
    port.wait_for(1);
    CHECK(asked.came_of.has_value());
  }

  std::vector<row> rows() const {
    std::vector<row> all;
    for (family const in : {family::projects, family::secrets, family::values, family::counters}) {
      std::unique_ptr<rocksdb::Iterator> const at(raw->engine().NewIterator({}, raw->in(in)));
      for (at->SeekToFirst(); at->Valid(); at->Next()) {
        all.push_back({in, at->key().ToString(), at->value().ToString()});
      }
      CHECK(at->status().ok());
    }
    return all;
  }
  void put(row const& at, std::string const& bytes) {
    CHECK(raw->engine().Put({}, raw->in(at.in), at.key, bytes).ok());
  }
  void erase(row const& at) { CHECK(raw->engine().Delete({}, raw->in(at.in), at.key).ok()); }

  // Everything that is told of a project, as text; "" for what is an error. Counts `sealed` of
  // values that the store would have handed out and that were another's.
  std::string all_of(std::string_view id) {
    core::project_id const project = test::project(id);
    auto const permit = core::test::may_read(project);
    std::string told;
    if (auto const shown = open->show_project(permit)) {
      told += shown->name + " counts " + std::to_string(shown->secret_count) + ";";
    } else if (shown.error() == errc::not_found) {
      told += "absent;";
    }
    if (auto const list = open->list_secrets(permit)) {
      for (auto const& one : list->secrets) {
        told.append(one.name.text()).append(" ends with ").append(one.last_four.reveal());
        told += " since " + std::to_string(one.created.unix_milliseconds) + ";";
      }
    } else if (list.error() == errc::not_found) {
      told += "absent;";
    }
    return told + values_of(project);
  }

  std::string values_of(core::project_id const& project) {
    auto const sealed = open->sealed_values(project);
    if (!sealed) return sealed.error() == errc::not_found ? "absent;" : "";
    std::string told;
    for (auto const& one : sealed->records) {
      core::secret_buffer value(64);
      bool const opens =
          core::open_value(keeper, one.sealed, {project, one.name, one.record_id}, value)
              .has_value();
      if (!opens) ++refused_by_keeper;
      if (!opens) return "";  // the whole delivery is refused
      told.append(one.name.text()).append("=").append(value.reveal()).append(";");
    }
    return told;
  }

  // Whether each part of what is told now was told before, or is not told.
  bool is_right() {
    for (char const* const id : ids) {
      std::string const now = all_of(id);
      if (now != before.at(id)) ++noticed;
      for (std::size_t at = 0; at < now.size();) {
        auto const end = now.find(';', at);
        if (!before.at(id).contains_part(now.substr(at, end - at + 1))) return false;
        at = end + 1;
      }
    }
    return true;
  }

  struct parts : std::string {
    bool contains_part(std::string const& part) const {
      return (";" + *this).find(";" + part) != npos;
    }
  };
  database* raw = nullptr;
  std::unique_ptr<store> open;
  core::keeper_share const keeper = core::derive_keeper_share(core::test::sample_root());
  std::map<std::string, parts> before;
  unsigned noticed = 0;
  unsigned refused_by_keeper = 0;
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(swapped, full_store)

BOOST_AUTO_TEST_CASE(no_row_is_believed_at_another_place_and_none_is_missed) {
  for (char const* const id : ids) before[id] = {all_of(id)};
  BOOST_TEST(before["bot"].contains_part("A=bot's value of A;"));
  std::vector<row> const all = rows();
  BOOST_TEST(all.size() == 16u);
  unsigned done = 0;
  for (row const& one : all) {
    for (row const& other : all) {
      if (&one == &other) continue;
      put(one, other.bytes);  // a copy
      BOOST_TEST(is_right(), "a copy of " << other.key << " at " << one.key);
      put(other, one.bytes);  // exchanged
      BOOST_TEST(is_right(), one.key << " and " << other.key << " exchanged");
      erase(other);  // moved
      BOOST_TEST(is_right(), other.key << " moved to " << one.key);
      put(one, one.bytes);  // gone
      BOOST_TEST(is_right(), other.key << " is gone");
      put(other, other.bytes);
      done += 4;
    }
  }
  BOOST_TEST(noticed >= done);           // each is an error in at least one answer
  BOOST_TEST(refused_by_keeper > 100u);  // where the store alone would have been wrong
  noticed = 0;
  BOOST_TEST(is_right());
  BOOST_TEST(noticed == 0u);
}

// The control: without the keeper's look at where a value belongs, another's is delivered.
BOOST_AUTO_TEST_CASE(a_keeper_that_does_not_look_delivers_another_value) {
  std::vector<row> const all = rows();
  auto const find = [&](std::string_view key) {
    return *std::find_if(all.begin(), all.end(), [&](row const& one) {
      return one.in == family::values && one.key == key;
    });
  };
  put(find("bot/A"), find("shop/A").bytes);
  auto const sealed = open->sealed_values(test::project("bot"));
  BOOST_REQUIRE(sealed.has_value());
  BOOST_TEST(sealed->records[0].sealed == find("shop/A").bytes);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace tacit::kv
