#include "net/enrolments.hpp"

#include <algorithm>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <utility>

namespace tacit::net {

namespace asio = boost::asio;
using core::errc;
using core::result;

namespace {

constexpr std::chrono::seconds ask_again_after{1};
constexpr std::chrono::milliseconds room_at_most{100};

}  // namespace

enrolments::enrolments(core::runtime_book_key const& key, core::enrolment_book book, writer write,
                       keeper_channel& channel, core::log& log)
    : key_(key), book_(std::move(book)), write_(std::move(write)), channel_(channel), log_(log) {}

asio::awaitable<void> enrolments::settle(asio::io_context& context) {
  asio::steady_timer again(context);
  while (!stopping_ && state_ == state::unknown) {
    auto const mark = co_await channel_.fetch_mark();
    if (mark) {
      judge(*mark);
      break;
    }
    again.expires_after(ask_again_after);
    boost::system::error_code ignored;
    auto token = asio::redirect_error(asio::use_awaitable, ignored);
    co_await again.async_wait(token);
  }
}

void enrolments::judge(std::string_view mark) {
  state_ = state::certain;
  if (mark.empty()) {
    if (book_.epoch() > 0) tell_store();
    return;
  }
  auto const seen = core::decode_epoch_mark(key_, mark);
  if (!seen || *seen > book_.epoch()) {
    state_ = state::doubtful;
    seen_ = seen ? *seen : 0;
    log_.write(core::severity::error,
               "the keeper's file of enrolled runtimes is missing or older than the store: no "
               "runtime of another machine is let in; restore the newest copy of the file and "
               "start again, or void all enrolments with `tacit runtime reset`",
               {});
    return;
  }
  if (*seen < book_.epoch()) tell_store();
}

bool enrolments::put_on_disk(core::enrolment_book const& book) {
  if (!write_(core::encode_book(key_, book))) return false;
  only_in_memory_.clear();
  return true;
}

// The book is what counts; a mark that is lost on the way only leaves an old book unnoticed.
void enrolments::tell_store() {
  core::mark_message const mark{core::encode_epoch_mark(key_, book_.epoch())};
  [[maybe_unused]] bool const sent = channel_.send_now(core::encode_message(mark), room_at_most);
}

result<void> enrolments::enrol(core::enrolment const& made, core::timestamp now) {
  if (!certain()) return errc::unavailable;
  core::enrolment_book changed = book_;
  auto const added = changed.add(made, now);
  if (!added) return added.error();
  if (!put_on_disk(changed)) return errc::storage_full;
  book_ = std::move(changed);
  tell_store();
  log_.write(core::severity::info, "runtime enrolled",
             {{"runtime", made.id.text()}, {"project", made.project.text()}});
  return {};
}

result<void> enrolments::revoke(core::runtime_id const& id) {
  if (!certain()) return errc::unavailable;
  auto const removed = book_.remove(id);
  bool const again =
      std::find(only_in_memory_.begin(), only_in_memory_.end(), id) != only_in_memory_.end();
  if (!removed && !again) return removed.error();
  log_.write(core::severity::info, "runtime revoked", {{"runtime", id.text()}});
  if (!put_on_disk(book_)) {
    if (!again) only_in_memory_.push_back(id);
    log_.write(core::severity::error,
               "the keeper's file could not be written: the runtime that was revoked is let in "
               "again after the next start, unless it is revoked once more before",
               {{"runtime", id.text()}});
    return errc::storage_full;
  }
  tell_store();
  return {};
}

result<void> enrolments::reset() {
  if (state_ == state::unknown) return errc::unavailable;
  book_.remove_all(seen_);
  log_.write(core::severity::info, "all runtimes revoked", {});
  if (!put_on_disk(book_)) {
    log_.write(core::severity::error,
               "the keeper's file could not be written: the runtimes that were revoked are let in "
               "again after the next start, unless they are revoked once more before",
               {});
    return errc::storage_full;
  }
  state_ = state::certain;
  tell_store();
  return {};
}

}  // namespace tacit::net
