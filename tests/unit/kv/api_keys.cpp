// API keys in the store: slots, buckets, the directory, last uses.
#include <boost/test/unit_test.hpp>

#include "tests/unit/kv/running_store.hpp"

namespace tacit::kv {
namespace {

using core::bucket_kind;
using core::errc;
using test::running_store;

core::api_key_id id_of(std::string_view text) { return *core::api_key_id::parse(text); }

core::api_key_entry entry_of(std::string_view id) {
  core::api_key_entry entry(id_of(id));
  entry.name = "name of " + std::string(id);
  std::copy(id.begin(), id.end(), entry.hash.begin());
  entry.slot = 999;  // the store gives it
  entry.permissions = core::permission_set::from_bits(3);
  entry.scope.all = true;
  return entry;
}

struct running : test::surroundings {
  running_store store{*this};

  core::api_key_entry make(std::string_view id) {
    return store.must<core::api_key_entry>(
        core::create_api_key{core::test::is_admin(), entry_of(id)});
  }
  core::result<core::outcome> revoke(std::string_view id) {
    return store.ask(core::revoke_api_key{core::test::is_admin(), id_of(id)});
  }
  bool known(std::string_view id) { return store->api_keys()->find(entry_of(id).hash) != nullptr; }
  std::vector<core::api_key_entry> list() { return store->list_api_keys(core::test::is_admin()); }
};

// Looks at the store at the moment a change is completed.
struct watching_port final : core::completion_port {
  explicit watching_port(running& in) : around(in) {}
  void complete(core::change* first) noexcept override {
    known_then = around.known("k1");
    generation_then = around.store->api_key_generation();
    inner.complete(first);
  }
  running& around;
  bool known_then = false;
  std::uint64_t generation_then = 0;
  test::waiting_port inner;
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(api_keys, running)

BOOST_AUTO_TEST_CASE(a_new_key_is_in_the_directory_before_its_completion_is_seen) {
  watching_port port(*this);
  auto const before = store->api_key_generation();
  core::change asked(core::create_api_key{core::test::is_admin(), entry_of("k1")}, port);
  BOOST_TEST(store->submit(asked).has_value());
  port.inner.wait_for(1);
  BOOST_TEST(port.known_then);
  BOOST_TEST(port.generation_then > before);
}

BOOST_AUTO_TEST_CASE(a_revoked_key_is_gone_from_the_directory_before_its_completion_is_seen) {
  static_cast<void>(make("k1"));
  static_cast<void>(make("k2"));
  watching_port port(*this);
  auto const before = store->api_key_generation();
  core::change asked(core::revoke_api_key{core::test::is_admin(), id_of("k1")}, port);
  BOOST_TEST(store->submit(asked).has_value());
  port.inner.wait_for(1);
  BOOST_TEST(asked.came_of.has_value());
  BOOST_TEST(!port.known_then);
  BOOST_TEST(port.generation_then > before);
  BOOST_TEST(known("k2"));
  BOOST_TEST(list().size() == 1u);
}

BOOST_AUTO_TEST_CASE(a_key_that_is_not_there_cannot_be_revoked_and_one_in_use_not_by_itself) {
  static_cast<void>(make("k1"));
  BOOST_TEST(test::is(revoke("k2"), errc::not_found));
  auto key = core::test::api_key(4, {true, {}});
  key->id = id_of("k1");
  core::test::open_gate open;
  auto const permit = core::permit_admin(open.admit(*core::caller::from_api_key(key, {})));
  BOOST_TEST(test::is(store.ask(core::revoke_api_key{*permit, id_of("k1")}), errc::validation));
  BOOST_TEST(known("k1"));
  BOOST_TEST(revoke("k1").has_value());
  BOOST_TEST(test::is(revoke("k1"), errc::not_found));
}

// Else a project that is made anew under the id would be the key's too.
BOOST_AUTO_TEST_CASE(a_key_is_made_for_projects_that_are_there_when_it_is_decided) {
  static_cast<void>(store.must<core::project_entry>(test::create("bot")));
  core::api_key_entry key = entry_of("k1");
  key.scope = {false, {test::project("bot")}};
  test::waiting_port port;
  core::change erased(core::delete_project{core::test::is_admin(), test::project("bot")}, port);
  core::change made(core::create_api_key{core::test::is_admin(), key}, port);
  core::change again(test::create("bot"), port);
  for (core::change* const one : {&erased, &made, &again}) {
    BOOST_REQUIRE(store->submit(*one).has_value());
  }
  port.wait_for(3);
  BOOST_TEST(core::test::is(made.came_of, errc::validation));
  BOOST_TEST(again.came_of.has_value());
  BOOST_TEST(!known("k1"));
  BOOST_TEST(store.ask(core::create_api_key{core::test::is_admin(), key}).has_value());
}

BOOST_AUTO_TEST_CASE(slots_are_given_out_lowest_first_and_again_once_free) {
  for (unsigned i = 0; i < 5; ++i) BOOST_TEST(make("k" + std::to_string(i)).slot == i);
  BOOST_TEST(revoke("k3").has_value());
  BOOST_TEST(revoke("k1").has_value());
  BOOST_TEST(make("k5").slot == 1);
  BOOST_TEST(make("k6").slot == 3);
  BOOST_TEST(make("k7").slot == 5);
}

BOOST_AUTO_TEST_CASE(a_slot_given_out_again_has_full_buckets_and_its_neighbours_keep_theirs) {
  static_cast<void>(make("k0"));
  static_cast<void>(make("k1"));
  for (std::uint16_t slot = 0; slot < 2; ++slot) {
    for (auto const kind : {bucket_kind::read, bucket_kind::write}) {
      while (limiter.take(slot, kind, 1).admitted) {
      }
    }
  }
  BOOST_TEST(revoke("k1").has_value());
  BOOST_TEST(make("k2").slot == 1);
  BOOST_TEST(limiter.take(1, bucket_kind::read, 1).admitted);
  BOOST_TEST(limiter.take(1, bucket_kind::write, 1).admitted);
  BOOST_TEST(!limiter.take(0, bucket_kind::read, 1).admitted);
  BOOST_TEST(!limiter.take(0, bucket_kind::write, 1).admitted);
}

BOOST_AUTO_TEST_CASE(no_more_keys_are_made_than_there_are_slots) {
  store.finish();
  std::filesystem::create_directory(folder.path() + "/raw");
  auto const raw = database::open(folder.path() + "/raw", share.check, log);
  core::api_key_directory full;
  for (std::size_t slot = 0; slot < core::limits::api_keys_max; ++slot) {
    auto entry = std::make_shared<core::api_key_entry>(entry_of("k" + std::to_string(slot)));
    entry->slot = static_cast<std::uint16_t>(slot);
    full.keys.emplace(entry->hash, entry);
  }
  commit_memory const nothing;
  commit_context const context{*raw, nothing, share.rows, 25, full};
  test::waiting_port port;
  core::change one_more(core::create_api_key{core::test::is_admin(), entry_of("more")}, port);
  commit_group refusing(context, 0, {});
  refusing.apply(one_more);
  BOOST_TEST(test::is(one_more.came_of, errc::conflict));
  BOOST_TEST(refusing.batch().Count() == 0u);

  full.keys.erase(entry_of("k4095").hash);
  commit_group taking(context, 0, {});
  taking.apply(one_more);
  BOOST_REQUIRE(one_more.came_of.has_value());
  BOOST_TEST(std::get<core::api_key_entry>(*one_more.came_of).slot == 4095);
}

BOOST_AUTO_TEST_CASE(keys_are_listed_by_their_creation_and_found_by_their_hash_after_a_reopen) {
  clock.milliseconds = 3000;
  static_cast<void>(make("k9"));
  clock.milliseconds = 4000;
  static_cast<void>(make("k2"));
  static_cast<void>(make("k1"));
  auto const order = [](std::vector<core::api_key_entry> const& keys) {
    std::string text;
    for (auto const& key : keys) text.append(key.id.text()).append(",");
    return text;
  };
  BOOST_TEST(order(list()) == "k9,k1,k2,");
  BOOST_TEST(list()[0].created.unix_milliseconds == 3000);
  BOOST_TEST(store.finish());
  std::filesystem::copy(folder.store(), folder.path() + "/copy",
                        std::filesystem::copy_options::recursive);
  kv::store const again(database::open(folder.path() + "/copy", share.check, log),
                        {share.rows, clock, limiter, log}, 25);
  BOOST_TEST(order(again.list_api_keys(core::test::is_admin())) == "k9,k1,k2,");
  auto const found = again.api_keys()->find(entry_of("k2").hash);
  BOOST_REQUIRE(found != nullptr);
  BOOST_TEST(found->name == "name of k2");
  BOOST_TEST(found->slot == 1);
}

BOOST_AUTO_TEST_CASE(a_last_use_is_listed_at_once_and_is_still_there_after_a_reopen) {
  auto const key = make("k1");
  static_cast<void>(make("k2"));
  BOOST_TEST(!list()[0].last_used.has_value());
  store->note_use(key, {10'000});
  BOOST_TEST(list()[0].last_used->unix_milliseconds == 10'000);
  store->note_use(key, {10'999});  // less than a second later: not worth a write
  BOOST_TEST(list()[0].last_used->unix_milliseconds == 10'000);
  store->note_use(key, {11'000});
  BOOST_TEST(list()[0].last_used->unix_milliseconds == 11'000);
  store->note_use(key, {5'000});
  BOOST_TEST(list()[0].last_used->unix_milliseconds == 11'000);
  BOOST_TEST(!list()[1].last_used.has_value());
  BOOST_TEST(store.finish());
  std::filesystem::copy(folder.store(), folder.path() + "/copy",
                        std::filesystem::copy_options::recursive);
  kv::store const again(database::open(folder.path() + "/copy", share.check, log),
                        {share.rows, clock, limiter, log}, 25);
  auto const keys = again.list_api_keys(core::test::is_admin());
  BOOST_REQUIRE(keys.size() == 2u);
  BOOST_TEST(keys[0].last_used->unix_milliseconds == 11'000);
  BOOST_TEST(!keys[1].last_used.has_value());
}

BOOST_AUTO_TEST_CASE(a_new_key_does_not_inherit_the_last_use_of_its_slot) {
  store->note_use(make("k1"), {10'000});
  BOOST_TEST(revoke("k1").has_value());
  BOOST_TEST(make("k2").slot == 0);
  BOOST_TEST(!list()[0].last_used.has_value());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace tacit::kv
