// `tacit serve`: this process starts everything and becomes the keeper. The order of the steps is
// part of the design (docs/architecture.md).
#include <malloc.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <csignal>
#include <cstdio>

#include "app/api_child.hpp"
#include "app/data_folder.hpp"
#include "app/descriptor_limit.hpp"
#include "app/end_signals.hpp"
#include "app/hangup_watch.hpp"
#include "app/listen.hpp"
#include "app/locked_memory.hpp"
#include "app/log_sink.hpp"
#include "app/readiness.hpp"
#include "app/root_key_file.hpp"
#include "app/runtime_file.hpp"
#include "app/sandbox/sandbox.hpp"
#include "app/startup.hpp"
#include "app/tls_files.hpp"
#include "core/channel.hpp"
#include "core/delivery_policy.hpp"
#include "net/credentials.hpp"
#include "net/delivery.hpp"
#include "net/enrolments.hpp"
#include "net/keeper_channel.hpp"
#include "net/peer_credentials.hpp"
#include "net/remote_delivery.hpp"

namespace tacit::app {

namespace asio = boost::asio;
using boost::system::error_code;

namespace {

constexpr int status_api_died = 4;
constexpr int status_storage_unknown = 5;
// Well beyond what the api process takes: it gives its clients 5 s.
constexpr std::chrono::seconds drain_seconds_max{20};

core::api_settings settings_for_api(settings const& configured, account const* user,
                                    std::size_t listeners) {
  core::api_settings to_api;
  to_api.store_dir = store_folder(configured);
  if (user != nullptr) {
    to_api.change_user = true;
    to_api.user = user->uid;
    to_api.group = user->gid;
  }
  to_api.confine = configured.sandbox == sandbox_mode::on;
  to_api.show_first_key = ::isatty(STDOUT_FILENO) == 1;
  to_api.log_level = static_cast<std::uint8_t>(configured.level);
  to_api.threads = static_cast<std::uint16_t>(configured.threads);
  to_api.listeners = static_cast<std::uint16_t>(listeners);
  to_api.tls = !configured.tls_certificate.empty();
  to_api.owner = ::getuid();
  to_api.reads_per_minute = configured.reads_per_minute;
  to_api.writes_per_minute = configured.writes_per_minute;
  to_api.failed_auth_per_minute = configured.failed_auth_per_minute;
  to_api.secrets_per_project = configured.secrets_per_project;
  to_api.last_four_min_length = configured.last_four_min_length;
  to_api.head_bytes = configured.head_bytes;
  to_api.body_bytes = configured.body_bytes;
  to_api.head_seconds = configured.head_seconds;
  to_api.body_seconds = configured.body_seconds;
  to_api.idle_seconds = configured.idle_seconds;
  to_api.connections = configured.connections;
  to_api.list_cache_megabytes = configured.list_cache_megabytes;
  return to_api;
}

core::delivery_policy policy_of(settings const& configured) {
  std::vector<core::delivery_grant> grants;
  for (delivery_allowance const& allowed : configured.allow) {
    auto const project = core::project_id::parse(allowed.project);
    if (!project) {
      throw startup_error("delivery.allow: project = \"" + allowed.project +
                          "\" is not a project id");
    }
    grants.push_back({*project, allowed.uid.has_value(), allowed.uid.value_or(0),
                      allowed.gid.has_value(), allowed.gid.value_or(0), allowed.unit});
  }
  return {::getuid(), std::move(grants), configured.deliver_names};
}

// This machine's name, for receipts; "" when the kernel has none.
std::string host_name() {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0) return {};
  return name.data();
}

// What the keeper keeps of the root key, after the api was sent its share.
core::locked_ptr<core::keeper_share> share_keys(core::root_key root, child_process const& api,
                                                core::api_settings const& to_api) {
  auto const start = core::make_locked(core::start_message{to_api, core::derive_api_share(root)});
  core::secret_buffer const datagram = core::encode_start(*start);
  auto share = core::make_locked(core::derive_keeper_share(root));
  std::string_view const bytes = datagram.reveal();
  if (::send(api.channel.number(), bytes.data(), bytes.size(), MSG_NOSIGNAL) !=
      static_cast<ssize_t>(bytes.size())) {
    throw startup_error("the api process ended before it was told what to do");
  }
  return share;
}

constexpr std::chrono::milliseconds identity_patience{1000};

core::secret_buffer read_identity(settings const& configured) {
  return core::encode_identity(read_tls_files(configured));
}

// As the keeper will read them on SIGHUP: confined, without privileges.
void share_identity(settings const& configured, child_process const& api) {
  core::secret_buffer const datagram = read_identity(configured);
  std::string_view const bytes = datagram.reveal();
  if (::send(api.channel.number(), bytes.data(), bytes.size(), MSG_NOSIGNAL) !=
      static_cast<ssize_t>(bytes.size())) {
    throw startup_error("the api process ended before it was told its certificate");
  }
}

// Has the api process take the files as they are now. What is wrong with them is one line of the
// log: of the keeper's when they cannot be read, of the api's when it does not take them.
void renew_identity(settings const& configured, net::keeper_channel& channel, core::log& log) {
  if (configured.tls_certificate.empty()) {
    log.write(core::severity::info, "nothing to read anew: tls.certificate is not set", {});
    return;
  }
  std::string fault;
  try {
    core::secret_buffer const datagram = read_identity(configured);
    if (channel.send_now(datagram.reveal(), identity_patience)) return;
    fault = "the api process is too busy; send SIGHUP again";
  } catch (startup_error const& unreadable) {
    fault = unreadable.what();
  }
  log.write(core::severity::error, "the certificate stays as it was",
            {{"fault", std::string_view(fault)}});
}

enum class start_outcome { serves, failed, asked_to_end };

// Waits until the api process says that it serves, or has ended (it has said why), or a signal asks
// for the end.
start_outcome wait_until_ready(child_process const& api, int signals) {
  std::array<pollfd, 2> waiting{pollfd{api.channel.number(), POLLIN, 0},
                                pollfd{signals, POLLIN, 0}};
  while (::poll(waiting.data(), waiting.size(), -1) < 0) {
  }
  if (waiting[1].revents != 0) return start_outcome::asked_to_end;
  std::string datagram(core::limits::channel_message_bytes_max, '\0');
  auto const got = ::recv(api.channel.number(), datagram.data(), datagram.size(), MSG_DONTWAIT);
  if (got <= 0) return start_outcome::failed;
  auto const message =
      core::decode_to_keeper(std::string_view(datagram.data(), static_cast<std::size_t>(got)));
  bool const is_ready = message && std::holds_alternative<core::ready_message>(*message);
  return is_ready ? start_outcome::serves : start_outcome::failed;
}

int status_without_start(start_outcome why, child_process& api) {
  api.channel.reset();  // so that it ends, if it has not
  auto const status = wait_for_end(api.pid);
  if (why == start_outcome::asked_to_end) return 0;
  if (!status || *status > ended_by_signal) {
    throw startup_error("the api process died while it started (" +
                        (status ? "signal " + std::to_string(*status - ended_by_signal)
                                : std::string("it did not end")) +
                        "): is there enough memory, and may it start threads?");
  }
  return *status == 0 || *status == status_storage_unknown ? *status : 1;
}

void announce(std::vector<std::string> const& urls, settings const& configured, core::log& log) {
  for (std::string const& url : urls) {
    std::printf("listening on %s\n", url.c_str());
    log.write(core::severity::info, "serving",
              {{"url", std::string_view(url)},
               {"data", std::string_view(configured.data_dir)},
               {"root_key", std::string_view(configured.key_file)},
               {"delivery", std::string_view(keeper_socket_path(configured))},
               {"credentials", std::string_view(credentials_socket_path(configured))}});
  }
  std::fflush(stdout);
}

int status_after(std::optional<int> api_status, bool was_asked, core::log& log) {
  if (api_status == 0) return 0;
  if (api_status == status_storage_unknown) return status_storage_unknown;
  log.write(core::severity::error,
            was_asked ? "the api process did not end as asked" : "the api process died",
            {{"status", static_cast<std::int64_t>(api_status.value_or(-1))}});
  return status_api_died;
}

// The keeper's own sockets.
struct keeper_sockets {
  descriptor delivery;
  descriptor credentials;
};

struct keeper_signals {
  asio::posix::stream_descriptor ends;
  asio::posix::stream_descriptor hangups;
};

// The keeper's whole life after its start.
int run_keeper(settings const& configured, child_process& api, keeper_sockets& sockets,
               core::keeper_share const& keys, core::delivery_policy const& policy,
               runtime_file& runtimes, asio::io_context& context, keeper_signals& signals,
               core::log& log) {
  net::keeper_channel channel(context, api.channel.release());
  net::receipts receipts(context, channel, log, host_name());
  net::delivery_feed feed(context, {keys, policy, channel, log});
  net::delivery_parts const parts{keys, policy, feed, receipts, log};
  net::enrolments enrolled(
      keys.runtime_book, runtimes.book(),
      [&runtimes](std::string_view book) { return runtimes.write(book); }, channel, log);
  net::delivery delivery(context, sockets.delivery.release(), parts, enrolled, count_peers());
  net::remote_delivery remote(context, channel, parts, enrolled);
  net::credentials credentials(context, sockets.credentials.release(), parts);
  bool draining = false;
  bool api_gone = false;
  asio::steady_timer patience(context);
  auto const rethrow = [](std::exception_ptr failed) {
    if (failed) std::rethrow_exception(failed);
  };
  auto const stop = [&] {
    delivery.stop();
    credentials.stop();
    remote.stop();
    enrolled.stop();
    feed.stop();
  };
  auto const drain = [&](error_code error) {
    if (error || draining) return;
    draining = true;
    log.write(core::severity::info, "draining", {});
    receipts.drain();
    channel.send_drain();
    stop();
    patience.expires_after(drain_seconds_max);
    patience.async_wait([&](error_code cancelled) {
      if (!cancelled) channel.close();
    });
  };
  signals.ends.async_wait(signals.ends.wait_read, drain);
  hangup_watch hangups(signals.hangups, {[&] {
                                           if (!draining) renew_identity(configured, channel, log);
                                         },
                                         [&] { drain({}); }});
  hangups.begin();
  asio::co_spawn(context, channel.run(), [&](std::exception_ptr failed) {
    api_gone = true;
    stop();
    error_code ignored;
    signals.ends.cancel(ignored);
    signals.hangups.cancel(ignored);
    rethrow(failed);
  });
  asio::co_spawn(context, delivery.run(), rethrow);
  asio::co_spawn(context, credentials.run(), rethrow);
  asio::co_spawn(context, enrolled.settle(context), rethrow);
  remote.start();
  lock_report locked(log);
  locked.say_if_failed();
  ::malloc_trim(0);  // what only the start needed is given back
  while (!api_gone && context.run_one() > 0) locked.say_if_failed();
  // Deliveries that wait for the api hear now that it is not there; give them a moment to say so.
  context.run_for(std::chrono::milliseconds(draining ? 500 : 50));
  return status_after(wait_for_end(api.pid), draining, log);
}

}  // namespace

