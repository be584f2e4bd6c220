// The new store is made beside the old one and the two change places in one step, so that a crash
// leaves either; before, the new one has taken the name that the old one is then found by, so that
// the old one never lies where a later recovery would remove it. The folder of both is whoever's
// who starts tacit. What is in a store may be the doing of a captured api process, so another
// process reads it, which can do no more than that one; this one holds the keys that open values,
// and never looks into the store's files.
#include "app/recover.hpp"

#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <optional>

#include "app/cli/output.hpp"
#include "app/data_folder.hpp"
#include "app/recover_opener.hpp"
#include "app/recover_reader.hpp"
#include "app/root_key_file.hpp"
#include "app/sandbox/sandbox.hpp"
#include "kv/database.hpp"

namespace tacit::app {

namespace {

struct output_pipe {
  output_pipe() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) {
      throw startup_error("cannot make a pipe (" + std::string(std::strerror(errno)) + ")");
    }
    read_end.reset(ends[0]);
    write_end.reset(ends[1]);
  }
  descriptor read_end;
  descriptor write_end;
};

// The process that reads.
class reader {
 public:
  // Before any key is read.
  explicit reader(descriptor const& lock) {
    output_pipe out;
    output_pipe err;
    child_ = spawn_child(reader_role, lock, {out.write_end.number(), err.write_end.number()});
    out_ = shown_stream(std::move(out.read_end), write_out);
    err_ = shown_stream(std::move(err.read_end), write_error);
  }
  reader(reader const&) = delete;
  reader& operator=(reader const&) = delete;
  ~reader() {
    if (child_.pid <= 0) return;
    ::kill(child_.pid, SIGKILL);
    while (::waitpid(child_.pid, nullptr, 0) < 0 && errno == EINTR) {
    }
  }

  // Has it read, answers it and passes on what it writes, until it has ended. Throws startup_error
  // when it breaks the rules or dies. It may be silent for as long as it reads.
  reader_status follow(core::recovery_start const& start, core::keeper_share const& keys) {
    core::secret_buffer const first = core::encode_recovery(start);
    std::string_view const bytes = first.reveal();
    // What became of it shows at its end.
    static_cast<void>(::send(child_.channel.number(), bytes.data(), bytes.size(), MSG_NOSIGNAL));
    recover_opener opener(keys);
    std::optional<int> ended;
    while (!ended || !out_.has_ended() || !err_.has_ended()) {
      std::array<pollfd, 3> waiting{pollfd{child_.channel.number(), POLLIN, 0}, out_.wanted(),
                                    err_.wanted()};
      if (::poll(waiting.data(), waiting.size(), -1) < 0) continue;
      if (waiting[1].revents != 0) out_.pass_on();
      if (waiting[2].revents != 0) err_.pass_on();
      if (waiting[0].revents != 0 && !opener.answer(child_.channel)) ended = take_end();
    }
    return status_of(*ended);
  }

 private:
  // What closes the channel is its exit; when it is not, it has been captured.
  int take_end() {
    child_.channel.reset();
    auto const ended = wait_for_end(child_.pid);
    if (!ended) distrust_reader();
    child_.pid = -1;
    return *ended;
  }
  static reader_status status_of(int ended) {
    for (auto const known : {store_is_whole, reading_failed, store_is_damaged}) {
      if (ended == known) return known;
    }
    std::string const how = ended > ended_by_signal
                                ? " (signal " + std::to_string(ended - ended_by_signal) + ")"
                                : std::string();
    throw startup_error("the process that read the store died" + how +
                        ": the store stays as it was; restore it from a copy");
  }

  child_process child_;
  shown_stream out_{descriptor(), write_out};
  shown_stream err_{descriptor(), write_error};
};

[[noreturn]] void fail(std::string const& what) {
  throw startup_error("cannot " + what + " (" + std::strerror(errno) +
                      "): the store stays as it was");
}

// The folder for what is left; gone again when it was not used.
class new_store {
 public:
  new_store(settings const& configured, std::optional<account> const& user)
      : path_(configured.data_dir + "/store.new") {
    std::filesystem::remove_all(path_);
    if (::mkdir(path_.c_str(), 0700) != 0) fail("make the folder " + path_);
    if (user && ::chown(path_.c_str(), user->uid, user->gid) != 0) fail("give away " + path_);
  }
  new_store(new_store const&) = delete;
  new_store& operator=(new_store const&) = delete;
  ~new_store() {
    std::error_code ignored;
    if (!used_) std::filesystem::remove_all(path_, ignored);
  }
  [[nodiscard]] std::string const& path() const noexcept { return path_; }
  // Whether that worked, else errno. `to` must not be there.
  [[nodiscard]] bool take_name(std::string const& to) {
    if (::renameat2(AT_FDCWD, path_.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) != 0) {
      return false;
    }
    path_ = to;
    return true;
  }
  void keep() noexcept { used_ = true; }

 private:
  std::string path_;
  bool used_ = false;
};

// Where the old store is afterwards.
std::string change_places(settings const& configured, new_store& with) {
  std::string const store = store_folder(configured);
  std::time_t const now = std::time(nullptr);
  std::tm parts{};
  ::gmtime_r(&now, &parts);
  char stamp[24];
  std::strftime(stamp, sizeof stamp, "%Y%m%dT%H%M%SZ", &parts);
  std::string const aside = store + ".damaged-" + stamp;
  if (!with.take_name(aside)) fail("give the new store the name " + aside);
  if (::renameat2(AT_FDCWD, aside.c_str(), AT_FDCWD, store.c_str(), RENAME_EXCHANGE) != 0) {
    fail("put the new store in the place of " + store);
  }
  with.keep();  // the old one has that name now
  descriptor const folder(::open(configured.data_dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder.is_open() || ::fsync(folder.number()) != 0) {
    throw startup_error("the new store is in its place and the old one in " + aside +
                        ", but they could change back when the machine stops now (" +
                        std::strerror(errno) + ")");
  }
  return aside;
}

// What the reader is told, and what it never sees.
struct shared_keys {
  core::locked_ptr<core::recovery_start> readers;
  core::locked_ptr<core::keeper_share> openers;
};

shared_keys share_keys(settings const& configured) {
  loaded_root_key const root =
      load_or_make_root_key({configured.key_file, store_folder(configured)});
  core::api_share api = core::derive_api_share(root.key);
  core::recovery_start start;
  start.check = api.check;
  start.keys = std::move(api.rows);
  return {core::make_locked(std::move(start)),
          core::make_locked(core::derive_keeper_share(root.key))};
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
  std::optional<new_store> into;
  if (how == recovery::drop) into.emplace(configured, user);
  reader reads(lock);
  shared_keys const keys = share_keys(configured);
  core::recovery_start& start = *keys.readers;
  start.store = store;
  if (into) start.into = into->path();
  start.confine = configured.sandbox == sandbox_mode::on;
  if (!start.confine) say("sandbox = \"off\": the process that reads the store is not confined");
  start.change_user = user.has_value();
  if (user) {
    start.user = user->uid;
    start.group = user->gid;
  }
  reader_status const came_of = reads.follow(start, *keys.openers);
  if (came_of == reading_failed) return reading_failed;
  if (came_of == store_is_whole) {
    write_out("the store is whole: nothing is lost\n");
    return 0;
  }
  if (into) {
    std::string const aside = change_places(configured, *into);
    write_out("done: the store is a new one of what is left; the old one is in " + aside + "\n");
    return 0;
  }
  say("the store is damaged and stays as it is: restore it from a copy, or go on without what is "
      "lost: tacit recover --drop");
  return reading_failed;
}

}  // namespace tacit::app
