// A process, mostly the api, ends at a named point, as if it were killed there: no destructor runs,
// no buffer of its own is written, the kernel keeps what it was given.
//
//   PROBE_POINT=NAME     the point; "*" is any, "census" ends nowhere and says at a regular end how
//                        often each was passed: {"points":{"NAME":times,…}} on stderr
//   PROBE_PASS=N         at its N-th passing, from 1; "+N" counts from the first change on
//
// Points are RocksDB's own (SyncPoint and KillPoint, which Debian's build has on) and those of
// tacit's commit thread and answers. All are met by the linker: it gives calls of a function f to
// __wrap_f, and __real_f is f itself (ld --wrap, tests/CMakeLists.txt).
#include <rocksdb/slice.h>
#include <unistd.h>

#include <atomic>
#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include "kv/commit_group.hpp"
#include "net/ready_socket.hpp"

namespace rocksdb {
class SyncPoint;
struct KillPoint;
}  // namespace rocksdb

namespace tacit::probe {
namespace {

constexpr int status_killed = 137;

class points {
 public:
  points() {
    char const* const name = std::getenv("PROBE_POINT");
    if (name == nullptr) return;
    wanted_ = name;
    counts_all_ = wanted_ == "census";
    std::string_view pass = "1";
    if (char const* const given = std::getenv("PROBE_PASS")) pass = given;
    counting_ = !pass.starts_with('+');
    if (!counting_) pass.remove_prefix(1);
    std::int64_t times = 0;
    std::from_chars(pass.data(), pass.data() + pass.size(), times);
    left_ = times;
  }
  points(points const&) = delete;
  points& operator=(points const&) = delete;

  void say_census() {
    std::lock_guard const lock(mutex_);
    if (passed_.empty()) return;
    std::string line = R"({"points":{)";
    for (auto const& [name, times] : passed_) {
      if (line.back() != '{') line += ',';
      line.append("\"").append(name).append("\":").append(std::to_string(times));
    }
    line += "}}\n";
    [[maybe_unused]] auto const told = write(STDERR_FILENO, line.data(), line.size());
  }

  void pass(std::string_view name) {
    if (counts_all_) {
      std::lock_guard const lock(mutex_);
      ++passed_[std::string(name)];
    } else if (counting_ && !wanted_.empty() && (wanted_ == "*" || wanted_ == name)) {
      if (left_.fetch_sub(1) != 1) return;
      std::string const line = "{\"killed_at\":\"" + std::string(name) + "\"}\n";
      [[maybe_unused]] auto const told = write(STDERR_FILENO, line.data(), line.size());
      _exit(status_killed);
    }
  }

  // The first change has come.
  void begin() { counting_ = true; }

 private:
  std::string wanted_;  // immutable, as the next
  bool counts_all_ = false;
  std::atomic<bool> counting_ = false;
  std::atomic<std::int64_t> left_ = 1;
  std::mutex mutex_;
  std::map<std::string, std::uint64_t> passed_;  // guarded by mutex_
};

// Never destroyed: RocksDB passes points before main() and behind it.
points& all_points() {
  static points& every = *[] {
    std::atexit([] { all_points().say_census(); });
    return new points;
  }();
  return every;
}

}  // namespace

#define WRAPPED(symbol) __asm__("__wrap_" symbol)
#define ORIGINAL(symbol) __asm__("__real_" symbol)

#define SYNC_POINT_PROCESS "_ZN7rocksdb9SyncPoint7ProcessERKNS_5SliceEPv"
void original_process(rocksdb::SyncPoint*, rocksdb::Slice const&, void*)
    ORIGINAL(SYNC_POINT_PROCESS);
void process(rocksdb::SyncPoint*, rocksdb::Slice const&, void*) WRAPPED(SYNC_POINT_PROCESS);
void process(rocksdb::SyncPoint* all, rocksdb::Slice const& name, void* argument) {
  all_points().pass({name.data(), name.size()});
  original_process(all, name, argument);
}

// The original would end the process by chance, and by a signal that tacit takes as "drain".
#define KILL_POINT_TEST                                                       \
  "_ZN7rocksdb9KillPoint14TestKillRandomENSt7__cxx1112basic_stringIcSt11char" \
  "_traitsIcESaIcEEEiRKS6_i"
void test_kill(rocksdb::KillPoint*, std::string, int, std::string const&, int)
    WRAPPED(KILL_POINT_TEST);
void test_kill(rocksdb::KillPoint*, std::string name, int, std::string const&, int) {
  all_points().pass(name);
}

#define GROUP_APPLY "_ZN5tacit2kv12commit_group5applyERNS_4core6changeE"
void original_apply(kv::commit_group*, core::change&) ORIGINAL(GROUP_APPLY);
void apply(kv::commit_group*, core::change&) WRAPPED(GROUP_APPLY);
void apply(kv::commit_group* group, core::change& asked) {
  all_points().begin();
  all_points().pass("commit: a change is decided");
  original_apply(group, asked);
}

#define GROUP_FINISH "_ZN5tacit2kv12commit_group6finishEv"
kv::generations::pending original_finish(kv::commit_group*) ORIGINAL(GROUP_FINISH);
kv::generations::pending finish(kv::commit_group*) WRAPPED(GROUP_FINISH);
kv::generations::pending finish(kv::commit_group* group) {
  all_points().pass("commit: all of a group are decided");
  return original_finish(group);
}

#define GROUP_REMEMBER "_ZN5tacit2kv12commit_group11remember_inERNS0_13commit_memoryE"
void original_remember(kv::commit_group*, kv::commit_memory&) ORIGINAL(GROUP_REMEMBER);
void remember(kv::commit_group*, kv::commit_memory&) WRAPPED(GROUP_REMEMBER);
void remember(kv::commit_group* group, kv::commit_memory& memory) {
  all_points().pass("commit: a group is written");
  original_remember(group, memory);
}

#define WRITE_SOME                                                              \
  "_ZN5tacit3net12ready_socket10write_someESt17basic_string_viewIcSt11char_tra" \
  "itsIcEE"
net::io_result original_write(net::ready_socket*, std::string_view) noexcept ORIGINAL(WRITE_SOME);
net::io_result write_answer(net::ready_socket*, std::string_view) noexcept WRAPPED(WRITE_SOME);
net::io_result write_answer(net::ready_socket* to, std::string_view from) noexcept {
  all_points().pass("answer: is about to be sent");
  net::io_result const sent = original_write(to, from);
  all_points().pass("answer: was sent");
  return sent;
}

}  // namespace tacit::probe
