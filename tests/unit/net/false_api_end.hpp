// The api process's end of the keeper's channel, in the test's hand, and in those of its threads:
// Boost.Test's macros are not for several at once.
#pragma once

#include <sys/socket.h>
#include <unistd.h>

#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "core/channel.hpp"
#include "core/check.hpp"
#include "core/limits.hpp"

namespace tacit::net::test {

using core::fetch_outcome;
using std::chrono_literals::operator""s;

// What an api process says to a fetch.
struct told {
  std::uint64_t revision = 0;
  std::vector<core::record_message> records;
  fetch_outcome came_of = fetch_outcome::found;
  std::uint32_t claimed_more = 0;  // records that are counted and never sent
};

class api_end {
 public:
  explicit api_end(int socket) : socket_(socket), thread_([this] { run(); }) {}
  ~api_end() {
    ::shutdown(socket_, SHUT_RDWR);
    thread_.join();
    ::close(socket_);
  }
  api_end(api_end const&) = delete;
  api_end& operator=(api_end const&) = delete;

  // From now on this is the answer to each fetch.
  void say(told what) {
    std::lock_guard const lock(mutex_);
    next_ = std::move(what);
  }
  void hold_answers(bool held) {
    std::lock_guard const lock(mutex_);
    held_ = held;
    if (held) return;
    for (core::fetch_message const& one : unanswered_) answer(one);
    unanswered_.clear();
  }
  void send(std::string const& datagram) const {
    static_cast<void>(::send(socket_, datagram.data(), datagram.size(), MSG_NOSIGNAL));
  }
  void wait_for_fetches(unsigned at_least) {
    wait([&] { return fetches_ >= at_least; });
  }
  void wait_for_watches(unsigned at_least) {
    wait([&] { return watches_ >= at_least; });
  }
  // What it says when it is asked for the epoch mark.
  void keep_mark(std::string mark) {
    std::lock_guard const lock(mutex_);
    mark_ = std::move(mark);
  }
  std::string kept_mark() {
    std::lock_guard const lock(mutex_);
    return mark_;
  }
  void wait_for_invitations(unsigned at_least) {
    wait([&] { return invitations_ >= at_least; });
  }
  // The whole reply to a request of another machine.
  std::string reply_to(std::uint32_t request) {
    wait([&] { return replied_.contains(request); });
    std::lock_guard const lock(mutex_);
    return replies_[request];
  }
  void wait_for_replies(std::size_t at_least) {
    wait([&] { return replied_.size() >= at_least; });
  }
  unsigned fetches() {
    std::lock_guard const lock(mutex_);
    return fetches_;
  }

 private:
  template <typename Condition>
  void wait(Condition condition) {
    std::unique_lock lock(mutex_);
    CHECK(something_.wait_for(lock, 30s, condition));
  }

  void answer(core::fetch_message const& asked) {
    for (core::record_message record : next_.records) {
      record.ask = asked.ask;
      send(core::encode_message(record));
    }
    auto const records = static_cast<std::uint32_t>(next_.records.size()) + next_.claimed_more;
    send(core::encode_message(
        core::fetched_message{asked.ask, next_.came_of, records, next_.revision}));
  }

  void run() {
    std::string datagram(core::limits::channel_message_bytes_max, '\0');
    while (true) {
      auto const got = ::recv(socket_, datagram.data(), datagram.size(), 0);
      if (got <= 0) return;
      auto const message =
          core::decode_to_api(std::string_view(datagram).substr(0, static_cast<std::size_t>(got)));
      std::lock_guard const lock(mutex_);
      if (auto const* const asked = std::get_if<core::fetch_message>(&*message)) {
        ++fetches_;
        if (held_) {
          unanswered_.push_back(*asked);
        } else {
          answer(*asked);
        }
      }
      if (std::holds_alternative<core::watch_message>(*message)) ++watches_;
      if (auto const* const invite = std::get_if<core::invite_message>(&*message)) {
        invitations_ += invite->requests;
      }
      if (auto const* const reply = std::get_if<core::reply_message>(&*message)) {
        replies_[reply->request] += reply->sealed;
        if (reply->last) replied_.insert(reply->request);
      }
      if (auto const* const mark = std::get_if<core::mark_message>(&*message)) {
        if (mark->mark.empty()) {
          send(core::encode_message(core::marked_message{mark_}));
        } else {
          mark_ = mark->mark;
        }
      }
      something_.notify_all();
    }
  }

  int socket_;
  std::mutex mutex_;
  std::condition_variable something_;
  told next_;  // guarded by mutex_, as below
  std::deque<core::fetch_message> unanswered_;
  bool held_ = false;
  unsigned fetches_ = 0;
  unsigned watches_ = 0;
  unsigned invitations_ = 0;
  std::string mark_;
  std::map<std::uint32_t, std::string> replies_;  // as far as they came
  std::set<std::uint32_t> replied_;
  std::thread thread_;
};

}  // namespace tacit::net::test
