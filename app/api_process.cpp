// The api process: faces the network, holds the database, cannot open a value. Its main thread
// answers the keeper and waits for signals; it owns every other thread.
#include <malloc.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <future>
#include <iterator>
#include <system_error>
#include <thread>
#include <utility>

#include "app/api_child.hpp"
#include "app/cli/error.hpp"
#include "app/cli/output.hpp"
#include "app/data_folder.hpp"
#include "app/descriptor_limit.hpp"
#include "app/end_signals.hpp"
#include "app/limiter_memory.hpp"
#include "app/listen.hpp"
#include "app/locked_memory.hpp"
#include "app/log_sink.hpp"
#include "app/sandbox/sandbox.hpp"
#include "app/server_identity.hpp"
#include "app/startup.hpp"
#include "app/system_fault.hpp"
#include "core/channel.hpp"
#include "kv/store.hpp"
#include "net/listener.hpp"
#include "net/now.hpp"
#include "net/relay.hpp"
#include "net/tls_library.hpp"
#include "net/worker.hpp"

namespace tacit::app {

namespace {

constexpr int status_keeper_died = 3;
constexpr int status_storage_unknown = 5;
constexpr std::uint32_t drain_patience_seconds = 5;
constexpr std::chrono::milliseconds last_receipts_patience{1000};

class system_clock final : public core::clock {
 public:
  core::timestamp now() const noexcept override {
    return {net::read_clock_nanoseconds(CLOCK_REALTIME) / 1'000'000};
  }
};

// A message of the start, which holds keys. Nothing when the keeper ended before it: it has said
// why.
template <typename Message>
std::optional<Message> receive(int channel) {
  core::secret_buffer datagram(core::limits::channel_message_bytes_max);
  std::span<char> const space = datagram.reveal_storage();
  ssize_t got = -1;
  do {
    got = ::recv(channel, space.data(), space.size(), 0);
  } while (got < 0 && errno == EINTR);
  if (got <= 0) return std::nullopt;
  datagram.resize(static_cast<std::size_t>(got));
  auto message = core::decode_to_api(datagram.reveal());
  if (!message || !std::holds_alternative<Message>(*message)) return std::nullopt;
  return std::move(std::get<Message>(*message));
}

void check_store_folder(core::api_settings const& configured) {
  std::string const& folder = configured.store_dir;
  if (::access(folder.c_str(), R_OK | W_OK | X_OK) == 0) return;
  std::string hint = "check the owner and permissions of it and the folders above it";
  if (errno == EROFS) hint = "the disk is read-only";
  throw startup_error("the api process (user " + std::to_string(::geteuid()) +
                      ") cannot reach the folder " + folder + ": " + hint +
                      ", or choose another with --data");
}

void send_all(int channel, std::string const& datagram) {
  while (::send(channel, datagram.data(), datagram.size(), MSG_NOSIGNAL) < 0 && errno == EINTR) {
  }
}

// Answers one fetch of the keeper.
void answer_fetch(int channel, kv::store const& store, core::fetch_message const& asked) {
  core::fetched_message end;
  end.ask = asked.ask;
  auto const project = store.sealed_values(asked.project);
  if (project) {
    for (kv::sealed_record const& record : project->records) {
      send_all(channel,
               core::encode_message(core::record_message{asked.ask, record.name, record.record_id,
                                                         record.version, record.sealed}));
    }
    end.came_of = core::fetch_outcome::found;
    end.records = static_cast<std::uint32_t>(project->records.size());
    end.revision = project->revision;
  } else if (project.error() == core::errc::not_found) {
    end.came_of = core::fetch_outcome::absent;
  }
  send_all(channel, core::encode_message(end));
}

void tell_changed(int channel, kv::store& store) {
  for (core::project_id const& project : store.take_changed()) {
    send_all(channel, core::encode_message(core::changed_message{project}));
  }
}

// Completes a change for a thread that waits for it.
class waiting_port final : public core::completion_port {
 public:
  void complete(core::change*) noexcept override { done_.set_value(); }
  void wait() { done_.get_future().wait(); }

