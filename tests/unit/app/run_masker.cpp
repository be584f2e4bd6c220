// Delivered values never get through, wherever the output is cut, and nothing else is touched.
#include "app/run/masker.hpp"

#include <boost/test/unit_test.hpp>
#include <random>
#include <string>

#include "core/crypto.hpp"

namespace tacit::app {
namespace {

// Locked memory is libsodium's.
struct crypto_started {
  crypto_started() { core::init_crypto(); }
};

std::string fed(masker& through, std::string_view bytes) {
  core::secret_buffer out(2 * through.output_bytes_max());
  through.feed(bytes, out);
  return std::string(out.reveal());
}
std::string finished(masker& through) {
  core::secret_buffer out(2 * through.output_bytes_max());
  through.finish(out);
  return std::string(out.reveal());
}
std::string paused(masker& through) {
  core::secret_buffer out(2 * through.output_bytes_max());
  through.pause(out);
  return std::string(out.reveal());
}

std::string masked(std::vector<std::string_view> const& values, std::string_view text) {
  masker one(values);
  std::string out = fed(one, text);
  return out + finished(one);
}

// What masking means, on a whole text.
std::string expected(std::vector<std::string_view> const& values, std::string_view text) {
  std::string out;
  while (!text.empty()) {
    std::size_t longest = 0;
    for (std::string_view const value : values) {
      if (text.starts_with(value)) longest = std::max(longest, value.size());
    }
    out += longest == 0 ? text.substr(0, 1) : "***";
    text.remove_prefix(std::max<std::size_t>(longest, 1));
  }
  return out;
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(maskers, crypto_started)

BOOST_AUTO_TEST_CASE(values_are_replaced_and_all_else_stays_byte_for_byte) {
  std::vector<std::string_view> const values{"s3cret-pass", "other-value", "p@ss\nw0rd"};
  BOOST_TEST(masked(values, "") == "");
  BOOST_TEST(masked(values, "nothing here\n") == "nothing here\n");
  BOOST_TEST(masked(values, "s3cret-pass") == "***");
  BOOST_TEST(masked(values, "<s3cret-pass>,s3cret-passother-value") == "<***>,******");
  BOOST_TEST(masked(values, "s3cret-pas s3cret-Pass") == "s3cret-pas s3cret-Pass");
  BOOST_TEST(masked(values, "s3cret-s3cret-pass") == "s3cret-***");
  BOOST_TEST(masked(values, "a p@ss\nw0rd b") == "a *** b");
  std::string const bytes("\0\x80\xFF\r\n\x1b[0m", 9);
  BOOST_TEST(masked(values, bytes) == bytes);
}

BOOST_AUTO_TEST_CASE(values_of_fewer_than_8_characters_are_left_alone) {
  BOOST_TEST(masked({"1234567"}, "1234567") == "1234567");
  BOOST_TEST(masked({"12345678"}, "12345678") == "***");
  // Characters, not bytes.
  BOOST_TEST(masked({"ééééééé"}, "ééééééé") == "ééééééé");
  BOOST_TEST(masked({"éééééééé"}, "éééééééé") == "***");
  BOOST_TEST(masked({}, "anything") == "anything");
}

BOOST_AUTO_TEST_CASE(of_values_that_begin_alike_the_longest_is_replaced) {
  std::vector<std::string_view> const values{"password", "password-longer", "word-long"};
  BOOST_TEST(masked(values, "password-longer") == "***");
  BOOST_TEST(masked(values, "password-longeX") == "***-longeX");
  BOOST_TEST(masked(values, "passworword-long") == "passwor***");
  BOOST_TEST(masked(values, "password") == "***");
}

BOOST_AUTO_TEST_CASE(a_value_in_two_pieces_is_replaced_wherever_it_is_cut) {
  std::string_view const value = "s3cret-passw0rd";
  std::string const text = "a" + std::string(value) + "b";
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    masker one({value});
    std::string out = fed(one, text.substr(0, cut));
    BOOST_TEST(out.find("s3") == std::string::npos);
    out += fed(one, text.substr(cut));
    BOOST_TEST(out + finished(one) == "a***b");
  }
}

BOOST_AUTO_TEST_CASE(seeded_texts_of_few_letters_in_any_pieces_are_as_the_whole) {
  std::mt19937_64 random(23);
  unsigned replaced = 0;
  for (int i = 0; i < 3000; ++i) {
    std::vector<std::string> made;
    for (std::uint64_t n = random() % 5 + 1; n > 0; --n) {
      std::string value;
      for (std::uint64_t size = random() % 6 + 8; size > 0; --size) {
        value.push_back(static_cast<char>('a' + random() % 2));
      }
      made.push_back(value);
    }
    std::vector<std::string_view> const values(made.begin(), made.end());
    std::string text;
    while (text.size() < 200) {
      if (random() % 4 == 0) text += made[random() % made.size()];
      text.push_back(static_cast<char>('a' + random() % 2));
    }
    masker one(values);
    std::string out;
    for (std::size_t at = 0; at < text.size();) {
      std::size_t const bytes = random() % 9 + 1;
      out += fed(one, std::string_view(text).substr(at, bytes));
      at += bytes;
    }
    out += finished(one);
    BOOST_REQUIRE_EQUAL(out, expected(values, text));
    replaced += out.find("***") != std::string::npos;
  }
  BOOST_TEST(replaced > 2000u);
}

BOOST_AUTO_TEST_CASE(what_decides_nothing_is_given_at_once) {
  masker one({"s3cret-passw0rd"});
  BOOST_TEST(fed(one, "login: ") == "login: ");
  BOOST_TEST(!one.would_pause());
  BOOST_TEST(fed(one, "yes") == "ye");  // the value begins with s
  BOOST_TEST(one.would_pause());
  BOOST_TEST(fed(one, "!") == "s!");
}

BOOST_AUTO_TEST_CASE(after_a_pause_a_short_piece_is_given_and_the_rest_of_the_value_is_not) {
  std::string_view const value = "s3cret-passw0rd";
  for (std::size_t cut = 1; cut < value.size(); ++cut) {
    masker one({value});
    BOOST_TEST(fed(one, value.substr(0, cut)) == "");
    bool const is_short = cut <= paused_bytes_max;
    BOOST_TEST(one.would_pause() == is_short);
    BOOST_TEST(paused(one) == (is_short ? value.substr(0, cut) : ""));
    BOOST_TEST(!one.would_pause());
    BOOST_TEST(fed(one, value.substr(cut)) == "***");
    BOOST_TEST(finished(one) == "");
  }
}

BOOST_AUTO_TEST_CASE(a_value_that_comes_byte_by_byte_with_pauses_shows_its_first_4_bytes_at_most) {
  masker one({"s3cret-passw0rd"});
  std::string out;
  for (char const byte : std::string_view("s3cret-passw0rd")) {
    out += fed(one, {&byte, 1});
    out += paused(one);
  }
  BOOST_TEST(out == "s3cr***");
}

BOOST_AUTO_TEST_CASE(what_was_given_in_a_pause_is_not_given_twice) {
  masker one({"s3cret-passw0rd"});
  BOOST_TEST(fed(one, "s3") == "");
  BOOST_TEST(paused(one) == "s3");
  BOOST_TEST(fed(one, "c") == "");
  BOOST_TEST(paused(one) == "c");
  BOOST_TEST(fed(one, "s3") == "");
  BOOST_TEST(paused(one) == "s3");
  BOOST_TEST(fed(one, "x") == "x");
}

BOOST_AUTO_TEST_CASE(a_piece_at_the_end_is_given_as_it_is) {
  masker one({"s3cret-passw0rd", "s3cret-p"});
  BOOST_TEST(fed(one, "s3cret-passw") == "");
  BOOST_TEST(finished(one) == "***assw");
}

BOOST_AUTO_TEST_CASE(values_longer_than_a_read_are_replaced) {
  std::string const value(4 * masker_input_bytes_max, 'v');
  masker one({value});
  std::string out;
  for (std::size_t at = 0; at < value.size(); at += masker_input_bytes_max) {
    out += fed(one, std::string_view(value).substr(at, masker_input_bytes_max));
  }
  BOOST_TEST(out == "***");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace tacit::app
