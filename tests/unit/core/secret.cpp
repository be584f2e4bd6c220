// Memory for secrets: what is wiped, what does not fit.
#include "core/secret.hpp"

#include <boost/test/unit_test.hpp>
#include <cstring>
#include <new>
#include <type_traits>

#include "tests/unit/core/samples.hpp"

namespace tacit::core {
namespace {

using sixteen = secret_array<struct sixteen_tag, 16>;

static_assert(!std::is_copy_constructible_v<sixteen> && !std::is_copy_assignable_v<sixteen>);
static_assert(!std::is_copy_constructible_v<secret_buffer>);
static_assert(!std::is_copy_assignable_v<secret_buffer>);
static_assert(!std::is_convertible_v<root_key, record_key>);
static_assert(!std::is_constructible_v<store_private_key, root_key>);

void fill(sixteen& key) {
  for (unsigned char& byte : key.reveal_mutable()) byte = 0xA5;
}

// Reads memory whose object has ended: the compiler is not told where the pointer comes from.
std::array<unsigned char, 16> raw(void const* memory) {
  asm volatile("" : "+r"(memory) : : "memory");
  std::array<unsigned char, 16> bytes;
  std::memcpy(bytes.data(), memory, bytes.size());
  return bytes;
}

constexpr std::array<unsigned char, 16> zeros{};

}  // namespace

BOOST_AUTO_TEST_SUITE(secrets)

BOOST_AUTO_TEST_CASE(a_key_is_zero_when_made_and_where_it_was_moved_from) {
  sixteen first;
  BOOST_CHECK(raw(&first) == zeros);
  fill(first);
  BOOST_CHECK(raw(&first) != zeros);
  sixteen second = std::move(first);
  BOOST_CHECK(raw(&first) == zeros);
  BOOST_TEST(second.reveal()[15] == 0xA5);
  sixteen third;
  third = std::move(second);
  BOOST_CHECK(raw(&second) == zeros);
  BOOST_TEST(third.reveal()[0] == 0xA5);
  sixteen& same = third;
  third = std::move(same);
  BOOST_TEST(third.reveal()[0] == 0xA5);
  third.clear();
  BOOST_CHECK(raw(&third) == zeros);
}

BOOST_AUTO_TEST_CASE(a_key_is_wiped_when_it_goes) {
  alignas(sixteen) unsigned char place[sizeof(sixteen)];
  auto* const key = new (place) sixteen;
  fill(*key);
  BOOST_CHECK(raw(place) != zeros);
  key->~sixteen();
  BOOST_CHECK(raw(place) == zeros);
}

BOOST_AUTO_TEST_CASE(a_buffer_takes_what_fits_and_nothing_of_what_does_not) {
  for (std::size_t const capacity : {0u, 1u, 7u, 8u, 4096u, 5000u}) {
    secret_buffer buffer(capacity);
    BOOST_TEST(buffer.capacity() == capacity);
    BOOST_TEST(buffer.empty());
    BOOST_TEST(!buffer.append(std::string(capacity + 1, 'x')));
    BOOST_TEST(buffer.empty());
    BOOST_TEST(buffer.append(""));
    for (std::size_t i = 0; i < capacity; ++i) BOOST_REQUIRE(buffer.append("v"));
    BOOST_TEST(!buffer.append("v"));
    BOOST_TEST(buffer.append(""));
    BOOST_CHECK(buffer.reveal() == std::string(capacity, 'v'));
  }
}

BOOST_AUTO_TEST_CASE(bytes_that_leave_a_buffers_view_are_wiped) {
  secret_buffer buffer(16);
  BOOST_TEST(buffer.append("0123456789abcdef"));
  buffer.resize(4);
  BOOST_CHECK(buffer.reveal() == "0123");
  auto const storage = buffer.reveal_storage();
  BOOST_TEST(storage.size() == 16u);
  for (std::size_t i = 4; i < 16; ++i) BOOST_TEST(storage[i] == '\0');
  buffer.resize(6);
  BOOST_CHECK(buffer.reveal() == std::string_view("0123\0\0", 6));
  buffer.clear();
  BOOST_TEST(buffer.empty());
  for (char const byte : buffer.reveal_storage()) BOOST_TEST(byte == '\0');
}

BOOST_AUTO_TEST_CASE(what_is_written_to_the_storage_comes_into_view_by_its_size) {
  secret_buffer buffer(8);
  std::memcpy(buffer.reveal_storage().data(), "12345678", 8);
  BOOST_TEST(buffer.empty());
  buffer.resize(8);
  BOOST_CHECK(buffer.reveal() == "12345678");
}

BOOST_AUTO_TEST_CASE(a_moved_buffer_leaves_nothing_and_takes_everything) {
  secret_buffer first(8);
  BOOST_TEST(first.append("1234"));
  char const* const at = first.reveal().data();
  secret_buffer second = std::move(first);
  BOOST_TEST((second.reveal().data() == at));  // no copy was made
  BOOST_TEST(second.size() == 4u);
  BOOST_TEST(second.capacity() == 8u);
  // NOLINTBEGIN(bugprone-use-after-move): what it leaves is the test
  BOOST_TEST(first.empty());
  BOOST_TEST(first.capacity() == 0u);
  BOOST_TEST(!first.append("x"));
  BOOST_TEST(first.append(""));
  first.clear();
  // NOLINTEND(bugprone-use-after-move)
  secret_buffer third(2);
  BOOST_TEST(third.append("zz"));
  third = std::move(second);
  BOOST_CHECK(third.reveal() == "1234");
  BOOST_TEST(third.append("5678"));
  secret_buffer& same = third;
  third = std::move(same);
  BOOST_CHECK(third.reveal() == "12345678");
}

BOOST_AUTO_TEST_CASE(comparison_sees_every_byte_and_the_size) {
  std::string const a(33, 'a');
  BOOST_TEST(equal_in_constant_time(as_bytes(a), as_bytes(a)));
  BOOST_TEST(equal_in_constant_time({}, {}));
  BOOST_TEST(!equal_in_constant_time(as_bytes(a), as_bytes(a).first(32)));
  BOOST_TEST(!equal_in_constant_time(as_bytes(a), {}));
  test::for_each_flipped_bit(a, [&](std::string const& b) {
    BOOST_TEST(!equal_in_constant_time(as_bytes(a), as_bytes(b)));
  });
}

BOOST_AUTO_TEST_CASE(an_object_in_locked_memory_is_aligned_and_whole) {
  struct alignas(16) keys {
    sixteen key;
    char tail = 'x';
  };
  keys made;
  fill(made.key);
  auto const locked = make_locked(std::move(made));
  BOOST_TEST(reinterpret_cast<std::uintptr_t>(locked.get()) % alignof(keys) == 0u);
  BOOST_TEST(locked->key.reveal()[15] == 0xA5);
  BOOST_TEST(locked->tail == 'x');
  BOOST_CHECK(raw(&made.key) == zeros);  // NOLINT(bugprone-use-after-move)
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace tacit::core