int run_serve(settings const& configured) {
  make_undumpable();
  ::umask(0077);
  // Of both processes: what cannot be written is an error that is told.
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
  raise_descriptor_limit();
  auto const log = make_log(configured.level, "keeper");
  if (!configured.unread_file.empty()) {
    log->write(core::severity::warn,
               "this user cannot read the settings file: the server goes without it",
               {{"file", std::string_view(configured.unread_file)}});
  }

  std::optional<account> user;
  if (::geteuid() == 0) user = find_account(configured.api_user);
  core::delivery_policy const policy = policy_of(configured);
  if (!configured.tls_certificate.empty()) static_cast<void>(read_tls_files(configured));
  check_socket_path(api_socket_path(store_folder(configured)));
  check_socket_path(keeper_socket_path(configured));
  check_socket_path(credentials_socket_path(configured));
  descriptor lock = lock_data_folder(configured);
  std::vector<std::string> urls;
  child_process api;
  {
    auto const listeners = open_tcp_listeners(configured);
    make_subfolders(configured);
    api = spawn_api(lock, listeners);
    for (open_listener const& one : listeners) urls.push_back(one.url);
  }  // the keeper keeps no TCP socket
  core::api_settings const to_api =
      settings_for_api(configured, user ? &*user : nullptr, urls.size());
  loaded_root_key root = load_or_make_root_key({configured.key_file, store_folder(configured)});
  if (root.is_new) {
    log->write(core::severity::info, "made a new root key: keep a copy of it in a safe place",
               {{"file", std::string_view(configured.key_file)}});
  }
  if (user) give_store_folder(configured, user->uid, user->gid);
  keeper_sockets sockets{open_unix_listener(keeper_socket_path(configured), 0666),
                         open_unix_listener(credentials_socket_path(configured), 0666)};
  auto const keys = share_keys(std::move(root.key), api, to_api);
  runtime_file runtimes(runtime_file_path(configured));

  if (policy.asks_for_unit() && !net::kernel_tells_peer_process()) {
    log->write(core::severity::warn,
               "this kernel does not tell a peer's unit (Linux 6.5 does): nobody is let in by unit",
               {});
  }

  readiness manager(configured.notify_socket, *log);
  asio::io_context context(1);
  keeper_signals signals{{context, open_end_signals().release()},
                         {context, open_hangup_signal().release()}};
  if (configured.sandbox == sandbox_mode::on) {
    std::vector<std::string> readable;
    if (policy.asks_for_unit()) readable.emplace_back("/proc");
    if (to_api.tls) {
      auto const folders = folders_of_tls_files(configured);
      readable.insert(readable.end(), folders.begin(), folders.end());
    }
    confine(process_role::keeper, configured.run_dir, readable);
  } else {
    log->write(core::severity::warn, "sandbox = \"off\": neither process is confined", {});
  }
  if (to_api.tls) share_identity(configured, api);
  start_outcome const started = wait_until_ready(api, signals.ends.native_handle());
  if (started != start_outcome::serves) return status_without_start(started, api);
  runtimes.load(keys->runtime_book);  // the store is open: the root key is the right one
  manager.say_ready();
  announce(urls, configured, *log);
  int const status =
      run_keeper(configured, api, sockets, *keys, policy, runtimes, context, signals, *log);
  ::unlink(keeper_socket_path(configured).c_str());
  ::unlink(credentials_socket_path(configured).c_str());
  return status;
}

}  // namespace tacit::app
