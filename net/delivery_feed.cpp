#include "net/delivery_feed.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <vector>

#include "net/delivery_answer.hpp"

namespace tacit::net {

namespace asio = boost::asio;
using boost::system::error_code;
using core::errc;
using core::result;

namespace {

constexpr std::chrono::milliseconds join_at_most{50};

asio::awaitable<void> until_cancelled(asio::steady_timer& timer) {
  error_code ignored;
  auto token = asio::redirect_error(asio::use_awaitable, ignored);
  co_await timer.async_wait(token);
}

}  // namespace

delivery_feed::round::round(asio::io_context& context)
    : done(context, asio::steady_timer::time_point::max()) {}

delivery_feed::delivery_feed(asio::io_context& context, parts const& of)
    : context_(context), parts_(of) {
  parts_.channel.when_changed([this](core::project_id const& project) { wake_all(project); });
}

asio::awaitable<result<shared_set>> delivery_feed::get(core::project_id project) {
  rounds& at = rounds_[project];
  bool const leads = at.next == nullptr;
  if (leads) at.next = std::make_shared<round>(context_);
  std::shared_ptr<round> const mine = at.next;
  if (leads) {
    co_await lead(project, mine);
  } else {
    co_await until_cancelled(mine->done);
  }
  co_return mine->came_of;
}

asio::awaitable<void> delivery_feed::lead(core::project_id project, std::shared_ptr<round> own) {
  if (std::shared_ptr<round> const before = rounds_[project].sent) {
    // Not for long: should the api not answer at all, this one is not to wait twice.
    asio::steady_timer patience(context_, join_at_most);
    before->next_lead = &patience;
    co_await until_cancelled(patience);
    before->next_lead = nullptr;
  } else {
    // All that were woken together join before the question goes out.
    co_await asio::post(context_, asio::use_awaitable);
  }
  rounds_[project] = {own, nullptr};
  own->came_of = co_await ask(project);
  rounds& at = rounds_[project];
  if (at.sent == own) at.sent = nullptr;
  if (at.sent == nullptr && at.next == nullptr) rounds_.erase(project);
  if (own->next_lead != nullptr) wake(*own->next_lead);
  own->done.cancel();
}

asio::awaitable<result<shared_set>> delivery_feed::ask(core::project_id project) {
  auto set = co_await parts_.channel.fetch(project);
  if (!set) co_return set.error();
  auto body = make_delivery_body(parts_.keys, parts_.policy, project, *set);
  if (!body) {
    parts_.log.write(core::severity::error, "a stored value does not open: nothing is delivered",
                     {{"project", project.text()}});
    co_return errc::corrupt;
  }
  std::vector<std::uint64_t> ids;
  for (core::record_message const& record : set->records) ids.push_back(record.record_id);
  if (!history_.accepts(project, set->revision, std::move(ids))) {
    parts_.log.write(core::severity::error,
                     "the api process gave older records than before: nothing is delivered",
                     {{"project", project.text()}});
    co_return errc::corrupt;
  }
  std::uint64_t const revision = set->revision;
  auto secrets = secrets_of(parts_.policy, *set);
  co_return std::make_shared<delivery_set const>(revision, std::move(*body), std::move(secrets),
                                                 std::move(*set));
}

asio::awaitable<void> delivery_feed::wait(core::project_id project, std::uint64_t revision,
                                          asio::steady_timer& until) {
  if (stopped_) co_return;
  waiting_[project].insert(&until);
  co_await parts_.channel.watch(project, revision);
  co_await until_cancelled(until);
  auto const found = waiting_.find(project);
  if (found == waiting_.end()) co_return;
  found->second.erase(&until);
  if (found->second.empty()) waiting_.erase(found);
}

void delivery_feed::wake(asio::steady_timer& waiting) {
  waiting.expires_at(asio::steady_timer::time_point::min());
}

void delivery_feed::wake_all(core::project_id const& project) {
  auto const found = waiting_.find(project);
  if (found == waiting_.end()) return;
  for (asio::steady_timer* const one : found->second) wake(*one);
}

void delivery_feed::stop() {
  stopped_ = true;
  for (auto const& [project, timers] : waiting_) {
    for (asio::steady_timer* const one : timers) wake(*one);
  }
}

}  // namespace tacit::net
