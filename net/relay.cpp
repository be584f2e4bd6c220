#include "net/relay.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include "core/limits.hpp"
#include "net/now.hpp"

namespace tacit::net {

relay::relay() : descriptor_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (descriptor_ < 0) throw std::system_error(errno, std::generic_category());
}

relay::~relay() { ::close(descriptor_); }

void relay::wake() const noexcept {
  std::uint64_t const one = 1;
  [[maybe_unused]] auto const told = ::write(descriptor_, &one, sizeof one);
}

bool relay::submit(relayed_request& one) {
  std::lock_guard const lock(mutex_);
  if (closed_ || waiting_.size() >= core::limits::remote_requests_max) return false;
  // One address does not fill the queue.
  std::size_t& of_address = waiting_of_[one.address_hash];
  if (of_address >= core::limits::remote_requests_per_address_max) return false;
  ++of_address;
  one.late_from_seconds = monotonic_microseconds() / 1'000'000 + reply_seconds_max;
  waiting_.push_back(&one);
  wake();
  return true;
}

relayed_request* relay::take_first() {
  relayed_request* const one = waiting_.front();
  waiting_.pop_front();
  auto const its = waiting_of_.find(one->address_hash);
  if (--its->second == 0) waiting_of_.erase(its);
  return one;
}

void relay::invite(std::size_t requests) {
  std::lock_guard const lock(mutex_);
  invited_ += requests;
  if (!waiting_.empty()) wake();
}

std::vector<core::request_message> relay::take() {
  std::lock_guard const lock(mutex_);
  std::uint64_t ignored = 0;
  [[maybe_unused]] auto const cleared = ::read(descriptor_, &ignored, sizeof ignored);
  std::vector<core::request_message> taken;
  for (; invited_ > 0 && !waiting_.empty(); --invited_) {
    relayed_request* const one = take_first();
    under_way_.emplace(++last_number_, one);
    taken.push_back({last_number_, std::move(one->sealed)});
  }
  return taken;
}

void relay::reply(core::reply_message piece) {
  std::unique_lock lock(mutex_);
  auto const found = under_way_.find(piece.request);
  if (found == under_way_.end()) return;  // closed meanwhile
  relayed_request* const one = found->second;
  one->reply.append(piece.sealed);
  if (!piece.last) return;
  under_way_.erase(found);
  lock.unlock();
  one->done();
}

void relay::forget_late(std::int64_t now_seconds) {
  std::vector<relayed_request*> late;
  {
    std::lock_guard const lock(mutex_);
    while (!waiting_.empty() && waiting_.front()->late_from_seconds <= now_seconds) {
      late.push_back(take_first());
    }
    std::erase_if(under_way_, [&](auto const& one) {
      bool const is_late = one.second->late_from_seconds <= now_seconds;
      if (is_late) late.push_back(one.second);
      return is_late;
    });
  }
  for (relayed_request* const one : late) {
    one->reply.clear();  // a piece is none
    one->done();
  }
}

void relay::close() {
  std::unique_lock lock(mutex_);
  closed_ = true;
  auto const waiting = std::exchange(waiting_, {});
  auto const under_way = std::exchange(under_way_, {});
  lock.unlock();
  for (relayed_request* const one : waiting) one->done();
  for (auto const& [number, one] : under_way) {
    one->reply.clear();
    one->done();
  }
}

}  // namespace tacit::net
