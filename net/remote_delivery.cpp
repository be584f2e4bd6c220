#include "net/remote_delivery.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <utility>

#include "net/now.hpp"

namespace tacit::net {

namespace asio = boost::asio;
using core::remote_outcome;
using core::result;

namespace {

core::moment this_moment() {
  return {now_of_day(), static_cast<std::uint64_t>(boot_milliseconds())};
}

void rethrow(std::exception_ptr failed) {
  if (failed) std::rethrow_exception(failed);
}

// As the local delivery's log lines say it.
unsigned status_of(remote_outcome what) {
  switch (what) {
    case remote_outcome::found:
      return 200;
    case remote_outcome::unchanged:
      return 304;
    case remote_outcome::refused:
      return 403;
    case remote_outcome::absent:
      return 404;
    case remote_outcome::unavailable:
      return 503;
    case remote_outcome::unauthorized:
      return 401;
  }
  return 503;
}

}  // namespace

// It may outlive the delivery.
class remote_delivery::place {
 public:
  place(std::shared_ptr<counts> of, core::exchange_public_key const& runtime)
      : of_(std::move(of)), runtime_(runtime) {
    ++of_->of_runtime[runtime_];
  }
  place(place const&) = delete;
  place& operator=(place const&) = delete;
  ~place() {
    auto const its = of_->of_runtime.find(runtime_);
    if (--its->second == 0) of_->of_runtime.erase(its);
  }
  [[nodiscard]] bool is_one_too_many() const {
    return of_->of_runtime.at(runtime_) > core::limits::remote_requests_per_runtime_max;
  }

 private:
  std::shared_ptr<counts> of_;
  core::exchange_public_key runtime_;
};

remote_delivery::remote_delivery(asio::io_context& context, keeper_channel& channel,
                                 delivery_parts const& parts, enrolments& enrolled,
                                 std::size_t waits_max)
    : context_(context),
      channel_(channel),
      parts_(parts),
      enrolled_(enrolled),
      sessions_(parts.keys.towards_runtimes, enrolled.book()),
      waits_max_(waits_max) {}

void remote_delivery::start() {
  channel_.when_asked([this](core::request_message request) { take(std::move(request)); });
  asio::co_spawn(context_, channel_.invite(core::limits::remote_requests_max), rethrow);
}

void remote_delivery::take(core::request_message request) {
  sessions_.set_certain(enrolled_.certain() && !stopping_);
  if (auto welcome = sessions_.greet(request.sealed, this_moment())) {
    asio::co_spawn(context_, say(request.request, *std::move(welcome)), rethrow);
  } else if (auto asked = sessions_.take(request.sealed, this_moment())) {
    asio::co_spawn(context_, answer(request.request, *std::move(asked)), rethrow);
  } else {
    asio::co_spawn(context_, say(request.request, ""), rethrow);
  }
}

asio::awaitable<void> remote_delivery::say(std::uint32_t request, std::string bytes) {
  core::reply_message whole{request, true, std::move(bytes)};
  [[maybe_unused]] bool const sent = co_await channel_.reply(std::move(whole));
  co_await channel_.invite(1);
}

remote_outcome remote_delivery::judge(core::runtime_sessions::taken const& asked) const {
  if (stopping_ || !enrolled_.certain()) return remote_outcome::unavailable;
  switch (enrolled_.book().of(asked.runtime, asked.request.project, now_of_day())) {
    case core::standing::stranger:
      return remote_outcome::unauthorized;
    case core::standing::of_another_project:
      return remote_outcome::refused;
    case core::standing::enrolled:
      return remote_outcome::found;
  }
  return remote_outcome::unavailable;
}

// A wait is nothing but a delay before an ordinary answer: whatever ended it, the api is asked.
asio::awaitable<result<shared_set>> remote_delivery::get_or_wait(
    core::runtime_sessions::taken const& asked) {
  core::project_id const project = asked.request.project;
  auto const until =
      std::chrono::steady_clock::now() + std::chrono::seconds(asked.request.wait_seconds);
  auto set = co_await parts_.feed.get(project);
  while (set && asked.request.known_revision == (*set)->revision &&
         std::chrono::steady_clock::now() < until) {
    std::shared_ptr<counts> const held = counts_;
    if (stopping_ || held->waiting >= waits_max_) co_return core::errc::unavailable;
    std::uint64_t const revision = (*set)->revision;
    set = shared_set();  // not kept meanwhile
    asio::steady_timer timer(context_, until);
    ++held->waiting;
    co_await parts_.feed.wait(project, revision, timer);
    --held->waiting;
    if (stopping_) co_return core::errc::unavailable;
    set = co_await parts_.feed.get(project);
  }
  co_return set;
}

asio::awaitable<remote_delivery::outcome> remote_delivery::find(
    core::runtime_sessions::taken const& asked) {
  outcome found;
  found.what = judge(asked);
  if (found.what != remote_outcome::found) co_return found;
  auto const set = co_await get_or_wait(asked);
  // Whoever was let in may have been revoked meanwhile, or have expired.
  found.what = judge(asked);
  if (found.what != remote_outcome::found) co_return found;
  if (!set) {
    bool const absent = set.error() == core::errc::not_found;
    found.what = absent ? remote_outcome::absent : remote_outcome::unavailable;
    co_return found;
  }
  if (asked.request.known_revision == (*set)->revision) {
    found.what = remote_outcome::unchanged;
    co_return found;
  }
  if ((*set)->body.size() > core::limits::remote_answer_bytes_max) {
    parts_.log.write(core::severity::error,
                     "a project's set is larger than what is delivered to another machine (8 MiB)",
                     {{"project", asked.request.project.text()}});
    found.what = remote_outcome::unavailable;
    co_return found;
  }
  found.set = *set;
  core::enrolment const* const its =
      enrolled_.book().find(asked.runtime, asked.request.project, now_of_day());
  if (its != nullptr) found.id = its->id.text();
  co_return found;
}

asio::awaitable<bool> remote_delivery::send(std::uint32_t request, core::noise_session session,
                                            outcome const& found) {
  std::string_view const body = found.set ? found.set->body.reveal() : std::string_view();
  core::answer_start const start{found.what, static_cast<std::uint32_t>(body.size())};
  core::answer_sealer sealer(std::move(session), start, body);
  bool sent = true;
  while (sent && !sealer.done()) {
    core::reply_message piece{request, false, sealer.next()};
    piece.last = sealer.done();
    sent = co_await channel_.reply(std::move(piece));
  }
  co_return sent;
}

asio::awaitable<void> remote_delivery::answer(std::uint32_t request,
                                              core::runtime_sessions::taken asked) {
  place const held(counts_, asked.runtime);
  outcome found;
  if (!held.is_one_too_many()) found = co_await find(asked);
  bool const sent = co_await send(request, std::move(asked.session), found);
  bool const exists =
      found.what == remote_outcome::found || found.what == remote_outcome::unchanged;
  std::string_view const project = exists ? asked.request.project.text() : "";
  parts_.log.write(core::severity::info, "delivery",
                   {{"project", project},
                    {"runtime", std::string_view(found.id)},
                    {"status", static_cast<std::int64_t>(status_of(found.what))}});
  if (sent && found.set) {
    parts_.noted.delivered({asked.request.project,
                            core::consumer::remote(found.id, asked.request.host),
                            {},
                            core::delivery_extent::whole,
                            found.set->secrets});
  }
  co_await channel_.invite(1);
}

}  // namespace tacit::net
