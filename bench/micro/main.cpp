// Google Benchmark: `tacit-micro --benchmark_filter=seal`, `--help` for more.
#include <benchmark/benchmark.h>

BENCHMARK_MAIN();
