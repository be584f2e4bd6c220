// Runs a fuzz target without a fuzzer: every file of a corpus, then inputs made of them by a
// seeded generator. The same seed gives the same inputs.
//
//   fuzz_SURFACE CORPUS [--runs N] [--seed N] [--must-fail]
//
// A broken CHECK ends it by SIGABRT, behind a line with seed and run and the input in
// hexadecimal. --must-fail is for a target with a planted fault: exit 0 only when a CHECK breaks.
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "tests/fuzz/target.hpp"

namespace {

constexpr std::size_t input_bytes_max = 4096;

struct order {
  std::string corpus;
  std::uint64_t runs = 20'000;
  std::uint64_t seed = 1;
  bool must_fail = false;
};

// What is under way, for the last words.
std::string current;
std::uint64_t current_run = 0;
std::uint64_t current_seed = 0;

void say_input(int signal) {
  std::fprintf(stderr, "seed %llu, run %llu of the generator (0: a file), input:\n",
               static_cast<unsigned long long>(current_seed),
               static_cast<unsigned long long>(current_run));
  for (char const c : current) {
    std::fprintf(stderr, "%02x", static_cast<unsigned>(static_cast<unsigned char>(c)));
  }
  std::fputc('\n', stderr);
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

std::uint64_t number_of(std::string_view text) {
  std::uint64_t number = 0;
  auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) {
    std::fputs("replay: not a number\n", stderr);
    std::exit(2);
  }
  return number;
}

std::vector<std::string> read_corpus(std::string const& folder) {
  std::vector<std::filesystem::path> paths;
  for (auto const& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.is_regular_file()) paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  std::vector<std::string> inputs;
  for (auto const& path : paths) {
    std::ifstream file(path, std::ios::binary);
    inputs.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  }
  return inputs;
}

class generator {
 public:
  generator(std::vector<std::string> const& corpus, std::uint64_t seed)
      : corpus_(corpus), random_(seed) {}

  std::string next() {
    std::string input = any();
    for (std::size_t steps = 1 + below(4); steps > 0; --steps) change(input);
    input.resize(std::min(input.size(), input_bytes_max));
    return input;
  }

 private:
  std::size_t below(std::size_t bound) { return bound == 0 ? 0 : random_() % bound; }
  std::string const& any() { return corpus_[below(corpus_.size())]; }
  std::string piece_of(std::string const& text) {
    std::size_t const from = below(text.size());
    return text.substr(from, 1 + below(std::min<std::size_t>(text.size() - from, 32)));
  }

  void change(std::string& input) {
    using namespace std::string_view_literals;
    constexpr std::string_view telling = "\0\xFF\x7F\x80 \t\r\n:/,\"\\{}[]=09aA"sv;
    std::size_t const at = below(input.size() + 1);
    switch (below(6)) {
      case 0:
        if (at < input.size()) input[at] = static_cast<char>(input[at] ^ 1 << below(8));
        break;
      case 1:
        input.insert(at, 1, telling[below(telling.size())]);
        break;
      case 2:
        input.erase(at, 1 + below(8));
        break;
      case 3:
        input.insert(at, piece_of(input));
        break;
      case 4:
        input.insert(at, piece_of(any()));
        break;
      default:
        input = input.substr(0, at) + piece_of(any());
    }
  }

  std::vector<std::string> const& corpus_;
  std::mt19937_64 random_;
};

void run_input(std::string input) {
  current = std::move(input);
  LLVMFuzzerTestOneInput(reinterpret_cast<std::uint8_t const*>(current.data()), current.size());
}

int run_all(order const& asked, std::vector<std::string> const& corpus) {
  std::signal(SIGABRT, say_input);
  std::signal(SIGSEGV, say_input);
  current_seed = asked.seed;
  run_input("");
  for (std::string const& input : corpus) run_input(input);
  generator make(corpus, asked.seed);
  for (current_run = 1; current_run <= asked.runs; ++current_run) run_input(make.next());
  std::printf("%zu files, %llu inputs by seed %llu: every one judged well\n", corpus.size(),
              static_cast<unsigned long long>(asked.runs),
              static_cast<unsigned long long>(asked.seed));
  return 0;
}

// A crash of another kind than a CHECK of the target's own would be no proof.
int run_to_fail(order const& asked, std::vector<std::string> const& corpus) {
  constexpr std::string_view broken = "broken invariant at ";
  std::FILE* const words = std::tmpfile();
  pid_t const child = words == nullptr ? -1 : fork();
  if (child == 0) {
    dup2(fileno(words), STDERR_FILENO);
    std::_Exit(run_all(asked, corpus));
  }
  int status = 0;
  if (child < 0 || waitpid(child, &status, 0) != child) return 1;
  std::string said(4096, '\0');
  std::rewind(words);
  said.resize(std::fread(said.data(), 1, said.size(), words));
  std::fclose(words);
  std::fputs(said.c_str(), stdout);
  std::size_t const at = said.find(broken);
  bool const is_of_target =
      at != said.npos && said.substr(at, said.find('\n', at) - at).find("tests/fuzz/") != said.npos;
  if (WIFSIGNALED(status) && is_of_target) {
    std::puts("the planted fault was found");
    return 0;
  }
  std::puts("the planted fault was NOT found: this target proves nothing");
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  order asked;
  for (int i = 1; i < argc; ++i) {
    std::string_view const word = argv[i];
    if (word == "--must-fail") {
      asked.must_fail = true;
    } else if (word == "--runs" && i + 1 < argc) {
      asked.runs = number_of(argv[++i]);
    } else if (word == "--seed" && i + 1 < argc) {
      asked.seed = number_of(argv[++i]);
    } else {
      asked.corpus = word;
    }
  }
  auto const corpus = read_corpus(asked.corpus);
  if (corpus.empty()) {
    std::fprintf(stderr, "replay: no files in '%s'\n", asked.corpus.c_str());
    return 2;
  }
  return asked.must_fail ? run_to_fail(asked, corpus) : run_all(asked, corpus);
}
