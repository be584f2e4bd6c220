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
  settings.tls = true;
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
watch_message sample_watch() { return {test::project("trading-bot"), 1ull << 62}; }
changed_message sample_changed() { return {test::project("trading-bot")}; }
fetched_message sample_fetched() { return {0x01020304, fetch_outcome::found, 7, 1ull << 63}; }

secret_buffer buffer_of(std::string_view text) {
  secret_buffer buffer(text.size());
  BOOST_REQUIRE(buffer.append(text));
  return buffer;
}
identity_message sample_identity() {
  return {buffer_of("a certificate"), buffer_of("its private key"), buffer_of("an authority")};
}
std::string encoded(identity_message const& message) {
  return std::string(encode_identity(message).reveal());
}

std::vector<delivered_secret> many_secrets(std::size_t count) {
  std::vector<delivered_secret> secrets;
  for (std::size_t i = 0; i < count; ++i) {
    std::string name = "S" + std::to_string(1'000'000 + i);
    name.append(i % (limits::name_chars_max - name.size() + 1), 'X');
    secrets.push_back({test::secret(name), i + 1, timestamp{static_cast<std::int64_t>(i) - 7}});
  }
  return secrets;
}
receipt sample_receipt(std::size_t secrets, consumer to) {
  return {test::project("trading-bot"), std::move(to), timestamp{1'776'503'564'000},
          delivery_extent::whole, many_secrets(secrets)};
}
std::string sample_batch() {
  return encode_batch({sample_receipt(2, consumer::process(1000, "bot.service", "box"))}).at(0);
}

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
  BOOST_TEST(settings.tls);
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

  auto const watch = decode_to_api(encode_message(sample_watch()));
  BOOST_REQUIRE(watch.has_value());
  BOOST_TEST(std::get<watch_message>(*watch).project.text() == "trading-bot");
  BOOST_TEST(std::get<watch_message>(*watch).revision == 1ull << 62);
  auto const changed = decode_to_keeper(encode_message(sample_changed()));
  BOOST_REQUIRE(changed.has_value());
  BOOST_TEST(std::get<changed_message>(*changed).project.text() == "trading-bot");

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

BOOST_AUTO_TEST_CASE(an_identity_comes_over_as_it_was) {
  std::string const long_text(limits::identity_bytes_max - 2, 'c');
  for (auto const& [certificate, key, ca] :
       {std::tuple(std::string("a certificate"), "its private key", "an authority"),
        std::tuple(std::string("c"), "k", ""), std::tuple(long_text, "k", "a")}) {
    std::string const bytes = encoded({buffer_of(certificate), buffer_of(key), buffer_of(ca)});
    BOOST_TEST(bytes.size() <= limits::channel_message_bytes_max);
    auto const decoded = decode_to_api(bytes);
    BOOST_REQUIRE(decoded.has_value());
    auto const& got = std::get<identity_message>(*decoded);
    BOOST_TEST(got.certificate.reveal() == certificate);
    BOOST_TEST(got.key.reveal() == key);
    BOOST_TEST(got.client_ca.reveal() == ca);
  }
}

