// The keeper's end of the socket pair: asks the api process for sealed values. Whatever comes from
// there is taken as hostile: bounded in number and size, and a message out of place ends the
// channel.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "core/channel.hpp"
#include "core/error.hpp"

namespace tacit::net {

// What the api says it has stored for a project. Nothing of it is believed until it opens.
struct sealed_set {
  std::uint64_t revision = 0;
  std::vector<core::record_message> records;  // strictly ascending by name
};

class keeper_channel {
 public:
  // Takes over the descriptor. An answer, and room for a message, may take `patience`.
  keeper_channel(boost::asio::io_context& context, int descriptor,
                 std::chrono::milliseconds patience = std::chrono::seconds(10));

  // errc::not_found when the api says that there is no such project; errc::unavailable when it says
  // so, does not answer in time, answers nonsense or is gone.
  boost::asio::awaitable<core::result<sealed_set>> fetch(core::project_id project);

  // Sends one message without a coroutine, waiting at most so long for room. False when it was not
  // sent.
  [[nodiscard]] bool send_now(std::string_view datagram,
                              std::chrono::milliseconds at_most) noexcept;

  // Has the api say once when the project's revision is another than this. Nothing is sent while
  // an earlier watch of the project is outstanding.
  boost::asio::awaitable<void> watch(core::project_id project, std::uint64_t revision);
  // Who hears it when it does. Only a project that was watched.
  void when_changed(std::function<void(core::project_id const&)> heard) {
    heard_ = std::move(heard);
  }

  // Lets the api hand over so many more sealed requests of other machines: however long that takes
  // to say, for who is not invited is not heard of again.
  boost::asio::awaitable<void> invite(std::uint16_t requests);
  // Who takes them. Each wants a reply that ends, and is then invited anew by its taker.
  void when_asked(std::function<void(core::request_message)> taken) { taken_ = std::move(taken); }
  // A piece of a reply. False when the channel did not take it in time: the reply is lost.
  boost::asio::awaitable<bool> reply(core::reply_message piece);

  // The epoch mark that is kept, "" when the api says that there is none. One at a time.
  // errc::unavailable as fetch().
  boost::asio::awaitable<core::result<std::string>> fetch_mark();

  // Reads answers until the api closes its end or sends what it must not, or close(). The api sees
  // the end of the channel then.
  boost::asio::awaitable<void> run();

  // Tells the api to finish and exit. What cannot be sent at once is dropped: closing says the
  // same.
  void send_drain() noexcept;
  void close() noexcept;

 private:
  struct ask {
    explicit ask(boost::asio::io_context& context) : done(context) {}

    boost::asio::steady_timer done;  // cancelled when the answer is complete
    sealed_set gathered;
    std::size_t gathered_bytes = 0;  // as counted in gathered_bytes_
    core::result<void> came_of{core::errc::unavailable};
  };

  [[nodiscard]] bool take(core::message_to_keeper& message);
  [[nodiscard]] bool take(core::record_message& record);
  [[nodiscard]] bool take(core::fetched_message const& fetched);
  [[nodiscard]] bool take(core::changed_message const& changed);
  [[nodiscard]] bool take(core::request_message& request);
  [[nodiscard]] bool take(core::marked_message& marked);
  // False when the channel is gone, or did not take it in time.
  boost::asio::awaitable<bool> send(std::string datagram,
                                    std::chrono::steady_clock::time_point until);
  [[nodiscard]] std::chrono::steady_clock::time_point end_of_patience() const;
  void forget(std::uint32_t number);

  boost::asio::io_context& context_;
  boost::asio::posix::stream_descriptor descriptor_;
  std::chrono::milliseconds patience_;
  std::unordered_map<std::uint32_t, ask*> asks_;  // those without their whole answer
  std::size_t gathered_bytes_ = 0;                // of all of them
  std::uint32_t last_ask_ = 0;
  std::unordered_set<core::project_id> watched_;
  std::function<void(core::project_id const&)> heard_;
  std::size_t invited_ = 0;  // and not yet handed over
  std::function<void(core::request_message)> taken_;
  struct mark_ask {
    explicit mark_ask(boost::asio::io_context& context) : done(context) {}
    boost::asio::steady_timer done;
    std::string mark;
    bool answered = false;
  };
  mark_ask* mark_ask_ = nullptr;  // the one without its answer
  bool marks_are_late_ = false;   // an answer that nobody waits for any more may come
  bool open_ = true;
};

}  // namespace tacit::net
