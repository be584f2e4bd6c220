// Receipts of deliveries in the store: kept, bounded, and without a trace in what lists show.
#include <boost/test/unit_test.hpp>
#include <set>

#include "core/record.hpp"
#include "tests/unit/kv/running_store.hpp"

namespace tacit::kv {
namespace {

using core::errc;
using test::running_store;

core::consumer web(std::string_view unit = "web.service") {
  return core::consumer::process(1000, unit, "box");
}

struct running : test::surroundings {
  running_store store{*this};

  running() {
    make("bot");
    put("bot", "A");
    put("bot", "B");
  }

  void make(std::string_view id) {
    static_cast<void>(store.must<core::project_entry>(test::create(id)));
  }
  std::uint64_t put(std::string_view id, std::string_view name) {
    return store.must<core::secret_entry>(test::upsert(id, name, 1)).version;
  }

  static core::receipt receipt(core::delivery_extent extent, std::vector<char const*> const& names,
                               std::int64_t at, core::consumer to = web(),
                               std::string_view id = "bot") {
    core::receipt made{test::project(id), std::move(to), core::timestamp{at}, extent, {}};
    for (char const* const name : names) {
      made.secrets.push_back({test::secret(name), 1, core::timestamp{at}});
    }
    return made;
  }
  static core::receipt whole(std::vector<char const*> const& names, std::int64_t at,
                             core::consumer to = web(), std::string_view id = "bot") {
    return receipt(core::delivery_extent::whole, names, at, std::move(to), id);
  }
  static core::receipt part(std::vector<char const*> const& names, std::int64_t at) {
    return receipt(core::delivery_extent::part, names, at);
  }

  // Returns when they are written: receipts go before the second change that comes after them.
  void note(std::vector<core::receipt> receipts) {
    store->note_deliveries(std::move(receipts));
    for (int i = 0; i < 2; ++i) static_cast<void>(store.ask(test::remove("none", "NONE")));
  }

