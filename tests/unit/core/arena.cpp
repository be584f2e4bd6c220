// Pieces of one block: whose each byte is, what is left in it, what does not fit.
#include "core/arena.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/test/unit_test.hpp>
#include <csignal>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <vector>

#include "core/secret.hpp"

namespace tacit::core {
namespace {

constexpr std::uint64_t mark = 0x1122334455667788;

struct alignas(arena::unit_bytes) block {
  std::array<unsigned char, arena::block_bytes> bytes{};
};

struct over_a_block {
  std::unique_ptr<block> held = std::make_unique<block>();
  arena pieces{held->bytes, mark};

  [[nodiscard]] unsigned char* take(std::size_t bytes) {
    return static_cast<unsigned char*>(pieces.take(bytes));
  }
  [[nodiscard]] bool gives_the_whole_block() {
    constexpr std::size_t whole = arena::block_bytes - sizeof mark;
    void* const all = pieces.take(whole);
    if (all != nullptr) pieces.give_back(all);
    return all != nullptr && pieces.take(whole + 1) == nullptr;
  }
};

// Whether it ends the process. No sanitizer is asked: it would end it as well.
bool is_fatal(std::function<void()> const& what) {
  pid_t const child = ::fork();
  if (child == 0) {
    std::signal(SIGABRT, SIG_DFL);  // Boost.Test takes it for a failure
    ::close(STDERR_FILENO);
    what();
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return !WIFEXITED(status) || WEXITSTATUS(status) != 0;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(arenas)

BOOST_FIXTURE_TEST_CASE(what_does_not_fit_is_refused_and_what_fits_is_given, over_a_block) {
  BOOST_TEST(gives_the_whole_block());
  BOOST_TEST((take(arena::block_bytes) == nullptr));
  BOOST_TEST((take(static_cast<std::size_t>(-1)) == nullptr));
  auto* const one = take(1);
  BOOST_TEST((one != nullptr));
  BOOST_TEST(!gives_the_whole_block());
  pieces.give_back(one);
  BOOST_TEST(gives_the_whole_block());
}

BOOST_FIXTURE_TEST_CASE(a_full_block_gives_nothing_until_something_comes_back, over_a_block) {
  std::vector<unsigned char*> taken;
  while (auto* const one = take(arena::unit_bytes - sizeof mark)) taken.push_back(one);
  BOOST_TEST(taken.size() == arena::units);
  BOOST_TEST((take(0) == nullptr));
  unsigned char* const middle = taken[100];
  pieces.give_back(middle);
  BOOST_TEST((take(arena::unit_bytes) == nullptr));  // with its mark it takes two
  BOOST_TEST((take(1) == middle));
}

BOOST_FIXTURE_TEST_CASE(no_byte_is_given_twice_and_none_changes_by_anothers_doing, over_a_block) {
  std::mt19937 dice(7);  // NOLINT(cert-msc32-c,cert-msc51-cpp): the same each time
  std::map<unsigned char*, std::pair<std::size_t, unsigned char>> live;
  std::size_t refused = 0;
  for (int step = 0; step < 20'000; ++step) {
    if (!live.empty() && dice() % 2 == 0) {
      auto const at = std::next(live.begin(), static_cast<long>(dice() % live.size()));
      auto const [bytes, filling] = at->second;
      BOOST_REQUIRE(std::all_of(at->first, at->first + bytes,
                                [&](unsigned char byte) { return byte == filling; }));
      pieces.give_back(at->first);
      live.erase(at);
      continue;
    }
    std::size_t const bytes = dice() % 10 == 0 ? dice() % 20'000 : dice() % 300;
    unsigned char* const got = take(bytes);
    if (got == nullptr) {
      ++refused;
      continue;
    }
    BOOST_REQUIRE(pieces.owns(got));
    BOOST_REQUIRE(reinterpret_cast<std::uintptr_t>(got) % arena::unit_bytes == 0u);
    auto const filling = static_cast<unsigned char>(dice());
    std::fill(got, got + bytes, filling);
    BOOST_REQUIRE(live.emplace(got, std::pair(bytes, filling)).second);
  }
  BOOST_TEST(refused > 0u);
  for (auto const& [at, what] : live) pieces.give_back(at);
  BOOST_TEST(gives_the_whole_block());
}

BOOST_AUTO_TEST_CASE(a_piece_that_came_back_is_wiped) {
  auto held = std::make_unique<block>();
  {
    arena pieces(held->bytes, mark);
    auto* const neighbour = static_cast<unsigned char*>(pieces.take(8));
    std::fill(neighbour, neighbour + 8, 'n');
    auto* const secret = static_cast<unsigned char*>(pieces.take(1000));
    std::fill(secret, secret + 1000, 's');
    pieces.give_back(secret);
  }
  BOOST_TEST(std::count(held->bytes.begin(), held->bytes.end(), 's') == 0);
  BOOST_TEST(std::count(held->bytes.begin(), held->bytes.end(), 'n') == 8);
  constexpr std::size_t marks_left = 1;  // the neighbour's
  BOOST_TEST(std::count(held->bytes.begin(), held->bytes.end(), 0x88) == marks_left);
}

BOOST_FIXTURE_TEST_CASE(what_is_wrong_with_a_piece_ends_the_process, over_a_block) {
  auto* const good = take(100);
  BOOST_TEST(!is_fatal([&] { pieces.give_back(good); }));
  BOOST_TEST(is_fatal([&] {
    pieces.give_back(good);
    pieces.give_back(good);
  }));
  BOOST_TEST(is_fatal([&] { pieces.give_back(good + arena::unit_bytes); }));
  BOOST_TEST(is_fatal([&] { pieces.give_back(good + 1); }));
  BOOST_TEST(is_fatal([&] {
    good[127] ^= 1u;  // beyond the 100, in the mark
    pieces.give_back(good);
  }));
}

BOOST_FIXTURE_TEST_CASE(only_what_lies_in_the_block_is_owned, over_a_block) {
  auto const* const first = held->bytes.data();
  BOOST_TEST(pieces.owns(first));
  BOOST_TEST(pieces.owns(first + arena::block_bytes - 1));
  BOOST_TEST(!pieces.owns(first - 1));
  BOOST_TEST(!pieces.owns(first + arena::block_bytes));
  BOOST_TEST(!pieces.owns(nullptr));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace tacit::core
