// Messages between keeper and api: the keeper takes every byte as hostile.
#include "core/channel.hpp"

#include <boost/test/unit_test.hpp>

#include "core/sealing.hpp"
#include "tests/unit/core/samples.hpp"

namespace tacit::core {
namespace {

// Every field has a value of its own, so that two that changed places are seen.
start_message sample_start() {
  start_message message;
  api_settings& settings = message.settings;
  settings.store_dir = "a/folder with spaces/store";
  settings.change_user = true;
  settings.confine = false;
  settings.show_first_key = true;
  settings.log_level = 3;
  settings.threads = 0x1234;
  settings.listeners = 0x4321;
  std::uint32_t number = 0xA0B0'0000;
  for (std::uint32_t* field :
       {&settings.user, &settings.group, &settings.owner, &settings.reads_per_minute,
        &settings.writes_per_minute, &settings.failed_auth_per_minute,
        &settings.secrets_per_project, &settings.last_four_min_length, &settings.head_bytes,
        &settings.body_bytes, &settings.head_seconds, &settings.body_seconds,
        &settings.idle_seconds, &settings.connections, &settings.list_cache_megabytes}) {
    *field = ++number;
  }
  message.share = derive_api_share(test::sample_root());
  return message;
}

fetch_message sample_fetch() { return {0x01020304, test::project("trading-bot")}; }
record_message sample_record() {
  return {0x01020304, test::secret("API_KEY"), 0x1122334455667788, 42, "sealed bytes"};
}
fetched_message sample_fetched() { return {0x01020304, fetch_outcome::found, 7, 1ull << 63}; }

bool refused_by_api(std::string_view datagram) {
  return test::is(decode_to_api(datagram), errc::corrupt);
}
bool refused_by_keeper(std::string_view datagram) {
  return test::is(decode_to_keeper(datagram), errc::corrupt);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(channel)

BOOST_AUTO_TEST_CASE(the_start_comes_over_with_every_setting_and_key) {
  start_message const sent = sample_start();
  secret_buffer const bytes = encode_start(sent);
  auto const decoded = decode_to_api(bytes.reveal());
  BOOST_REQUIRE(decoded.has_value());
  auto const* const got = std::get_if<start_message>(&*decoded);
  BOOST_REQUIRE(got != nullptr);
  api_settings const& settings = got->settings;
  BOOST_TEST(settings.store_dir == sent.settings.store_dir);
  BOOST_TEST(settings.change_user);
  BOOST_TEST(!settings.confine);
  BOOST_TEST(settings.show_first_key);
  BOOST_TEST(settings.log_level == 3);
  BOOST_TEST(settings.threads == 0x1234);
  BOOST_TEST(settings.listeners == 0x4321);
  std::uint32_t number = 0xA0B0'0000;
  for (std::uint32_t const field :
       {settings.user, settings.group, settings.owner, settings.reads_per_minute,
        settings.writes_per_minute, settings.failed_auth_per_minute, settings.secrets_per_project,
        settings.last_four_min_length, settings.head_bytes, settings.body_bytes,
        settings.head_seconds, settings.body_seconds, settings.idle_seconds, settings.connections,
        settings.list_cache_megabytes}) {
    BOOST_TEST(field == ++number);
  }
  BOOST_CHECK(got->share.public_key.bytes == sent.share.public_key.bytes);
  BOOST_CHECK(test::as_text(got->share.record.reveal()) ==
              test::as_text(sent.share.record.reveal()));
  BOOST_CHECK(test::as_text(got->share.rows.label.reveal()) ==
              test::as_text(sent.share.rows.label.reveal()));
  BOOST_CHECK(test::as_text(got->share.rows.row.reveal()) ==
              test::as_text(sent.share.rows.row.reveal()));
  BOOST_CHECK(test::as_text(got->share.pepper.reveal()) ==
              test::as_text(sent.share.pepper.reveal()));
  BOOST_CHECK(got->share.check == sent.share.check);
  BOOST_CHECK(got->share.instance == sent.share.instance);
}

BOOST_AUTO_TEST_CASE(the_private_key_is_in_no_start) {
  secret_buffer const bytes = encode_start(sample_start());
  keeper_share const keeper = derive_keeper_share(test::sample_root());
  auto const holds = [&](std::string_view part) {
    return bytes.reveal().find(part) != std::string_view::npos;
  };
  BOOST_TEST(holds(test::as_text(keeper.record.reveal())));
  BOOST_TEST(!holds(test::as_text(keeper.private_key.reveal())));
  BOOST_TEST(!holds(test::as_text(test::sample_root().reveal())));
}

BOOST_AUTO_TEST_CASE(the_other_messages_come_over_as_they_were) {
  auto const fetch = decode_to_api(encode_message(sample_fetch()));
  BOOST_REQUIRE(fetch.has_value());
  BOOST_TEST(std::get<fetch_message>(*fetch).ask == 0x01020304u);
  BOOST_TEST(std::get<fetch_message>(*fetch).project.text() == "trading-bot");
  BOOST_TEST(
      std::holds_alternative<drain_message>(*decode_to_api(encode_message(drain_message{}))));
  BOOST_TEST(
      std::holds_alternative<ready_message>(*decode_to_keeper(encode_message(ready_message{}))));

  auto const record = decode_to_keeper(encode_message(sample_record()));
  BOOST_REQUIRE(record.has_value());
  auto const& got = std::get<record_message>(*record);
  BOOST_TEST(got.ask == 0x01020304u);
  BOOST_TEST(got.name.text() == "API_KEY");
  BOOST_TEST(got.record_id == 0x1122334455667788u);
  BOOST_TEST(got.version == 42u);
  BOOST_TEST(got.sealed == "sealed bytes");

  for (auto const outcome :
       {fetch_outcome::found, fetch_outcome::absent, fetch_outcome::unavailable}) {
    fetched_message sent = sample_fetched();
    sent.came_of = outcome;
    auto const fetched = decode_to_keeper(encode_message(sent));
    BOOST_REQUIRE(fetched.has_value());
    auto const& end = std::get<fetched_message>(*fetched);
    BOOST_TEST((end.came_of == outcome));
    BOOST_TEST(end.ask == sent.ask);
    BOOST_TEST(end.records == 7u);
    BOOST_TEST(end.revision == 1ull << 63);
  }
}

BOOST_AUTO_TEST_CASE(a_cut_or_longer_message_is_refused) {
  secret_buffer const start = encode_start(sample_start());
  for (std::string const& whole : {std::string(start.reveal()), encode_message(sample_fetch()),
                                   encode_message(drain_message{})}) {
    BOOST_TEST(!refused_by_api(whole));
    for (std::size_t bytes = 0; bytes < whole.size(); ++bytes) {
      BOOST_TEST(refused_by_api(whole.substr(0, bytes)));
    }
    BOOST_TEST(refused_by_api(whole + '\0'));
    BOOST_TEST(refused_by_api(whole + whole));
  }
  for (std::string const& whole :
       {encode_message(sample_fetched()), encode_message(ready_message{})}) {
    BOOST_TEST(!refused_by_keeper(whole));
    for (std::size_t bytes = 0; bytes < whole.size(); ++bytes) {
      BOOST_TEST(refused_by_keeper(whole.substr(0, bytes)));
    }
    BOOST_TEST(refused_by_keeper(whole + '\0'));
  }
  // A record's last field is the rest of the message: only what stands before it can be missing.
  std::string const record = encode_message(sample_record());
  for (std::size_t bytes = 0; bytes < record.size() - sample_record().sealed.size(); ++bytes) {
    BOOST_TEST(refused_by_keeper(record.substr(0, bytes)));
  }
}

BOOST_AUTO_TEST_CASE(a_message_of_the_other_direction_or_of_no_kind_is_refused) {
  secret_buffer const start = encode_start(sample_start());
  BOOST_TEST(refused_by_keeper(start.reveal()));
  BOOST_TEST(refused_by_keeper(encode_message(sample_fetch())));
  BOOST_TEST(refused_by_keeper(encode_message(drain_message{})));
  BOOST_TEST(refused_by_api(encode_message(ready_message{})));
  BOOST_TEST(refused_by_api(encode_message(sample_record())));
  BOOST_TEST(refused_by_api(encode_message(sample_fetched())));
  for (unsigned kind = 0; kind < 256; ++kind) {
    for (std::string rest : {encode_message(sample_fetch()), encode_message(sample_record()),
                             encode_message(sample_fetched()), std::string(1, '\0')}) {
      bool const own = static_cast<unsigned char>(rest[0]) == kind;
      if (own) continue;
      rest[0] = static_cast<char>(kind);
      if (kind < 1 || kind > 3) BOOST_TEST(refused_by_api(rest));
      if (kind < 4 || kind > 6) BOOST_TEST(refused_by_keeper(rest));
    }
  }
}

BOOST_AUTO_TEST_CASE(an_unknown_outcome_of_a_fetch_is_refused) {
  std::string message = encode_message(sample_fetched());
  for (unsigned outcome = 0; outcome < 256; ++outcome) {
    message[5] = static_cast<char>(outcome);
    BOOST_TEST(refused_by_keeper(message) == (outcome < 1 || outcome > 3));
  }
}

BOOST_AUTO_TEST_CASE(a_name_that_is_none_is_refused) {
  std::string record = encode_message(sample_record());
  std::string fetch = encode_message(sample_fetch());
  for (unsigned c = 0; c < 256; ++c) {
    bool const upper = c >= 'A' && c <= 'Z';
    bool const other = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    record[6] = static_cast<char>(c);
    BOOST_TEST(refused_by_keeper(record) == !upper);
    fetch[6] = static_cast<char>(c);
    BOOST_TEST(refused_by_api(fetch) == !(upper || other));
  }
}

BOOST_AUTO_TEST_CASE(a_sealed_value_longer_than_any_is_refused) {
  record_message message = sample_record();
  message.sealed.assign(sealed_value_bytes_max, 's');
  BOOST_TEST(!refused_by_keeper(encode_message(message)));
  BOOST_TEST(encode_message(message).size() <= limits::channel_message_bytes_max);
  message.sealed.push_back('s');
  BOOST_TEST(refused_by_keeper(encode_message(message)));
}

BOOST_AUTO_TEST_CASE(seeded_noise_is_refused_or_decoded_and_never_more) {
  std::mt19937_64 random(17);
  secret_buffer const start = encode_start(sample_start());
  std::string const samples[] = {std::string(start.reveal()), encode_message(sample_fetch()),
                                 encode_message(sample_record()), encode_message(sample_fetched())};
  unsigned decoded = 0;
  for (int i = 0; i < 40'000; ++i) {
    std::string bytes = i % 2 == 0 ? test::random_bytes(random, random() % 64)
                                   : samples[random() % std::size(samples)];
    for (std::uint64_t changes = random() % 4; changes > 0 && !bytes.empty(); --changes) {
      bytes[random() % bytes.size()] = static_cast<char>(random() & 0xFFu);
    }
    if (!bytes.empty() && random() % 2 == 0) bytes.resize(random() % bytes.size() + 1);
    decoded += decode_to_api(bytes).has_value() || decode_to_keeper(bytes).has_value();
  }
  BOOST_TEST(decoded > 0u);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace tacit::core