 private:
  std::promise<void> done_;
};

// On a terminal, the first start shows an API key with which everything can be done, once. False
// when none could be made, as on a full disk.
bool show_first_key(kv::store& store, core::rate_limiter& limiter,
                    core::api_key_pepper const& pepper) {
  auto const raw = core::api_key_text::make_random();
  core::admission const admission(core::caller::local_owner(), limiter, core::bucket_kind::write,
                                  net::boot_nanoseconds());
  if (!admission.granted) return false;
  auto const permit = core::permit_admin(*admission.granted);
  auto const id = core::api_key_id::parse("first-admin");
  if (!permit || !id) return false;
  core::api_key_entry key(*id);
  key.name = "first admin";
  key.hash = raw.hash(pepper);
  key.permissions.add(core::permission::admin);
  key.scope.all = true;
  std::copy_n(raw.shown_prefix().begin(), key.shown_prefix.size(), key.shown_prefix.begin());
  waiting_port port;
  core::change asked(core::create_api_key{*permit, std::move(key)}, port);
  if (!store.submit(asked)) return false;
  port.wait();
  if (!asked.came_of) return false;
  // Not through stdio, whose buffer would keep it.
  core::secret_buffer line(128);
  bool const fits = line.append("admin API key, shown this once: ") && line.append(raw.reveal()) &&
                    line.append("\n");
  CHECK(fits);
  [[maybe_unused]] auto const shown =
      ::write(STDOUT_FILENO, line.reveal().data(), line.reveal().size());
  return true;
}

// Gathers the keeper's receipts until a batch is complete.
class receipt_intake {
 public:
  explicit receipt_intake(kv::store& store) : store_(store) {}

  void take(core::receipts_message message) {
    std::move(message.receipts.begin(), message.receipts.end(), std::back_inserter(batch_));
    if (message.last) store_.note_deliveries(std::exchange(batch_, {}));
  }

 private:
  kv::store& store_;
  std::vector<core::receipt> batch_;
};

enum class ending { asked_by_signal, asked_by_keeper, keeper_gone, storage_unknown };

// What the keeper's messages are for.
struct keeper_service {
  int channel;
  kv::store& store;
  receipt_intake receipts;
  net::relay& relay;
  std::span<net::worker* const> workers;
  core::log& log;

