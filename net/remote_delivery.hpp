// Delivery to runtimes on other machines: the api process hands over sealed requests, as many as it
// is invited to, and gets sealed replies. Whom they are from, what they ask and what they are
// answered it cannot tell; what was not sealed by a runtime with a valid enrolment gets no value.
// In the keeper's process and on its one thread.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <cstddef>
#include <map>
#include <memory>
#include <string>

#include "core/limits.hpp"
#include "core/runtime_sessions.hpp"
#include "net/delivery_feed.hpp"
#include "net/enrolments.hpp"

namespace tacit::net {

class remote_delivery {
 public:
  // All of them outlive this. So many requests may wait for a change.
  remote_delivery(boost::asio::io_context& context, keeper_channel& channel,
                  delivery_parts const& parts, enrolments& enrolled,
                  std::size_t waits_max = core::limits::remote_waits_max);

  // From now on requests are taken.
  void start();
  // No request is begun any more; what waits is answered that it is unavailable.
  void stop() noexcept { stopping_ = true; }

  [[nodiscard]] core::exchange_public_key const& own_public() const noexcept {
    return sessions_.own_public();
  }

 private:
  struct outcome {
    core::remote_outcome what = core::remote_outcome::unavailable;
    shared_set set{};  // when found
    std::string id{};  // of the enrolment, "" without
  };
  struct counts {
    std::map<core::exchange_public_key, std::size_t> of_runtime;
    std::size_t waiting = 0;
  };
  class place;  // of one request, as long as it is under way

  void take(core::request_message request);
  boost::asio::awaitable<void> say(std::uint32_t request, std::string bytes);
  boost::asio::awaitable<void> answer(std::uint32_t request, core::runtime_sessions::taken asked);
  boost::asio::awaitable<outcome> find(core::runtime_sessions::taken const& asked);
  boost::asio::awaitable<core::result<shared_set>> get_or_wait(
      core::runtime_sessions::taken const& asked);
  boost::asio::awaitable<bool> send(std::uint32_t request, core::noise_session session,
                                    outcome const& found);
  [[nodiscard]] core::remote_outcome judge(core::runtime_sessions::taken const& asked) const;

  boost::asio::io_context& context_;
  keeper_channel& channel_;
  delivery_parts parts_;
  enrolments& enrolled_;
  core::runtime_sessions sessions_;
  std::size_t waits_max_;
  std::shared_ptr<counts> counts_ = std::make_shared<counts>();
  bool stopping_ = false;
};

}  // namespace tacit::net
