// The handshake: known answers of two other implementations, and everything that must not open.
#include "core/noise.hpp"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <vector>

#include "tests/unit/core/samples.hpp"

namespace tacit::core {
namespace {

using test::from_hex;

exchange_private_key private_key(std::string_view hex) {
  exchange_private_key key;
  std::string const bytes = from_hex(hex);
  std::copy(bytes.begin(), bytes.end(), key.reveal_mutable().begin());
  return key;
}

struct known_message {
  std::string_view payload;
  std::string_view ciphertext;
};
// In the form of the Noise wiki ("Test vectors"); keys are private ones.
struct known_answer {
  std::string_view prologue, init_static, init_ephemeral, resp_static, resp_ephemeral;
  std::vector<known_message> messages;
};

// Noise_KK_25519_ChaChaPoly_BLAKE2b of cacophony's vectors.
known_answer cacophony() {
  return {"4a6f686e2047616c74",
          "e61ef9919cde45dd5f82166404bd08e38bceb5dfdfded0a34c8df7ed542214d1",
          "893e28b9dc6ca8d611ab664754b8ceb7bac5117349a4439a6b0569da977c464a",
          "4a3acbfdb163dec651dfa3194dece676d437029c62a408b4c5ea9114246e4893",
          "bbdb4cdbd309f1a1f2e1456967fe288cadd6f712d65dc7b7793d5e63da6b375b",
          {{"4c756477696720766f6e204d69736573",
            "ca35def5ae56cec33dc2036731ab14896bc4c75dbb07a61f879f8e3afa4c7944f79a1d4b21fc3ea4a0c872"
            "13b8b4f0599d758682c26a3ae5e09195a3e742bc74"},
           {"4d757272617920526f746862617264",
            "95ebc60d2b1fa672c1f46a8aa265ef51bfe38e7ccb39ec5be34069f144808843e20b1bf85731f75d7e21b5"
            "d54baaa66341de4292c3d42571c1bd7e7f1abe38"},
           {"462e20412e20486179656b", "25bfaa58833b07cdd6af7c07f2c51daac681a8ac0a02dd373259bd"},
           {"4361726c204d656e676572", "ef586cff556dec8ef0053871ff0d4bf3f2c72e842487ec6d1da69f"},
           {"4a65616e2d426170746973746520536179",
            "3265d50513550a354425d0218ba1e5f25d4994ce8990e6964398dba5982dbcbd85"},
           {"457567656e2042f6686d20766f6e2042617765726b",
            "f11c02d5c3223d7b9281b52e1b134962b91bc3bfbd1646354dab9fc19b66bf6c1e0a6f431e"}}};
}

// The same of snow's.
known_answer snow() {
  return {
      "5468657265206973206e6f20726967687420616e642077726f6e672e2054686572652773206f6e6c792066756e20"
      "616e6420626f72696e672e",
      "12e47144430c5bf5c0f69fa73361a8722412dc140f6de1112f5e0f43fb9c64f6",
      "537e15bf96ed04e5e9613187df0995a143b0630effad014aab2f816871d553a2",
      "de970d8005d3964a1f48893e8cfb9936c53bc90b4cb3dd2e31d241681de2eed9",
      "37de8cc7198a303a39bd3d73d4b791b9c39645fee96f13b07cb8d2dabd85db1a",
      {{"39b4623710c31b914b0bf1e1c461fe1a428a454d5494a7f31bec659052a615c9",
        "abb2d673d120817a9e7d02082fe7b1a4135c30a205f404285c76944599a2c8005eda999e24ce4a8d7c572b4512"
        "1a85d8b7ebcd6481a15cc18b17a9c06e5a73be324bce6eb89bad3387bc9ecb5adb3b35"},
       {"cf00ce6671fcace204f42ef84ee9e905e4bc908bca5d28ebbc3228d8867020db",
        "dcaaae4c4722044529dc8ab2b3ee13ed2c6524b3cb4eb053bc4e543f964a5c69acbac8ebf7f827661f0b7e3307"
        "eac7805846d6bd2387ae965b207be4a934f556b049e04077405cd1347acdc7d8a2078d"},
       {"88a7f14d0bba7824b171aeff0b9795668eb247907d2f7bf33ea668abc72a1055",
        "0824757e82ea7a88821a4d9f757d076eafefb5a63679308192040bcf9d7410c31cd052bda6d7c95bf593fe4373"
        "70a41d"},
       {"10633cc890ca24e59981e7c49274f949eb2244c327bd083b64f5a2476ddff32a",
        "1abc48ed7b9b0e089e96ed9db64d67ac9050610a94ca9476728358e03923b2ced8240cc9f8685561a1561d8e74"
        "2d531c"}}};
}

std::string opened(noise_session& session, std::string_view sealed) {
  secret_buffer out(256);
  if (!session.open(sealed, out)) return "refused";
  return std::string(out.reveal());
}

// Two that know each other.
struct two {
  exchange_private_key own_a = test::counting_key<exchange_private_key>(1);
  exchange_private_key own_b = test::counting_key<exchange_private_key>(101);
  exchange_public_key a = public_half(own_a);
  exchange_public_key b = public_half(own_b);