  void answer(core::message_to_api message);
};

void keeper_service::answer(core::message_to_api message) {
  if (auto const* const asked = std::get_if<core::fetch_message>(&message)) {
    answer_fetch(channel, store, *asked);
  } else if (auto* const batch = std::get_if<core::receipts_message>(&message)) {
    receipts.take(std::move(*batch));
  } else if (auto const* const watched = std::get_if<core::watch_message>(&message)) {
    store.watch(watched->project, watched->revision);
  } else if (auto const* const invited = std::get_if<core::invite_message>(&message)) {
    relay.invite(invited->requests);
  } else if (auto* const piece = std::get_if<core::reply_message>(&message)) {
    relay.reply(std::move(*piece));
  } else if (auto const* const renewed = std::get_if<core::identity_message>(&message)) {
    renew_identity(*renewed, workers, log);
  } else if (auto* const mark = std::get_if<core::mark_message>(&message)) {
    if (!mark->mark.empty()) return store.note_epoch_mark(std::move(mark->mark));
    // A store that does not answer is no store without a mark: the keeper asks again.
    auto kept = store.epoch_mark();
    if (kept) send_all(channel, core::encode_message(core::marked_message{*std::move(kept)}));
  }
}

void pass_on_requests(int channel, net::relay& relay) {
  for (core::request_message const& one : relay.take()) {
    send_all(channel, core::encode_message(one));
  }
}

// It may be a private key.
core::result<core::message_to_api> decode_and_wipe(std::span<char> datagram) {
  auto message = core::decode_to_api(std::string_view(datagram.data(), datagram.size()));
  core::wipe(datagram);
  return message;
}

// Serves the keeper until the process is to end.
ending answer_keeper(int signals, int commits_failed, keeper_service& to) {
  int const channel = to.channel;
  std::string datagram(core::limits::channel_message_bytes_max, '\0');
  std::array<pollfd, 5> waiting{
      pollfd{channel, POLLIN, 0}, pollfd{signals, POLLIN, 0}, pollfd{commits_failed, POLLIN, 0},
      pollfd{to.store.changed_descriptor(), POLLIN, 0}, pollfd{to.relay.descriptor(), POLLIN, 0}};
  while (true) {
    if (::poll(waiting.data(), waiting.size(), -1) < 0) continue;
    if (waiting[2].revents != 0) return ending::storage_unknown;
    if (waiting[1].revents != 0) return ending::asked_by_signal;
    if (waiting[3].revents != 0) tell_changed(channel, to.store);
    if (waiting[4].revents != 0) pass_on_requests(channel, to.relay);
    if (waiting[0].revents == 0) continue;
    auto const got = ::recv(channel, datagram.data(), datagram.size(), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return ending::keeper_gone;
    auto message = decode_and_wipe({datagram.data(), static_cast<std::size_t>(got)});
    if (!message) return ending::keeper_gone;
    if (std::holds_alternative<core::drain_message>(*message)) return ending::asked_by_keeper;
    to.answer(*std::move(message));
  }
}

// While the workers drain, deliveries that are under way still get their answers, and their
// receipts are taken. `told_to_drain` is set once the keeper drains too.
void answer_while(std::atomic<bool> const& draining, keeper_service& to,
                  std::promise<void>& told_to_drain) {
  int const channel = to.channel;
  std::string datagram(core::limits::channel_message_bytes_max, '\0');
  while (draining) {
    pollfd waiting{channel, POLLIN, 0};
    if (::poll(&waiting, 1, 10) <= 0) continue;
    auto const got = ::recv(channel, datagram.data(), datagram.size(), MSG_DONTWAIT);
    if (got <= 0) return;
    auto message = decode_and_wipe({datagram.data(), static_cast<std::size_t>(got)});
    if (!message) return;
    if (std::holds_alternative<core::drain_message>(*message)) told_to_drain.set_value();
    to.answer(*std::move(message));
  }
}

// Without it the process ends, and with it the threads that are there: nothing was served yet.
template <typename Work>
std::thread begin_thread(Work work) {
  try {
    return std::thread(std::move(work));
  } catch (std::system_error const& fault) {
    say(explain_system_fault(fault.code().value()));
    ::_exit(exit_failed);
  }
}

int serve(core::start_message const& start, std::vector<net::listening_socket> const& sockets,
          limiter_table table, std::shared_ptr<net::tls_identity const> identity,
          descriptor const& signals, core::log& log) {
  core::api_settings const& configured = start.settings;
  system_clock const clock;
  core::rate_limiter limiter(table, {configured.reads_per_minute, configured.writes_per_minute,
                                     configured.failed_auth_per_minute});
  kv::store store(kv::database::open(configured.store_dir, start.share.check, log),
                  {start.share.rows, clock, limiter, log}, configured.secrets_per_project);
  net::relay relay;
  net::service_parts const parts{
      store,
      limiter,
      start.share,
      log,
      {configured.head_bytes, configured.body_bytes},
      configured.last_four_min_length,
      (std::size_t{configured.list_cache_megabytes} << 20) / configured.threads,
      relay};
  net::connection_limits const limits{configured.head_seconds, configured.body_seconds,
                                      configured.idle_seconds};
  std::vector<std::unique_ptr<net::worker>> workers;
  std::vector<net::worker*> worker_pointers;
  for (unsigned i = 0; i < configured.threads; ++i) {
    workers.push_back(std::make_unique<net::worker>(parts, limits));
    worker_pointers.push_back(workers.back().get());
    workers.back()->take_identity(identity);
  }
  identity.reset();                  // theirs alone, so that a renewed one is the only one left
  lock_report(log).say_if_failed();  // they were the last to ask for memory for secrets
  net::listener listener(sockets, {count_places(configured, log), configured.owner},
                         worker_pointers);

  descriptor const commits_failed(::eventfd(0, EFD_CLOEXEC));
  if (!commits_failed.is_open()) throw std::system_error(errno, std::generic_category());
  std::thread commits = begin_thread([&] {
    if (store.run_commits()) return;
    std::uint64_t const one = 1;
    [[maybe_unused]] auto const told = ::write(commits_failed.number(), &one, sizeof one);
  });
  std::vector<std::thread> threads;
  for (auto const& one : workers) threads.push_back(begin_thread([&one] { one->run(); }));
  if (store.api_keys()->keys.empty()) {
    bool const shown =
        configured.show_first_key && show_first_key(store, limiter, start.share.pepper);
    if (!shown) {
      std::string const socket = api_socket_path(configured.store_dir);
      log.write(core::severity::info, "there is no API key yet: make one with `tacit key create`",
                {{"socket", std::string_view(socket)}});
    }
  }
  threads.push_back(begin_thread([&] { listener.run(); }));
  ::malloc_trim(0);  // what only the start needed is given back
  send_all(channel_descriptor, core::encode_message(core::ready_message{}));

  keeper_service to_keeper{channel_descriptor, store, receipt_intake(store), relay,
                           worker_pointers,    log};
  ending const why = answer_keeper(signals.number(), commits_failed.number(), to_keeper);
  if (why == ending::keeper_gone) ::_exit(status_keeper_died);
  listener.stop();
  relay.close();
  for (auto const& one : workers) one->drain(drain_patience_seconds);
  std::atomic<bool> draining = true;
  std::promise<void> told_to_drain;
  std::thread deliveries([&] { answer_while(draining, to_keeper, told_to_drain); });
  for (std::thread& one : threads) one.join();
  // A signal to both processes: the keeper's last receipts are on their way.
  if (why == ending::asked_by_signal) told_to_drain.get_future().wait_for(last_receipts_patience);
  store.close();
  commits.join();
  draining = false;
  deliveries.join();
  return why == ending::storage_unknown ? status_storage_unknown : 0;
}

}  // namespace

int run_api_process(confined_hook hook) {
  make_undumpable();
  std::signal(SIGHUP, SIG_IGN);  // it is for the keeper
  descriptor const signals = open_end_signals();
  auto received = receive<core::start_message>(channel_descriptor);
  if (!received) return status_keeper_died;
  auto const start = core::make_locked(*std::move(received));
  core::api_settings const& configured = start->settings;
  if (configured.change_user) become({configured.user, configured.group});
  auto const log = make_log(static_cast<log_level>(configured.log_level), "api");

  check_store_folder(configured);
  std::vector<net::listening_socket> sockets;
  for (int i = 0; i < configured.listeners; ++i) {
    sockets.push_back({first_listener_descriptor + i, false, configured.tls});
  }
  descriptor local = open_unix_listener(api_socket_path(configured.store_dir), 0600);
  sockets.push_back({local.release(), true});
  limiter_table const table = open_limiter_memory(start->share.instance);
  if (configured.confine) confine(process_role::api, configured.store_dir);
  if (hook != nullptr) hook();
  std::shared_ptr<net::tls_identity const> identity;
  if (configured.tls) {
    auto const first = receive<core::identity_message>(channel_descriptor);
    if (!first) return status_keeper_died;
    net::init_tls(configured.connections);
    identity = require_identity(*first, *log);
  }
  try {
    return serve(*start, sockets, table, std::move(identity), signals, *log);
  } catch (kv::open_failure const& failure) {
    throw startup_error(failure.what());
  }
}

}  // namespace tacit::app
