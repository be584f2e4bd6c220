// Where every way out gets a project's values, so that what the api is caught at on one of them it
// is caught at on all. The api is asked once for all peers that ask at the same moment, and each of
// them gets the same bytes; who waits for a change is woken by the api's word. On the keeper's one
// thread.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <memory>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "core/crypto.hpp"
#include "core/delivery_history.hpp"
#include "core/delivery_policy.hpp"
#include "core/log.hpp"
#include "core/secret.hpp"
#include "net/keeper_channel.hpp"
#include "net/receipts.hpp"

namespace tacit::net {

// A project's values: each record opened, and none is older than what was delivered before. Wiped
// when the last answer that sends them is gone.
struct delivery_set {
  std::uint64_t revision;
  core::secret_buffer body;                     // make_delivery_body()
  std::vector<core::delivered_secret> secrets;  // for receipts, without times
  sealed_set sealed;                            // what the body was made of, for another form
};
using shared_set = std::shared_ptr<delivery_set const>;

class delivery_feed {
 public:
  struct parts {  // outlive it
    core::keeper_share const& keys;
    core::delivery_policy const& policy;
    keeper_channel& channel;
    core::log& log;
  };
  delivery_feed(boost::asio::io_context& context, parts const& of);

  // The project as it was at some moment after this call. errc::not_found, errc::unavailable as
  // keeper_channel::fetch; errc::corrupt when a record does not open, or when the set is older than
  // one that was delivered.
  boost::asio::awaitable<core::result<shared_set>> get(core::project_id project);

  // Returns when the api says that the project has changed since `revision`, when the timer has
  // expired, and after wake(). It says no more than "look now".
  boost::asio::awaitable<void> wait(core::project_id project, std::uint64_t revision,
                                    boost::asio::steady_timer& until);
  static void wake(boost::asio::steady_timer& waiting);
  // From now on nobody waits.
  void stop();

 private:
  // One question to the api, and all that wait for what comes of it.
  struct round {
    explicit round(boost::asio::io_context& context);
    boost::asio::steady_timer done;
    boost::asio::steady_timer* next_lead = nullptr;  // of who leads the next, and waits
    core::result<shared_set> came_of{core::errc::unavailable};
  };
  // A question that was sent may be answered from before a later call: that one goes to the next.
  struct rounds {
    std::shared_ptr<round> sent;
    std::shared_ptr<round> next;
  };

  boost::asio::awaitable<void> lead(core::project_id project, std::shared_ptr<round> own);
  boost::asio::awaitable<core::result<shared_set>> ask(core::project_id project);
  void wake_all(core::project_id const& project);

  boost::asio::io_context& context_;
  parts parts_;
  core::delivery_history history_;
  std::unordered_map<core::project_id, rounds> rounds_;
  std::unordered_map<core::project_id, std::unordered_set<boost::asio::steady_timer*>> waiting_;
  bool stopped_ = false;
};

// What the ways out share; it outlives them.
struct delivery_parts {
  core::keeper_share const& keys;
  core::delivery_policy const& policy;
  delivery_feed& feed;
  receipts& noted;
  core::log& log;
};

}  // namespace tacit::net
