// The keeper's book of enrolled runtimes while it runs: changes are on its own disk before they
// count, and the store is given a mark by which the keeper notices, at its next start, that its
// book is older than the store. On the keeper's one thread.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <functional>
#include <string_view>
#include <vector>

#include "core/crypto.hpp"
#include "core/enrolment.hpp"
#include "core/log.hpp"
#include "net/keeper_channel.hpp"

namespace tacit::net {

class enrolments {
 public:
  // Puts the encoded book on disk, synced. False when it may not be there.
  using writer = std::function<bool(std::string_view)>;

  // `key` and `channel` outlive this.
  enrolments(core::runtime_book_key const& key, core::enrolment_book book, writer write,
             keeper_channel& channel, core::log& log);

  // Asks the store for its mark until it answers; only then is it known whether the book is the
  // newest.
  boost::asio::awaitable<void> settle(boost::asio::io_context& context);
  void stop() noexcept { stopping_ = true; }

  // Whether the book is the newest, and so may be acted on.
  [[nodiscard]] bool certain() const noexcept { return state_ == state::certain; }
  // The store has seen a newer book than this one, or gives a mark that is none of ours.
  [[nodiscard]] bool doubtful() const noexcept { return state_ == state::doubtful; }
  [[nodiscard]] core::enrolment_book const& book() const noexcept { return book_; }

  // As enrolment_book. errc::unavailable before it is certain; errc::storage_full when it is not on
  // disk: nothing has changed then.
  [[nodiscard]] core::result<void> enrol(core::enrolment const& made, core::timestamp now);
  // errc::storage_full here: it is revoked, but may come back with the next start, unless the same
  // is ordered again and succeeds, or another change does.
  [[nodiscard]] core::result<void> revoke(core::runtime_id const& id);
  // Revokes all, and ends a doubt. errc::storage_full as above.
  [[nodiscard]] core::result<void> reset();

 private:
  enum class state { unknown, certain, doubtful };

  [[nodiscard]] bool put_on_disk(core::enrolment_book const& book);
  void tell_store();
  void judge(std::string_view mark);

  core::runtime_book_key const& key_;
  core::enrolment_book book_;
  writer write_;
  keeper_channel& channel_;
  core::log& log_;
  state state_ = state::unknown;
  std::uint64_t seen_ = 0;                        // the store's epoch, when there is a doubt
  std::vector<core::runtime_id> only_in_memory_;  // revoked, but still on disk
  bool stopping_ = false;
};

}  // namespace tacit::net
