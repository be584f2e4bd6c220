// Sealed requests of other machines on their way to the keeper, and its replies on their way back:
// handed in by the workers, taken by the thread that answers the keeper. Nothing here looks into
// them.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/channel.hpp"

namespace tacit::net {

// Its maker keeps it alive and untouched from submit() until it is done.
struct relayed_request {
  std::string sealed;
  std::string reply;                   // empty: the keeper did not understand, or is not there
  std::function<void()> done;          // called once, from any thread
  std::uint64_t address_hash = 0;      // of whom it is from
  std::int64_t late_from_seconds = 0;  // monotonic; set by submit()
};

class relay {
 public:
  // Well beyond what the keeper holds a request for, and takes to reply.
  static constexpr std::int64_t reply_seconds_max = 60;

  relay();  // throws std::system_error when there are no descriptors left
  relay(relay const&) = delete;
  relay& operator=(relay const&) = delete;
  ~relay();

  // From any thread. False, and nothing taken, when too many wait, of this address or of all, or
  // close() was called.
  [[nodiscard]] bool submit(relayed_request& one);

  // Readable when take() may have something to give (an eventfd).
  [[nodiscard]] int descriptor() const noexcept { return descriptor_; }
  // The keeper takes so many more.
  void invite(std::size_t requests);
  // Those that wait, as far as the keeper takes them.
  [[nodiscard]] std::vector<core::request_message> take();
  void reply(core::reply_message piece);
  // Those that have waited for reply_seconds_max are done, without a reply: the keeper's was lost,
  // or it stands still. From any thread, each second or so.
  void forget_late(std::int64_t now_seconds);
  // All that are under way are done, without a reply. None is taken any more.
  void close();

 private:
  void wake() const noexcept;
  [[nodiscard]] relayed_request* take_first();  // of waiting_, which has one

  int descriptor_;
  std::mutex mutex_;
  bool closed_ = false;  // guarded by mutex_, as below
  std::size_t invited_ = 0;
  std::uint32_t last_number_ = 0;
  std::deque<relayed_request*> waiting_;                           // oldest first
  std::unordered_map<std::uint64_t, std::size_t> waiting_of_;      // by address; none is 0
  std::unordered_map<std::uint32_t, relayed_request*> under_way_;  // by number
};

}  // namespace tacit::net
