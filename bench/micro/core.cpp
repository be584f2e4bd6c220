// What a request costs in core: sealing, opening, API keys, the limiter.
#include <benchmark/benchmark.h>

#include <memory>
#include <span>

#include "bench/micro/fixture.hpp"
#include "core/api_key.hpp"
#include "core/sealing.hpp"

namespace tacit::bench {

namespace {

// As the api seals: with one intake key for up to 4096 values, renewed in between.
void seal_value(benchmark::State& state) {
  auto const share = core::derive_api_share(sample_root());
  core::sealer sealer(share.public_key, share.record);
  auto const id = sample_project(0);
  auto const name = sample_name(0);
  std::string const value(static_cast<std::size_t>(state.range(0)), 'v');
  std::uint64_t record_id = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(sealer.seal(value, {id, name, ++record_id}, 0));
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(seal_value)->Arg(64)->Arg(4096);

// As the keeper opens: every value has a sealed intake key of its own to open first.
void open_value(benchmark::State& state) {
  auto const share = core::derive_api_share(sample_root());
  auto const keeper = core::derive_keeper_share(sample_root());
  core::sealer sealer(share.public_key, share.record);
  auto const id = sample_project(0);
  auto const name = sample_name(0);
  std::string const value(static_cast<std::size_t>(state.range(0)), 'v');
  std::string const sealed = sealer.seal(value, {id, name, 1}, 0);
  core::secret_buffer out(value.size());
  for (auto _ : state) {
    out.clear();
    auto const opened = core::open_value(keeper, sealed, {id, name, 1}, out);
    if (!opened) state.SkipWithError("does not open");
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(open_value)->Arg(64)->Arg(4096);

void parse_and_hash_api_key(benchmark::State& state) {
  auto const share = core::derive_api_share(sample_root());
  auto const key = core::api_key_text::make_random();
  std::string const text(key.reveal());
  for (auto _ : state) {
    auto const parsed = core::api_key_text::parse(text);
    benchmark::DoNotOptimize(parsed->hash(share.pepper));
  }
}
BENCHMARK(parse_and_hash_api_key);

// The limit is beyond reach, so that every take is granted and writes its word. With two threads
// both take from the same bucket.
void limiter_take(benchmark::State& state) {
  static auto const table = std::make_unique<core::rate_limiter::word[]>(core::rate_limiter::words);
  static core::rate_limiter limiter(std::span<core::rate_limiter::word, core::rate_limiter::words>(
                                        table.get(), core::rate_limiter::words),
                                    {core::limits::requests_per_minute_max, 0, 0});
  std::uint64_t now = 1'000'000'000'000;
  for (auto _ : state) {
    now += 1000;
    benchmark::DoNotOptimize(limiter.take(7, core::bucket_kind::read, now));
  }
}
BENCHMARK(limiter_take)->Threads(1)->Threads(2)->UseRealTime();

}  // namespace

}  // namespace tacit::bench
