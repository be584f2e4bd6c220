// The commit thread by the size of its groups, on a disk, every group synced. A group's updates are
// of different secrets, spread over 16 projects.
#include <benchmark/benchmark.h>

#include <future>
#include <memory>
#include <utility>
#include <vector>

#include "bench/micro/fixture.hpp"
#include "core/check.hpp"

namespace tacit::bench {

namespace {

constexpr std::size_t projects = 16;

// Submits `size` updates each time a group is completed, from the commit thread itself: so the next
// group has exactly this size.
class group_maker final : public core::completion_port {
 public:
  group_maker(store_on_disk& disk, std::size_t size, std::int64_t groups)
      : disk_(disk), groups_left_(groups) {
    for (std::size_t i = 0; i < size; ++i) {
      changes_.push_back(std::make_unique<core::change>(next_upsert(), *this));
    }
  }

  void complete(core::change* first) noexcept override {
    for (core::change* one = first; one != nullptr; one = one->next) {
      if (!one->came_of) ++refused_;
    }
    if (groups_left_-- == 0) {
      done_.set_value();
      return;
    }
    // The values were sealed before: here it is about the commit.
    for (auto const& one : changes_) {
      auto& upsert = std::get<core::upsert_secret>(one->what);
      upsert.record_id = ++record_id_;
      upsert.last_four = core::label::of_text("vvvv");
      one->came_of = core::errc::internal;
      CHECK(disk_.store().submit(*one));
    }
  }

  // Returns how many changes failed.
  std::size_t run() {
    core::change first(next_upsert(), *this);
    CHECK(disk_.store().submit(first));
    done_.get_future().wait();
    return refused_;
  }

 private:
  core::upsert_secret next_upsert() {
    ++record_id_;
    return disk_.make_upsert(record_id_ % (projects * secrets_in_project), record_id_);
  }

  store_on_disk& disk_;
  std::uint64_t record_id_ = projects * secrets_in_project;
  std::int64_t groups_left_;
  std::size_t refused_ = 0;
  std::vector<std::unique_ptr<core::change>> changes_;
  std::promise<void> done_;
};

void commit_group(benchmark::State& state) {
  store_on_disk disk(projects);
  if (disk.in_memory()) {
    state.SkipWithError("the temporary folder is not on a disk: set TMPDIR");
    return;
  }
  auto const size = static_cast<std::size_t>(state.range(0));
  auto const groups = static_cast<std::int64_t>(state.max_iterations);
  group_maker maker(disk, size, groups);
  while (state.KeepRunningBatch(groups)) {
    if (maker.run() != 0) state.SkipWithError("a change was refused");
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(commit_group)
    ->Arg(1)
    ->Arg(16)
    ->Arg(64)
    ->Arg(256)
    ->UseRealTime()
    ->Unit(benchmark::kMicrosecond);

}  // namespace

}  // namespace tacit::bench
