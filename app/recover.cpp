// The new store is made beside the old one and the two change places in one step, so that a crash
// leaves either. The folder of both is whoever's who starts tacit; what is in a store may be the
// doing of a captured api process, so another process reads it, with the rights of the api
// process's user.
#include "app/recover.hpp"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <optional>

#include "app/cli/output.hpp"
#include "app/data_folder.hpp"
#include "app/log_sink.hpp"
#include "app/root_key_file.hpp"
#include "app/sandbox/sandbox.hpp"
#include "kv/salvage.hpp"

namespace tacit::app {

namespace {

// How the process that reads ends.
enum ending : int { is_whole = 0, failed = 1, is_damaged = 10 };

std::string lines_of(std::string const& what, std::set<std::string> const& names) {
  std::string text;
  for (std::string const& name : names) text += what + shown(name) + "\n";
  return text;
}

std::string report_on(kv::salvaged const& found) {
  std::string text = lines_of("cannot be read: ", found.faults);
  for (kv::scanned_log const& log : found.damaged_logs) {
    text += "lost: " + std::to_string(log.bytes - log.sound_bytes) + " of " +
            std::to_string(log.bytes) + " bytes of the log " + log.name + ", from byte " +
            std::to_string(log.sound_bytes) + " on; " + std::to_string(log.readable_behind) +
            " of them can be read\n";
  }
  text += lines_of("lost: the last changes of ", found.lost_changes);
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

int read_store(settings const& configured, core::root_key const& root,
               std::optional<std::string> const& into) {
  auto const log = make_log(log_level::error, "recover");
  core::api_share const api = core::derive_api_share(root);
  core::keeper_share const keeper = core::derive_keeper_share(root);
  auto const opens = [&](core::value_place const& place, std::string_view sealed) {
    core::secret_buffer value(core::limits::value_bytes_max);
    return core::open_value(keeper, sealed, place, value).has_value();
  };
  kv::salvaged const found = kv::salvage({store_folder(configured), api.check, log.get(), nullptr},
                                         {api.rows, opens}, into);
  write_out(report_on(found));
  return found.is_damaged() ? is_damaged : is_whole;
}

// In a process of its own, with the rights of the store's user.
ending read_apart(settings const& configured, core::root_key const& root,
                  std::optional<account> const& user, std::optional<std::string> const& into) {
  pid_t const child = ::fork();
  if (child < 0)
    throw startup_error("cannot start a process (" + std::string(std::strerror(errno)) + ")");
  if (child == 0) {
    int status = failed;
    try {
      if (user) become(*user);
      status = read_store(configured, root, into);
    } catch (std::exception const& fault) {
      say(fault.what());
    }
    ::_exit(status);
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (!WIFEXITED(status)) throw startup_error("the process that read the store died");
  return static_cast<ending>(WEXITSTATUS(status));
}

[[noreturn]] void fail(std::string const& what) {
  throw startup_error("cannot " + what + " (" + std::strerror(errno) +
                      "): the store stays as it was");
}

std::string make_room_for_new(settings const& configured, std::optional<account> const& user) {
  std::string const made = configured.data_dir + "/store.new";
  std::filesystem::remove_all(made);
  if (::mkdir(made.c_str(), 0700) != 0) fail("make the folder " + made);
  if (user && ::chown(made.c_str(), user->uid, user->gid) != 0) fail("give away " + made);
  return made;
}

// Where the old store is afterwards.
std::string change_places(settings const& configured, std::string const& made) {
  std::string const store = store_folder(configured);
  std::time_t const now = std::time(nullptr);
  std::tm parts{};
  ::gmtime_r(&now, &parts);
  char stamp[24];
  std::strftime(stamp, sizeof stamp, "%Y%m%dT%H%M%SZ", &parts);
  std::string const aside = store + ".damaged-" + stamp;
  int const folder = ::open(configured.data_dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (::renameat2(AT_FDCWD, made.c_str(), AT_FDCWD, store.c_str(), RENAME_EXCHANGE) != 0) {
    fail("put the new store in the place of " + store);
  }
  if (::rename(made.c_str(), aside.c_str()) != 0 || folder < 0 || ::fsync(folder) != 0) {
    throw startup_error("the new store is in its place, but the old one stays at " + made + " (" +
                        std::strerror(errno) + ")");
  }
  ::close(folder);
  return aside;
}

}  // namespace

int run_recover(settings const& configured, recovery how) {
  make_undumpable();
  ::umask(0077);
  std::string const store = store_folder(configured);
  if (!kv::store_exists(store)) {
    throw startup_error("there is no store in " + store + ", or no file CURRENT in it: name its " +
                        "folder with --data, or restore it from a copy");
  }
  std::optional<account> user;
  if (::geteuid() == 0) user = find_account(configured.api_user);
  descriptor const lock = lock_data_folder(configured);
  loaded_root_key const root = load_or_make_root_key({configured.key_file, store});
  std::optional<std::string> into;
  if (how == recovery::drop) into = make_room_for_new(configured, user);
  ending const came_of = read_apart(configured, root.key, user, into);
  if (came_of == is_damaged && into) {
    std::string const aside = change_places(configured, *into);
    write_out("done: the store is a new one of what is left; the old one is in " + aside + "\n");
    return 0;
  }
  if (into) std::filesystem::remove_all(*into);
  if (came_of == failed) return failed;
  if (came_of == is_whole) {
    write_out("the store is whole: nothing is lost\n");
    return 0;
  }
  say("the store is damaged and stays as it is: restore it from a copy, or go on without what is "
      "lost: tacit recover --drop");
  return failed;
}

}  // namespace tacit::app
