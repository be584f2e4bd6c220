// tacit-timing: whether the time that it takes to refuse a wrong API key tells which byte of it is
// wrong. After dudect (Reparaz, Balasch, Verbauwhede: "Dude, is my code constant time?", DATE
// 2017): two classes of input in random order, wrong in their first or in their last byte, and a
// t-test, also without the slowest times; |t| above 4.5 says that the classes differ.
//
// What is tested is the difference of the classes' means in blocks, each with keys, guesses and a
// pepper of its own: where the hash of a guess falls in a directory, or a text in memory, costs its
// own time, which has nothing to do with the wrong byte's place and is another in every block.
//
//   tacit-timing [--seed N] [--blocks N]
//
// Exit 1 when a comparison of ours differs, or when the control, which stops at the first wrong
// byte, does not. A measurement: not part of the test suite (./dev torture timing).
#include <x86intrin.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <functional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "core/api_key.hpp"
#include "core/crypto.hpp"
#include "core/store.hpp"

namespace {

using namespace tacit::core;

constexpr double t_max = 4.5;
constexpr std::size_t keys_of_a_block = 16;
constexpr std::size_t guesses_of_a_key = 8;
constexpr std::size_t samples_of_a_block = 512;
constexpr std::array<double, 3> kept_shares{1.0, 0.9, 0.5};  // of the times, the least first

struct guess {
  std::string text;
  std::size_t of;  // the number of the key that it is nearly
};

// What a block is about: made anew for each.
struct block {
  std::vector<std::string> keys;
  std::vector<short_tag> tags;
  std::vector<std::string> hashes;
  api_key_pepper pepper;
  short_tag_key tag_key;
  api_key_directory directory;
};

// Another text that is wrong in one byte.
using maker = std::string (*)(std::string const& right, std::size_t at, std::size_t step);

struct subject {
  char const* name;
  bool (*refuses)(block const& in, guess const& one);
  std::vector<std::string> block::* right;
  maker make;
  std::size_t last;
  bool must_differ = false;
};

std::string crc_digits(std::string_view random) {
  constexpr std::string_view digits =
      "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  std::uint32_t crc = 0xFFFF'FFFFu;
  for (char const c : random) {
    crc ^= static_cast<unsigned char>(c);
    for (int bit = 0; bit < 8; ++bit) crc = (crc & 1) != 0 ? crc >> 1 ^ 0xEDB8'8320u : crc >> 1;
  }
  crc = ~crc;
  std::string check(api_key_check_chars, '0');
  for (std::size_t i = check.size(); i-- > 0; crc /= 62) check[i] = digits[crc % 62];
  return check;
}

// Well formed: one random character differs, the check digits are put right.
std::string key_wrong_at(std::string const& key, std::size_t at, std::size_t step) {
  constexpr std::string_view digits =
      "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  std::string other = key.substr(0, api_key_prefix.size() + api_key_random_chars);
  char& changed = other[api_key_prefix.size() + at];
  changed = digits[(digits.find(changed) + 1 + step % 61) % 62];
  return other + crc_digits(std::string_view(other).substr(api_key_prefix.size()));
}

std::string byte_wrong_at(std::string const& bytes, std::size_t at, std::size_t step) {
  std::string other = bytes;
  other[at] = static_cast<char>(static_cast<unsigned char>(other[at]) ^ (step % 255 + 1));
  return other;
}

std::vector<guess> guesses_wrong_at(std::vector<std::string> const& right, std::size_t at,
                                    maker make, std::mt19937_64& random) {
  std::vector<guess> made;
  for (std::size_t of = 0; of < right.size(); ++of) {
    for (std::size_t i = 0; i < guesses_of_a_key; ++i) {
      made.push_back({make(right[of], at, random()), of});
    }
  }
  return made;
}

block make_block() {
  block made;
  fill_random(made.pepper.reveal_mutable());
  fill_random(made.tag_key.reveal_mutable());
  auto const entry = std::make_shared<api_key_entry const>(*api_key_id::parse("id"));
  for (std::size_t i = 0; i < keys_of_a_block; ++i) {
    auto const key = api_key_text::make_random();
    made.keys.emplace_back(key.reveal());
    made.tags.push_back(make_short_tag(made.tag_key, as_bytes(key.reveal())));
    auto const hash = key.hash(made.pepper);
    made.hashes.emplace_back(reinterpret_cast<char const*>(hash.data()), hash.size());
    made.directory.keys.emplace(hash, entry);
  }
  return made;
}

// Stops at the first byte that differs.
[[gnu::noinline]] bool is_equal_hastily(std::string_view a, std::string_view b) {
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i] != b[i]) return false;
  }
  return true;
}

std::uint64_t now_cycles() {
  unsigned ignored = 0;
  _mm_lfence();
  std::uint64_t const now = __rdtscp(&ignored);
  _mm_lfence();
  return now;
}

struct sample {
  std::uint64_t cycles;
  bool last;
};

