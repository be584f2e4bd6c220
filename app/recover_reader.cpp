// The process that reads a store, which may be a captured api process's doing: it can do no more
// than that process, and holds less.
#include "app/recover_reader.hpp"

#include <sys/socket.h>

#include <cerrno>
#include <optional>

#include "app/cli/output.hpp"
#include "app/log_sink.hpp"
#include "app/sandbox/sandbox.hpp"
#include "app/startup.hpp"
#include "core/recovery.hpp"
#include "kv/salvage.hpp"

namespace tacit::app {

namespace {

void redirect(int from, int to) {
  if (::dup2(from, to) < 0) throw startup_error("cannot redirect the output of the reader");
  ::close(from);
}

std::size_t receive(std::span<char> datagram) {
  ssize_t got = -1;
  do {
    got = ::recv(channel_descriptor, datagram.data(), datagram.size(), 0);
  } while (got < 0 && errno == EINTR);
  return got < 0 ? 0 : static_cast<std::size_t>(got);
}

// Nothing when the opener ended before it: it has said why.
std::optional<core::recovery_start> receive_start() {
  core::secret_buffer datagram(core::limits::channel_message_bytes_max);
  datagram.resize(receive(datagram.reveal_storage()));
  auto message = core::decode_recovery_start(datagram.reveal());
  if (!message) return std::nullopt;
  return *std::move(message);
}

bool ask_whether_it_opens(core::value_place const& place, std::string_view sealed) {
  if (sealed.size() > core::sealed_value_bytes_max) return false;
  std::string const question = core::encode_recovery(place, sealed);
  auto const put = ::send(channel_descriptor, question.data(), question.size(), MSG_NOSIGNAL);
  std::array<char, 8> datagram{};
  std::size_t const got = put < 0 ? 0 : receive(datagram);
  auto const opens = core::decode_verdict({datagram.data(), got});
  if (!opens) throw startup_error("the process that opens values ended: the store stays as it was");
  return *opens;
}

std::string lines_of(std::string const& what, std::set<std::string> const& names) {
  std::string text;
  for (std::string const& name : names) text += what + shown(name) + "\n";
  return text;
}

std::string report_on(kv::salvaged const& found) {
  std::string text = lines_of("cannot be read: ", found.faults);
  text += lines_of("not as it was written, so that rows may be missing or older ones: the table ",
                   found.changed_tables);
  if (found.missing_log) text += "lost: all of the log " + *found.missing_log + "\n";
  for (kv::scanned_log const& log : found.damaged_logs) {
    text += "lost: " + std::to_string(log.bytes - log.sound_bytes) + " of " +
            std::to_string(log.bytes) + " bytes of the log " + log.name + ", from byte " +
            std::to_string(log.sound_bytes) + " on; " + std::to_string(log.readable_behind) +
            " of them can be read\n";
  }
  text += lines_of("lost: the last changes of ", found.lost_changes);
  if (found.lost_last_changes > 0) {
    text += "lost: the last " + std::to_string(found.lost_last_changes) +
            " rows that were changed, whatever they were: the logs end before them\n";
  }
  text += lines_of("lost: the secret ", found.lost_secrets);
  text += lines_of("lost: name and limit of the project ", found.unnamed_projects);
  text += lines_of("lost: the API key with the id ", found.lost_api_keys);
  for (auto const& one : found.recounted) {
    text += "counted again: the secrets of the project " + std::string(one.id.text()) + "\n";
  }
  if (found.lost_receipts > 0) {
    text += "lost: receipts of deliveries: " + std::to_string(found.lost_receipts) + "\n";
  }
  if (found.lost_epoch_mark) text += "lost: which file of enrolled runtimes is the last\n";
  if (found.lost_sequence) text += "lost: the number of the last change\n";
  if (found.lost_mark) text += "lost: the mark of the store, its file STORE\n";
  return text + "left: projects: " + std::to_string(found.projects) +
         ", secrets: " + std::to_string(found.secrets) +
         ", API keys: " + std::to_string(found.api_keys) + "\n";
}

int read_store(core::recovery_start const& start) {
  auto const log = make_log(log_level::error, "recover");
  std::optional<std::string> into;
  if (!start.into.empty()) into = start.into;
  try {
    kv::salvaged const found = kv::salvage({start.store, start.check, log.get(), nullptr},
                                           {start.keys, ask_whether_it_opens}, into);
    write_out(report_on(found));
    return found.is_damaged() ? store_is_damaged : store_is_whole;
  } catch (kv::open_failure const& failure) {
    throw startup_error(failure.what());
  }
}

}  // namespace

int run_recover_reader(confined_hook hook) {
  make_undumpable();
  redirect(reader_out_descriptor, STDOUT_FILENO);
  redirect(reader_err_descriptor, STDERR_FILENO);
  auto received = receive_start();
  if (!received) return reading_failed;
  auto const start = core::make_locked(*std::move(received));
  if (start->change_user) become({start->user, start->group});
  if (start->confine) confine(process_role::api, start->into, {start->store});
  if (hook != nullptr) hook();
  return read_store(*start);
}

}  // namespace tacit::app