  core::result<core::delivery_records> read(std::string_view id = "bot") {
    return store->list_deliveries(core::test::may_read(test::project(id)));
  }
  // "web.service@5 A@5 B@5, "
  std::string text(std::string_view id = "bot") {
    std::string told;
    auto const records = read(id);
    for (core::receipt const& one : records->receipts) {
      told += one.to.unit + "@" + std::to_string(one.at.unix_milliseconds);
      for (auto const& [name, version, at] : one.secrets) {
        told.append(" ").append(name.text()).append("@" + std::to_string(at.unix_milliseconds));
      }
      told += ", ";
    }
    return told;
  }
  std::size_t rows() {
    BOOST_TEST(store.finish());
    std::string const copy = folder.path() + "/copy";
    std::filesystem::copy(folder.store(), copy, std::filesystem::copy_options::recursive);
    return test::keys_in(*database::open(copy, share.check, log), core::family::deliveries).size();
  }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(deliveries, running)

BOOST_AUTO_TEST_CASE(a_receipt_is_kept_beside_what_is_stored) {
  BOOST_TEST(text() == "");
  note({whole({"A", "B"}, 5)});
  BOOST_TEST(text() == "web.service@5 A@5 B@5, ");
  auto const records = read();
  auto const list = store.list("bot");
  BOOST_REQUIRE(records->stored.size() == 2u);
  for (std::size_t i = 0; i < 2; ++i) {
    BOOST_TEST((records->stored[i].first == list->secrets[i].name));
    BOOST_TEST(records->stored[i].second == list->secrets[i].version);
  }
  BOOST_TEST((records->receipts[0].to == web()));
  BOOST_TEST(test::is(read("none"), errc::not_found));
}

BOOST_AUTO_TEST_CASE(a_receipt_is_there_after_the_store_was_closed) {
  note({whole({"A"}, 5)});
  store->note_deliveries({whole({"A", "B"}, 6)});  // written by the end at the latest
  BOOST_TEST(store.finish());
  std::string const copy = folder.path() + "/copy";
  std::filesystem::copy(folder.store(), copy, std::filesystem::copy_options::recursive);
  kv::store const again(database::open(copy, share.check, log), {share.rows, clock, limiter, log},
                        25);
  auto const records = again.list_deliveries(core::test::may_read(test::project("bot")));
  BOOST_REQUIRE(records->receipts.size() == 1u);
  BOOST_TEST(records->receipts[0].secrets.size() == 2u);
  BOOST_TEST(records->receipts[0].at.unix_milliseconds == 6);
}

BOOST_AUTO_TEST_CASE(a_whole_receipt_replaces_the_row_and_a_part_is_added_to_it) {
  note({whole({"A", "B"}, 5)});
  note({part({"B"}, 6)});
  BOOST_TEST(text() == "web.service@6 A@5 B@6, ");
  note({whole({"A"}, 7)});
  BOOST_TEST(text() == "web.service@7 A@7, ");
  note({whole({"A"}, 8), part({"B"}, 9)});  // of one batch
  BOOST_TEST(text() == "web.service@9 A@8 B@9, ");
}

BOOST_AUTO_TEST_CASE(what_is_stored_no_more_stays_until_the_next_delivery_also_of_a_part) {
  note({whole({"A", "B"}, 5)});
  static_cast<void>(store.must<core::removed>(test::remove("bot", "A")));
  BOOST_TEST(text() == "web.service@5 A@5 B@5, ");
  note({part({"B"}, 6)});
  BOOST_TEST(text() == "web.service@6 B@6, ");
}

BOOST_AUTO_TEST_CASE(neither_revision_nor_generation_nor_sequence_moves) {
  auto const revision = store.list("bot")->revision;
  auto const generation = store->project_generation(test::project("bot"));
  auto const set = store->project_set_generation();
  auto const updated = store.show("bot")->updated;
  clock.milliseconds += 60'000;
  note({whole({"A", "B"}, 5)});
  BOOST_TEST(text() != "");
  BOOST_TEST(store.list("bot")->revision == revision);
  BOOST_TEST(store->project_generation(test::project("bot")) == generation);
  BOOST_TEST(store->project_set_generation() == set);
  BOOST_TEST((store.show("bot")->updated == updated));
}

BOOST_AUTO_TEST_CASE(a_project_takes_its_receipts_along_and_one_that_is_not_there_gets_none) {
  make("bo");
  note({whole({"A"}, 5), whole({"A"}, 5, web(), "bo"), whole({"A"}, 5, web(), "none")});
  BOOST_TEST(text() != "");
  BOOST_TEST(store.must<core::removed>(test::erase("bot")).existed);
  BOOST_TEST(text("bo") == "web.service@5 A@5, ");
  note({whole({"A"}, 6)});  // a delivery that was under way
  make("bot");
  BOOST_TEST(text() == "");
  BOOST_TEST(rows() == 1u);
}

BOOST_AUTO_TEST_CASE(beyond_the_bound_the_consumers_of_the_oldest_deliveries_go) {
  constexpr std::size_t most = core::limits::consumers_per_project_max;
  make("bo");
  note({whole({}, 1, web("neighbour"), "bo")});
  std::vector<core::receipt> many;
  for (std::size_t i = 0; i < most; ++i) {
    // In another order than their keys: the middle one is the oldest.
    auto const at = static_cast<std::int64_t>(1000 + (i + most / 2) % most);
    many.push_back(whole({"A"}, at, web(std::to_string(i))));
  }
  note(std::move(many));
  auto const units = [&] {
    std::set<std::string> told;
    auto const records = read();
    for (core::receipt const& one : records->receipts) told.insert(one.to.unit);
    return told;
  };
  BOOST_TEST(units().size() == most);
  note({whole({"A"}, 900, web(std::to_string(most / 2)))});  // a known one: nobody goes
  BOOST_TEST(units().size() == most);
  note({whole({"A"}, 3000, web("new"))});
  BOOST_TEST(units().size() == most);
  BOOST_TEST(!units().contains(std::to_string(most / 2)));
  BOOST_TEST(units().contains("new"));
  note({whole({"A"}, 3000, web("new 2")), whole({"A"}, 1, web("too-old")),
        whole({"A"}, 3001, web(std::to_string(most / 2 + 1)))});
  BOOST_TEST(units().size() == most);
  BOOST_TEST(!units().contains("too-old"));
  BOOST_TEST(units().contains("new?2"));
  BOOST_TEST(units().contains(std::to_string(most / 2 + 1)));
  BOOST_TEST(!units().contains(std::to_string(most / 2 + 2)));
  BOOST_TEST(text("bo") == "neighbour@1, ");
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_FIXTURE_TEST_SUITE(deliveries_on_disk, test::surroundings)

namespace {

// How often the log of writes was synced.
std::string syncs(database const& opened) {
  std::string text;
  BOOST_TEST(opened.engine().GetProperty("rocksdb.dbstats", &text));
  std::size_t const line = text.find("Cumulative WAL");
  BOOST_REQUIRE(line != std::string::npos);
  std::size_t const end = text.find(" syncs", line);
  return text.substr(text.rfind(' ', end - 1), end - text.rfind(' ', end - 1));
}

}  // namespace

BOOST_AUTO_TEST_CASE(receipts_are_written_without_waiting_for_the_disk) {
  auto opened = open_database();
  database const& raw = *opened;
  kv::store store(std::move(opened), {share.rows, clock, limiter, log}, 25);
  std::jthread const commits([&] { static_cast<void>(store.run_commits()); });
  auto const ask = [&](core::command what) {
    test::waiting_port port;
    core::change asked(std::move(what), port);
    BOOST_REQUIRE(store.submit(asked).has_value());
    port.wait_for(1);
  };
  auto const receipts = [&] {
    return store.list_deliveries(core::test::may_read(test::project("bot")))->receipts;
  };
  ask(test::create("bot"));
  std::string const before = syncs(raw);
  for (std::int64_t i = 1; i <= 20; ++i) {
    store.note_deliveries(
        {{test::project("bot"), web(), core::timestamp{i}, core::delivery_extent::whole, {}}});
    while (receipts().empty() || receipts()[0].at.unix_milliseconds != i) std::this_thread::yield();
  }
  BOOST_TEST(syncs(raw) == before);
  ask(test::upsert("bot", "A", 1));
  BOOST_TEST(syncs(raw) != before);
  store.close();
}

BOOST_AUTO_TEST_CASE(the_keepers_mark_waits_for_the_disk_once) {
  auto opened = open_database();
  database const& raw = *opened;
  kv::store store(std::move(opened), {share.rows, clock, limiter, log}, 25);
  std::jthread const commits([&] { static_cast<void>(store.run_commits()); });
  std::string before = syncs(raw);
  store.note_epoch_mark("mark");
  while (!store.epoch_mark() || *store.epoch_mark() != "mark") std::this_thread::yield();
  auto const refuse_one = [&] {
    test::waiting_port port;
    core::change asked(test::remove("none", "NONE"), port);
    BOOST_REQUIRE(store.submit(asked).has_value());
    port.wait_for(1);
  };
  refuse_one();
  BOOST_TEST(syncs(raw) != before);
  before = syncs(raw);
  for (int i = 0; i < 5; ++i) refuse_one();
  BOOST_TEST(syncs(raw) == before);
  store.close();
}

BOOST_AUTO_TEST_CASE(a_damaged_receipt_is_refused_and_mended_by_the_next_delivery) {
  core::receipt const one{test::project("bot"),
                          web(),
                          core::timestamp{5},
                          core::delivery_extent::whole,
                          {{test::secret("A"), 1, core::timestamp{5}}}};
  std::string const key = core::receipt_key_of(share.rows, one.project, one.to);
  {
    running_store store(*this);
    static_cast<void>(store.must<core::project_entry>(test::create("bot")));
    store->note_deliveries({one});
    BOOST_TEST(store.finish());
  }
  {
    auto const raw = open_database();
    std::string row;
    BOOST_TEST(raw->engine().Get({}, raw->in(core::family::deliveries), key, &row).ok());
    row[3] = static_cast<char>(row[3] ^ 1);
    BOOST_TEST(raw->engine().Put({}, raw->in(core::family::deliveries), key, row).ok());
  }
  running_store store(*this);
  auto const read = [&] {
    return store->list_deliveries(core::test::may_read(test::project("bot")));
  };
  BOOST_TEST(test::is(read(), errc::corrupt));
  BOOST_TEST(store.list("bot").has_value());
  store->note_deliveries({one});
  BOOST_TEST(store.finish());
  BOOST_REQUIRE(read().has_value());
  BOOST_TEST((read()->receipts[0].secrets == one.secrets));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace tacit::kv