std::vector<sample> take_samples(subject const& one, block const& in, std::mt19937_64& random) {
  auto const& right = in.*one.right;
  auto const first = guesses_wrong_at(right, 0, one.make, random);
  auto const last = guesses_wrong_at(right, one.last, one.make, random);
  guess at_hand = first.front();  // one place in memory for both classes
  std::vector<sample> taken;
  for (std::size_t i = 0; i < 2 * samples_of_a_block; ++i) {
    bool const is_last = (random() & 1u) != 0;
    guess const& chosen = (is_last ? last : first)[random() % first.size()];
    std::copy(chosen.text.begin(), chosen.text.end(), at_hand.text.begin());
    at_hand.of = chosen.of;
    std::uint64_t const begin = now_cycles();
    bool const refused = one.refuses(in, at_hand);
    std::uint64_t const end = now_cycles();
    CHECK(refused);
    if (i >= samples_of_a_block) taken.push_back({end - begin, is_last});  // warm by then
  }
  std::sort(taken.begin(), taken.end(),
            [](sample const& a, sample const& b) { return a.cycles < b.cycles; });
  return taken;
}

// Mean of the one class less that of the other, over the least `count` times.
double difference(std::vector<sample> const& sorted, std::size_t count) {
  std::array<double, 2> sum{}, n{};
  for (std::size_t i = 0; i < count; ++i) {
    sum[sorted[i].last ? 1 : 0] += static_cast<double>(sorted[i].cycles);
    n[sorted[i].last ? 1 : 0] += 1;
  }
  return sum[1] / std::max(1.0, n[1]) - sum[0] / std::max(1.0, n[0]);
}

struct verdict {
  double t = 0;  // the one furthest from 0 of the cuts
  double cycles = 0;
};

verdict measure(subject const& one, std::size_t blocks, std::mt19937_64& random) {
  std::array<std::vector<double>, kept_shares.size()> differences;
  for (std::size_t i = 0; i < blocks; ++i) {
    auto const sorted = take_samples(one, make_block(), random);
    for (std::size_t cut = 0; cut < kept_shares.size(); ++cut) {
      auto const count = static_cast<double>(sorted.size()) * kept_shares[cut];
      differences[cut].push_back(difference(sorted, static_cast<std::size_t>(count)));
    }
  }
  verdict worst;
  for (auto const& each : differences) {
    double mean = 0, square = 0;
    for (double const d : each) mean += d / static_cast<double>(blocks);
    for (double const d : each) square += (d - mean) * (d - mean);
    double const error = std::sqrt(square / static_cast<double>(blocks - 1)) /
                         std::sqrt(static_cast<double>(blocks));
    double const t = error > 0 ? mean / error : 0;
    if (std::abs(t) > std::abs(worst.t)) worst = {t, mean};
  }
  return worst;
}

constexpr std::size_t last_char = api_key_random_chars - 1;
constexpr std::array subjects{
    subject{"an API key looked up (parse, keyed hash, directory)",
            [](block const& in, guess const& one) {
              auto const parsed = api_key_text::parse(one.text);
              CHECK(parsed.has_value());
              return in.directory.find(parsed->hash(in.pepper)) == nullptr;
            },
            &block::keys, key_wrong_at, last_char},
    subject{"an API key against the remembered one (tag, comparison)",
            [](block const& in, guess const& one) {
              return !equal_in_constant_time(make_short_tag(in.tag_key, as_bytes(one.text)),
                                             in.tags[one.of]);
            },
            &block::keys, key_wrong_at, last_char},
    subject{"32 bytes compared in constant time",
            [](block const& in, guess const& one) {
              return !equal_in_constant_time(as_bytes(one.text), as_bytes(in.hashes[one.of]));
            },
            &block::hashes, byte_wrong_at, 31},
    subject{"control: the text of an API key compared hastily",
            [](block const& in, guess const& one) {
              return !is_equal_hastily(one.text, in.keys[one.of]);
            },
            &block::keys, key_wrong_at, last_char, true},
};

std::uint64_t option(int argc, char** argv, std::string_view name, std::uint64_t otherwise) {
  for (int i = 1; i + 1 < argc; ++i) {
    std::string_view const text = argv[i + 1];
    if (argv[i] == name) std::from_chars(text.data(), text.data() + text.size(), otherwise);
  }
  return otherwise;
}

}  // namespace

int main(int argc, char** argv) {
  init_crypto();
  std::uint64_t const seed = option(argc, argv, "--seed", random_u64());
  std::uint64_t const blocks = std::max<std::uint64_t>(2, option(argc, argv, "--blocks", 4000));
  std::mt19937_64 random(seed);
  std::printf("seed %llu, %llu blocks of %zu times\n", static_cast<unsigned long long>(seed),
              static_cast<unsigned long long>(blocks), samples_of_a_block);
  bool good = true;
  for (subject const& one : subjects) {
    verdict const came = measure(one, blocks, random);
    bool const differs = std::abs(came.t) > t_max;
    good = good && differs == one.must_differ;
    std::printf("%-56s t = %8.2f (%6.2f cycles)  %s\n", one.name, came.t, came.cycles,
                differs ? "differs" : "no difference");
  }
  return good ? 0 : 1;
}