// Whatever the number of secrets: messages within the bound, nothing lost, the end marked once.
BOOST_AUTO_TEST_CASE(a_batch_of_receipts_comes_over_in_as_many_messages_as_it_needs) {
  BOOST_TEST(encode_batch({}).empty());
  std::string const long_text(limits::consumer_text_bytes_max, 'u');
  for (std::size_t const size : {0u, 1u, 25u, 399u, 400u, 401u, 402u, 5000u}) {
    std::vector<receipt> const sent{
        sample_receipt(size, consumer::process(0xFFFF'FFFF, long_text, long_text)),
        sample_receipt(1, consumer::remote(long_text, long_text)),
        sample_receipt(size, consumer::process(0, "", ""))};
    std::vector<std::string> const messages = encode_batch(sent);
    std::vector<receipt> got;
    for (std::size_t i = 0; i < messages.size(); ++i) {
      BOOST_TEST(messages[i].size() <= limits::channel_message_bytes_max);
      auto decoded = decode_to_api(messages[i]);
      BOOST_REQUIRE(decoded.has_value());
      auto& message = std::get<receipts_message>(*decoded);
      BOOST_TEST(message.last == (i + 1 == messages.size()));
      for (receipt& one : message.receipts) {
        if (!got.empty() && got.back().to == one.to) {
          BOOST_TEST((one.extent == delivery_extent::part));
          add_later(got.back(), std::move(one));
        } else {
          got.push_back(std::move(one));
        }
      }
    }
    BOOST_REQUIRE(got.size() == sent.size());
    for (std::size_t i = 0; i < sent.size(); ++i) {
      BOOST_TEST(got[i].project.text() == "trading-bot");
      BOOST_TEST((got[i].to == sent[i].to));
      BOOST_TEST((got[i].at == sent[i].at));
      BOOST_TEST((got[i].extent == sent[i].extent));
      BOOST_TEST((got[i].secrets == sent[i].secrets));
    }
  }
}

BOOST_AUTO_TEST_CASE(many_receipts_share_messages) {
  std::vector<receipt> sent;
  for (int i = 0; i < 1000; ++i) {
    sent.push_back(sample_receipt(2, consumer::process(1, std::to_string(i), "box")));
  }
  BOOST_TEST(encode_batch(sent).size() < 10u);
}

BOOST_AUTO_TEST_CASE(secrets_of_a_receipt_out_of_order_are_refused) {
  receipt sent = sample_receipt(3, consumer::process(1, "", "box"));
  BOOST_TEST(!refused_by_api(encode_batch({sent}).at(0)));
  std::swap(sent.secrets[0], sent.secrets[1]);
  BOOST_TEST(refused_by_api(encode_batch({sent}).at(0)));
  sent.secrets[1] = sent.secrets[0];
  BOOST_TEST(refused_by_api(encode_batch({sent}).at(0)));
}

BOOST_AUTO_TEST_CASE(a_cut_or_longer_message_is_refused) {
  secret_buffer const start = encode_start(sample_start());
  for (std::string const& whole :
       {std::string(start.reveal()), encode_message(sample_fetch()), encode_message(sample_watch()),
        encode_message(drain_message{}), sample_batch(), encoded(sample_identity())}) {
    BOOST_TEST(!refused_by_api(whole));
    for (std::size_t bytes = 0; bytes < whole.size(); ++bytes) {
      bool const empty_batch = whole == sample_batch() && bytes == 2;  // of no receipts
      BOOST_TEST(refused_by_api(whole.substr(0, bytes)) == !empty_batch);
    }
    BOOST_TEST(refused_by_api(whole + '\0'));
    BOOST_TEST(refused_by_api(whole + whole));
  }
  for (std::string const& whole :
       {encode_message(sample_fetched()), encode_message(sample_changed()),
        encode_message(ready_message{})}) {
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
  BOOST_TEST(refused_by_keeper(sample_batch()));
  BOOST_TEST(refused_by_keeper(encoded(sample_identity())));
  BOOST_TEST(refused_by_api(encode_message(ready_message{})));
  BOOST_TEST(refused_by_api(encode_message(sample_record())));
  BOOST_TEST(refused_by_api(encode_message(sample_fetched())));
  BOOST_TEST(refused_by_api(encode_message(sample_changed())));
  BOOST_TEST(refused_by_keeper(encode_message(sample_watch())));
  for (unsigned kind = 0; kind < 256; ++kind) {
    for (std::string rest : {encode_message(sample_fetch()), encode_message(sample_record()),
                             encode_message(sample_fetched()), std::string(1, '\0')}) {
      bool const own = static_cast<unsigned char>(rest[0]) == kind;
      if (own) continue;
      rest[0] = static_cast<char>(kind);
      // Those of 10 to 14 end in bytes of any kind: channel_of_runtimes.cpp.
      bool const listed = kind >= 10 && kind <= 14;
      if (kind < 1 || (kind > 3 && kind != 7 && !listed)) BOOST_TEST(refused_by_api(rest));
      if (kind < 4 || (kind > 6 && !listed)) BOOST_TEST(refused_by_keeper(rest));
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
  std::string const samples[] = {std::string(start.reveal()),
                                 encode_message(sample_fetch()),
                                 encode_message(sample_record()),
                                 encode_message(sample_fetched()),
                                 sample_batch(),
                                 encoded(sample_identity())};
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
