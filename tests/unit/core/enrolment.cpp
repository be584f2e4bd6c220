// The keeper's book of enrolments, and its mark.
#include "core/enrolment.hpp"

#include <boost/test/unit_test.hpp>

#include "tests/unit/core/samples.hpp"

namespace tacit::core {
namespace {

constexpr timestamp now{1'800'000'000'000};
timestamp in(std::int64_t milliseconds) { return {now.unix_milliseconds + milliseconds}; }

exchange_public_key key(unsigned char number) {
  exchange_public_key made;
  made.bytes.fill(number);
  return made;
}

enrolment make(std::string_view id, std::string_view project, unsigned char number,
               timestamp expires = in(1000)) {
  return {*runtime_id::parse(id), test::project(project), key(number), now, expires};
}

runtime_book_key sample_key() {
  keeper_share share = derive_keeper_share(test::sample_root());
  return std::move(share.runtime_book);
}

enrolment_book sample_book() {
  enrolment_book book;
  BOOST_REQUIRE(book.add(make("b", "shop", 2), now).has_value());
  BOOST_REQUIRE(book.add(make("a", "shop", 1), now).has_value());
  BOOST_REQUIRE(book.add(make("c", "other", 1), now).has_value());
  return book;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(enrolments)

BOOST_AUTO_TEST_CASE(a_key_may_read_what_it_is_enrolled_for_until_that_expires) {
  enrolment_book const book = sample_book();
  auto const shop = test::project("shop");
  auto const other = test::project("other");
  BOOST_CHECK(book.of(key(1), shop, now) == standing::enrolled);
  BOOST_CHECK(book.of(key(1), other, now) == standing::enrolled);
  BOOST_CHECK(book.of(key(2), other, now) == standing::of_another_project);
  BOOST_CHECK(book.of(key(3), shop, now) == standing::stranger);
  BOOST_CHECK(book.of(key(2), shop, in(999)) == standing::enrolled);
  BOOST_CHECK(book.of(key(2), shop, in(1000)) == standing::stranger);
  BOOST_CHECK(book.of(key(2), other, in(1000)) == standing::stranger);
  BOOST_TEST(book.find(key(2), shop, in(1000)) == nullptr);
  BOOST_TEST(book.find(key(2), shop, now)->id.text() == "b");
}

BOOST_AUTO_TEST_CASE(each_change_raises_the_epoch_and_a_refusal_does_not) {
  enrolment_book book = sample_book();
  BOOST_TEST(book.epoch() == 3u);
  BOOST_TEST(test::is(book.add(make("a", "third", 9), now), errc::conflict));
  BOOST_TEST(test::is(book.add(make("d", "shop", 1), now), errc::conflict));
  BOOST_TEST(test::is(book.remove(*runtime_id::parse("zz")), errc::not_found));
  BOOST_TEST(book.epoch() == 3u);
  BOOST_REQUIRE(book.remove(*runtime_id::parse("a")).has_value());
  BOOST_TEST(book.epoch() == 4u);
  BOOST_CHECK(book.of(key(1), test::project("shop"), now) == standing::of_another_project);
  book.remove_all(17);
  BOOST_TEST(book.epoch() == 18u);
  BOOST_TEST(book.all().empty());
  book.remove_all(3);
  BOOST_TEST(book.epoch() == 19u);
}

BOOST_AUTO_TEST_CASE(an_expired_enrolment_is_in_nobodys_way) {
  enrolment_book book = sample_book();
  BOOST_REQUIRE(book.add(make("a", "shop", 1, in(5000)), in(1000)).has_value());
  BOOST_TEST(book.all().size() == 3u);
  BOOST_CHECK(book.of(key(1), test::project("shop"), in(1000)) == standing::enrolled);
}

BOOST_AUTO_TEST_CASE(a_full_book_takes_no_more_but_in_the_place_of_what_has_expired) {
  enrolment_book book;
  for (unsigned i = 0; i < limits::enrolments_max; ++i) {
    exchange_public_key one{};
    one.bytes[0] = static_cast<unsigned char>(i & 0xFFu);
    one.bytes[1] = static_cast<unsigned char>(i >> 8);
    one.bytes[2] = 1;
    enrolment made = make("r" + std::to_string(i), "shop", 0, i == 7 ? in(1) : in(1000));
    made.key = one;
    BOOST_REQUIRE(book.add(made, now).has_value());
  }
  BOOST_TEST(test::is(book.add(make("more", "shop", 3), now), errc::secret_limit_exceeded));
  BOOST_TEST(book.add(make("more", "shop", 3), in(1)).has_value());
  BOOST_TEST(book.all().size() == limits::enrolments_max);
  std::string const bytes = encode_book(sample_key(), book);
  BOOST_TEST(bytes.size() <= book_bytes_max);
  BOOST_CHECK(*decode_book(sample_key(), bytes) == book);
}

BOOST_AUTO_TEST_CASE(a_book_comes_back_as_it_was_and_no_bit_of_it_can_be_changed) {
  runtime_book_key const with = sample_key();
  for (enrolment_book const& book : {enrolment_book(), sample_book()}) {
    std::string const bytes = encode_book(with, book);
    BOOST_CHECK(*decode_book(with, bytes) == book);
    test::for_each_flipped_bit(bytes, [&](std::string const& changed) {
      BOOST_TEST(test::is(decode_book(with, changed), errc::corrupt));
    });
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      BOOST_TEST(test::is(decode_book(with, bytes.substr(0, size)), errc::corrupt));
    }
    BOOST_TEST(test::is(decode_book(with, bytes + '\0'), errc::corrupt));
    BOOST_TEST(
        test::is(decode_book(test::counting_key<runtime_book_key>(9), bytes), errc::corrupt));
  }
}

BOOST_AUTO_TEST_CASE(a_mark_is_no_book_and_no_bit_of_it_can_be_changed) {
  runtime_book_key const with = sample_key();
  std::string const mark = encode_epoch_mark(with, 1ull << 40);
  BOOST_TEST(mark.size() == epoch_mark_bytes);
  BOOST_TEST(*decode_epoch_mark(with, mark) == 1ull << 40);
  BOOST_TEST(test::is(decode_book(with, mark), errc::corrupt));
  test::for_each_flipped_bit(mark, [&](std::string const& changed) {
    BOOST_TEST(test::is(decode_epoch_mark(with, changed), errc::corrupt));
  });
  BOOST_TEST(test::is(decode_epoch_mark(with, encode_book(with, {})), errc::corrupt));
  BOOST_TEST(test::is(decode_epoch_mark(with, ""), errc::corrupt));
}

// Computed in Python.
BOOST_AUTO_TEST_CASE(known_keys_come_of_the_root_key) {
  keeper_share const share = derive_keeper_share(test::sample_root());
  BOOST_TEST(encode_base64(public_half(share.towards_runtimes).bytes) ==
             "aI_0A_FLryyDj4FRl52Jt7qoqt048KIELxUGZ4KQ2TU");
  BOOST_TEST(encode_base64(share.runtime_book.reveal()) ==
             "HLzzBKs2XxIMSa5uYrm_NQ-k4GUI_s4u2brI4PG_KLM");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace tacit::core