  noise_initiator initiator(std::string_view prologue = "p") {
    return {{own_a, a, b, prologue}, test::counting_key<exchange_private_key>(51)};
  }
  noise_responder responder(std::string_view prologue = "p") {
    return {{own_b, b, a, prologue}, test::counting_key<exchange_private_key>(151)};
  }
  struct sessions {
    noise_session a, b;
  };
  sessions shake() {
    auto from = initiator();
    auto to = responder();
    BOOST_REQUIRE(to.read(*from.begin("")).has_value());
    auto answered = to.answer("go");
    BOOST_REQUIRE(answered.has_value());
    auto finished = from.finish(answered->message);
    BOOST_REQUIRE(finished.has_value());
    BOOST_TEST(finished->payload == "go");
    return {std::move(finished->session), std::move(answered->session)};
  }
};

}  // namespace

BOOST_AUTO_TEST_SUITE(noise)

BOOST_AUTO_TEST_CASE(known_answers_come_out_on_both_sides) {
  init_crypto();
  for (known_answer const& known : {cacophony(), snow()}) {
    std::string const prologue = from_hex(known.prologue);
    auto const own_a = private_key(known.init_static);
    auto const own_b = private_key(known.resp_static);
    auto const a = public_half(own_a);
    auto const b = public_half(own_b);
    noise_initiator from({own_a, a, b, prologue}, private_key(known.init_ephemeral));
    noise_responder to({own_b, b, a, prologue}, private_key(known.resp_ephemeral));
    auto const payload = [&](std::size_t i) { return from_hex(known.messages[i].payload); };
    auto const ciphertext = [&](std::size_t i) { return from_hex(known.messages[i].ciphertext); };
    auto const first = from.begin(payload(0));
    BOOST_REQUIRE(first.has_value());
    BOOST_CHECK(*first == ciphertext(0));
    auto const read = to.read(*first);
    BOOST_REQUIRE(read.has_value());
    BOOST_CHECK(*read == payload(0));
    auto answered = to.answer(payload(1));
    BOOST_REQUIRE(answered.has_value());
    BOOST_CHECK(answered->message == ciphertext(1));
    auto finished = from.finish(answered->message);
    BOOST_REQUIRE(finished.has_value());
    BOOST_CHECK(finished->payload == payload(1));
    for (std::size_t i = 2; i < known.messages.size(); ++i) {
      noise_session& sender = i % 2 == 0 ? finished->session : answered->session;
      noise_session& receiver = i % 2 == 0 ? answered->session : finished->session;
      BOOST_CHECK(sender.seal(payload(i)) == ciphertext(i));
      BOOST_CHECK(opened(receiver, ciphertext(i)) == payload(i));
    }
  }
}

BOOST_FIXTURE_TEST_CASE(no_bit_of_a_handshake_can_be_changed, two) {
  std::string const first = *initiator().begin("hello");
  BOOST_TEST(first.size() == 5 + noise_message_overhead_bytes);
  test::for_each_flipped_bit(first, [&](std::string const& changed) {
    auto to = responder();
    // The highest bit of a public key does not count in X25519, but does in the hash.
    BOOST_TEST(test::is(to.read(changed), errc::corrupt));
  });
  auto to = responder();
  BOOST_REQUIRE(to.read(first).has_value());
  std::string const second = to.answer("go")->message;
  test::for_each_flipped_bit(second, [&](std::string const& changed) {
    auto from = initiator();
    static_cast<void>(from.begin("hello"));
    BOOST_TEST(test::is(from.finish(changed), errc::corrupt));
  });
}

BOOST_FIXTURE_TEST_CASE(a_handshake_that_is_cut_off_or_longer_is_refused, two) {
  std::string const first = *initiator().begin("hello");
  for (std::size_t size = 0; size < first.size(); ++size) {
    BOOST_TEST(test::is(responder().read(first.substr(0, size)), errc::corrupt));
  }
  BOOST_TEST(test::is(responder().read(first + "x"), errc::corrupt));
  auto to = responder();
  BOOST_REQUIRE(to.read(first).has_value());
  std::string const second = to.answer("go")->message;
  for (std::size_t size = 0; size < second.size(); ++size) {
    auto from = initiator();
    static_cast<void>(from.begin("hello"));
    BOOST_TEST(test::is(from.finish(second.substr(0, size)), errc::corrupt));
  }
}

BOOST_FIXTURE_TEST_CASE(others_than_the_two_get_nowhere, two) {
  auto const own_c = test::counting_key<exchange_private_key>(201);
  auto const c = public_half(own_c);
  auto const fresh = [] { return make_exchange_key(); };
  // Somebody else who says that he is a.
  noise_initiator posing({own_c, a, b, "p"}, fresh());
  BOOST_TEST(test::is(responder().read(*posing.begin("")), errc::corrupt));
  // Meant for another responder.
  noise_initiator elsewhere({own_a, a, c, "p"}, fresh());
  BOOST_TEST(test::is(responder().read(*elsewhere.begin("")), errc::corrupt));
  // Another meaning of the messages.
  BOOST_TEST(test::is(responder("q").read(*initiator().begin("")), errc::corrupt));
  // Somebody else who answers as b.
  auto from = initiator();
  std::string const first = *from.begin("");
  noise_responder false_b({own_c, b, a, "p"}, fresh());
  BOOST_TEST(!false_b.read(first).has_value());
  // An answer of b to another message 1 of a.
  auto other = noise_initiator({own_a, a, b, "p"}, fresh());
  auto to = responder();
  BOOST_REQUIRE(to.read(*other.begin("")).has_value());
  BOOST_TEST(test::is(from.finish(to.answer("go")->message), errc::corrupt));
}

BOOST_FIXTURE_TEST_CASE(keys_that_agree_with_everybody_are_refused, two) {
  exchange_public_key const zero{};
  exchange_public_key one{};
  one.bytes[0] = 1;
  for (exchange_public_key const& worthless : {zero, one}) {
    noise_initiator from({own_a, a, worthless, "p"}, make_exchange_key());
    BOOST_TEST(test::is(from.begin(""), errc::corrupt));
    std::string message(worthless.bytes.begin(), worthless.bytes.end());
    message.append(16, '\0');
    BOOST_TEST(test::is(responder().read(message), errc::corrupt));
  }
}

BOOST_FIXTURE_TEST_CASE(a_sealed_message_opens_once_in_its_turn_on_the_other_side, two) {
  auto [at_a, at_b] = shake();
  std::string const one = at_a.seal("one");
  std::string const second = at_a.seal("two");
  BOOST_TEST(opened(at_a, one) == "refused");
  BOOST_TEST(opened(at_b, second) == "refused");
  BOOST_TEST(opened(at_b, one) == "one");
  BOOST_TEST(opened(at_b, one) == "refused");
  BOOST_TEST(opened(at_b, second) == "two");
  auto again = shake();
  test::for_each_flipped_bit(
      one, [&](std::string const& changed) { BOOST_TEST(opened(again.b, changed) == "refused"); });
  for (std::size_t size = 0; size < one.size(); ++size) {
    BOOST_TEST(opened(again.b, one.substr(0, size)) == "refused");
  }
  secret_buffer small(2);
  BOOST_TEST(test::is(again.b.open(one, small), errc::corrupt));
  BOOST_TEST(opened(again.b, one) == "one");
}

BOOST_FIXTURE_TEST_CASE(handshakes_with_fresh_keys_share_nothing, two) {
  noise_initiator from({own_a, a, b, "p"}, make_exchange_key());
  std::string const first = *from.begin("");
  // A recorded message 1, answered twice: what a sends in the one does not open in the other.
  noise_responder to({own_b, b, a, "p"}, make_exchange_key());
  noise_responder again({own_b, b, a, "p"}, make_exchange_key());
  BOOST_REQUIRE(to.read(first).has_value());
  BOOST_REQUIRE(again.read(first).has_value());
  auto answered = to.answer("");
  auto recorded = again.answer("");
  auto finished = from.finish(answered->message);
  BOOST_REQUIRE(finished.has_value());
  std::string const sealed = finished->session.seal("ask");
  BOOST_TEST(opened(recorded->session, sealed) == "refused");
  BOOST_TEST(opened(answered->session, sealed) == "ask");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace tacit::core
