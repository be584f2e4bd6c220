#include "core/wire.hpp"

#include <boost/test/unit_test.hpp>
#include <limits>

#include "tests/unit/core/samples.hpp"

namespace tacit::core {
namespace {

template <typename Number>
void check_number(std::initializer_list<Number> numbers) {
  for (Number const number : numbers) {
    std::string bytes;
    wire_writer(bytes).number(number);
    BOOST_TEST(bytes.size() == sizeof(Number));
    wire_reader from(bytes);
    BOOST_TEST(from.number<Number>() == number);
    BOOST_TEST(from.done());
    for (std::size_t cut = 0; cut < bytes.size(); ++cut) {
      wire_reader less(std::string_view(bytes).substr(0, cut));
      BOOST_TEST(less.number<Number>() == Number{0});
      BOOST_TEST(!less.ok());
    }
  }
}

template <typename Number>
void check_type() {
  using range = std::numeric_limits<Number>;
  check_number<Number>({0, 1, 0x7F, range::min(), range::max(),
                        static_cast<Number>(range::max() - 1),
                        static_cast<Number>(range::max() / 3)});
}

}  // namespace

BOOST_AUTO_TEST_SUITE(wire)

BOOST_AUTO_TEST_CASE(a_number_of_each_width_comes_back_and_needs_all_its_bytes) {
  check_type<std::uint8_t>();
  check_type<std::uint16_t>();
  check_type<std::uint32_t>();
  check_type<std::uint64_t>();
  check_type<std::int8_t>();
  check_type<std::int16_t>();
  check_type<std::int32_t>();
  check_type<std::int64_t>();
}

BOOST_AUTO_TEST_CASE(numbers_are_little_endian) {
  std::string bytes;
  wire_writer to(bytes);
  to.number(std::uint8_t{0xFE});
  to.number(std::uint16_t{0x0102});
  to.number(std::uint32_t{0x03040506});
  to.number(std::uint64_t{0x0708090A0B0C0D0E});
  to.number(std::int64_t{-2});
  BOOST_TEST(bytes == test::from_hex("fe0201060504030e0d0c0b0a090807feffffffffffffff"));
}

BOOST_AUTO_TEST_CASE(a_text_of_each_length_comes_back) {
  for (std::size_t const size : {0u, 1u, 254u, 255u}) {
    std::string bytes;
    wire_writer(bytes).short_text(std::string(size, 't'));
    BOOST_TEST(bytes.size() == size + 1);
    wire_reader from(bytes);
    BOOST_TEST(from.short_text() == std::string(size, 't'));
    BOOST_TEST(from.done());
  }
  for (std::size_t const size : {0u, 1u, 255u, 256u, 65'535u}) {
    std::string bytes;
    wire_writer(bytes).long_text(std::string(size, 't'));
    BOOST_TEST(bytes.size() == size + 2);
    wire_reader from(bytes);
    BOOST_TEST(from.long_text() == std::string(size, 't'));
    BOOST_TEST(from.done());
  }
}

BOOST_AUTO_TEST_CASE(a_text_longer_than_what_is_left_is_nothing) {
  wire_reader from(
      std::string_view("\x05"
                       "abcd",
                       5));
  BOOST_TEST(from.short_text() == "");
  BOOST_TEST(!from.ok());
  BOOST_TEST(!from.done());
  wire_reader wide(
      std::string_view("\xFF\xFF"
                       "abcd",
                       6));
  BOOST_TEST(wide.long_text() == "");
  BOOST_TEST(!wide.ok());
}

BOOST_AUTO_TEST_CASE(after_the_first_field_that_does_not_fit_every_read_is_empty) {
  wire_reader from(std::string_view("\x01\x02\x03", 3));
  BOOST_TEST(from.number<std::uint32_t>() == 0u);
  BOOST_TEST(!from.ok());
  BOOST_TEST(from.number<std::uint8_t>() == 0);
  BOOST_TEST(from.take(1) == "");
  BOOST_TEST(from.take(0) == "");
  BOOST_TEST(from.rest() == "");
  std::array<unsigned char, 2> bytes{7, 7};
  from.bytes(std::span(bytes));
  BOOST_TEST(bytes[0] == 7);
  BOOST_TEST(!from.done());
}

BOOST_AUTO_TEST_CASE(done_is_not_reached_before_the_last_byte) {
  wire_reader from("ab");
  BOOST_TEST(from.take(1) == "a");
  BOOST_TEST(from.ok());
  BOOST_TEST(!from.done());
  BOOST_TEST(from.rest() == "b");
  BOOST_TEST(from.take(1) == "b");
  BOOST_TEST(from.done());
  BOOST_TEST(wire_reader("").done());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace tacit::core
