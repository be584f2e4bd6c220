#include "net/credentials.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <optional>
#include <string>
#include <vector>

#include "core/credential_name.hpp"
#include "net/credential_answer.hpp"
#include "net/peer_credentials.hpp"
#include "net/session_deadline.hpp"

namespace tacit::net {

namespace asio = boost::asio;
using boost::system::error_code;
using core::errc;

namespace {

// Of root's alone: others have none. systemd loads a unit's credentials one after the other.
constexpr std::size_t sessions_max = 256;
constexpr std::chrono::seconds sending_seconds_max{10};
constexpr std::chrono::seconds drain_seconds_max{5};
constexpr std::string_view refused_stranger = "the peer is not root";

// What is sent, or why nothing is.
struct credential_reply {
  std::string_view refused;  // empty: the body is sent
  std::optional<core::project_id> project;
  core::secret_buffer body{0};
  std::vector<core::delivered_secret> secrets{};  // whose values are in the body
};

credential_reply refuse(std::string_view why, core::project_id const& project) {
  credential_reply reply;
  reply.refused = why;
  reply.project = project;
  return reply;
}

std::string_view reason_without_set(errc error) {
  switch (error) {
    case errc::not_found:
      return "there is no such project";
    case errc::corrupt:
      return "a stored value does not open, or is older than one that was delivered";
    default:
      return "the api process does not answer";
  }
}

std::string_view reason_of(errc error) {
  switch (error) {
    case errc::not_found:
      return "the project has no such secret";
    case errc::forbidden:
      return "the secret's name is withheld: see delivery.deliver_names";
    case errc::validation:
      return "a value has a character that systemd takes for invalid in an EnvironmentFile";
    default:
      return "a stored value does not open";
  }
}

asio::awaitable<credential_reply> answer(delivery_parts const& parts, core::credential_name asked) {
  credential_reply reply;
  std::vector<core::project_id> const bound = parts.policy.projects_of_unit(asked.unit);
  bool const whole = asked.id == whole_set_id;
  auto const name = core::secret_name::parse(asked.id);
  if (bound.empty()) {
    reply.refused = "no [[delivery.allow]] entry has this unit, without uid and gid";
  } else if (bound.size() > 1) {
    reply.refused = "[[delivery.allow]] entries have this unit for several projects";
  } else if (!whole && !name) {
    reply.refused = "the credential's id is neither a secret's name nor env";
  }
  if (!reply.refused.empty()) co_return reply;

  core::project_id const project = bound.front();
  auto const set = co_await parts.feed.get(project);
  if (!set) co_return refuse(reason_without_set(set.error()), project);
  sealed_set const& sealed = (*set)->sealed;
  auto body = whole ? make_whole_credential(parts.keys, parts.policy, project, sealed)
                    : make_single_credential(parts.keys, parts.policy, project, sealed, *name);
  if (!body) co_return refuse(reason_of(body.error()), project);
  reply.project = project;
  reply.body = std::move(*body);
  reply.secrets = (*set)->secrets;
  if (!whole) {
    std::erase_if(reply.secrets,
                  [&](core::delivered_secret const& one) { return one.name != *name; });
  }
  co_return reply;
}

}  // namespace

credentials::credentials(asio::io_context& context, int descriptor, delivery_parts const& parts)
    : context_(context),
      acceptor_(context, asio::local::stream_protocol(), descriptor),
      parts_(parts),
      last_ended_(context),
      strangers_(context, parts.log, core::severity::warn, "credential",
                 {"refused", refused_stranger}) {
  acceptor_.non_blocking(true);
}

void credentials::stop() {
  stopping_ = true;
  strangers_.stop();
  error_code ignored;
  acceptor_.close(ignored);
}

asio::awaitable<void> credentials::wait_for_an_end() {
  error_code ignored;
  auto token = asio::redirect_error(asio::use_awaitable, ignored);
  last_ended_.expires_after(std::chrono::milliseconds(100));
  co_await last_ended_.async_wait(token);
}

asio::awaitable<void> credentials::run() {
  while (!stopping_) {
    // Who finds no place waits: closed at once, it would look refused.
    while (sessions_ >= sessions_max && !stopping_) co_await wait_for_an_end();
    if (stopping_) break;
    error_code error;
    auto token = asio::redirect_error(asio::use_awaitable, error);
    stream accepted = co_await acceptor_.async_accept(token);
    if (stopping_) break;
    if (error) {
      co_await wait_for_an_end();  // out of descriptors, most likely
      continue;
    }
    // Any process can bind the address that systemd binds.
    auto const peer = find_peer(accepted.native_handle(), false);
    if (!peer || peer->uid != 0) {
      std::int64_t const uid = peer ? static_cast<std::int64_t>(peer->uid) : -1;
      if (strangers_.note(uid)) {
        parts_.log.write(core::severity::warn, "credential",
                         {{"uid", uid}, {"refused", refused_stranger}});
      }
      continue;
    }
    ++sessions_;
    asio::co_spawn(context_, serve(std::move(accepted)), [this](std::exception_ptr failed) {
      --sessions_;
      last_ended_.cancel();
      if (failed) std::rethrow_exception(failed);
    });
  }
  auto const until = std::chrono::steady_clock::now() + drain_seconds_max;
  while (sessions_ > 0 && std::chrono::steady_clock::now() < until) co_await wait_for_an_end();
}

asio::awaitable<void> credentials::serve(stream accepted) {
  std::string const address = find_peer_address(accepted.native_handle());
  auto const asked = core::parse_credential_name(address);
  if (!asked) {
    parts_.log.write(core::severity::warn, "credential",
                     {{"uid", 0}, {"refused", "the peer's address is not one of systemd's"}});
    co_return;
  }
  credential_reply reply = co_await answer(parts_, *asked);
  if (reply.refused.empty()) {
    session_deadline const deadline(context_, accepted, sending_seconds_max);
    error_code error;
    auto const body = asio::buffer(reply.body.reveal());
    auto token = asio::redirect_error(asio::use_awaitable, error);
    co_await asio::async_write(accepted, body, token);
    if (error) reply.refused = "the peer did not read to the end";
  }
  std::string_view const project = reply.project ? reply.project->text() : "";
  if (!reply.refused.empty() || !reply.project) {
    parts_.log.write(core::severity::warn, "credential",
                     {{"unit", asked->unit}, {"project", project}, {"refused", reply.refused}});
    co_return;
  }
  parts_.log.write(core::severity::info, "credential",
                   {{"unit", asked->unit}, {"project", project}});
  auto const extent =
      asked->id == whole_set_id ? core::delivery_extent::whole : core::delivery_extent::part;
  core::delivery_peer const systemd{0, {}, std::string(asked->unit)};
  parts_.noted.delivered(
      {*reply.project, parts_.noted.consumer_of(systemd), {}, extent, std::move(reply.secrets)});
}

}  // namespace tacit::net
