#include "app/cli/delivery_cache.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <functional>

#include "app/cli/error.hpp"
#include "app/cli/output.hpp"
#include "core/check.hpp"
#include "core/duration.hpp"
#include "net/client.hpp"

namespace tacit::app {

namespace {

using std::chrono::milliseconds;

constexpr char const* key_name = "key";
constexpr std::size_t machine_id_chars = 32;  // machine-id(5)
constexpr std::size_t file_bytes_max = net::client_body_bytes_max + core::cached_overhead_bytes;

[[noreturn]] void refuse(std::string const& line) { throw cli_error(exit_failed, line); }

std::string file_name(std::string_view project) { return std::string(project) + ".set"; }

std::int64_t now_unix_milliseconds() {
  auto const now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<milliseconds>(now).count();
}

// What is wrong with a file or folder that is to be ours alone, "" when nothing is.
std::string ownership_fault(struct stat const& about) {
  if (about.st_uid != geteuid()) return "belongs to another user";
  if ((about.st_mode & 0077) != 0) return "can be reached by others";
  return "";
}

descriptor open_folder(std::string folder) {
  // With a slash at its end, a symbolic link would be followed.
  while (folder.size() > 1 && folder.ends_with('/')) folder.pop_back();
  if (mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) {
    refuse("cannot make the cache folder " + folder + ": " + std::strerror(errno));
  }
  descriptor opened(open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  struct stat about{};
  if (!opened.is_open() || fstat(opened.number(), &about) != 0) {
    bool const link = errno == ENOTDIR || errno == ELOOP;
    refuse("cannot open the cache folder " + folder + ": " +
           (link ? "it is no folder, or a symbolic link" : std::strerror(errno)));
  }
  std::string const fault = ownership_fault(about);
  if (!fault.empty()) {
    refuse("the cache folder " + folder + " " + fault + ": give it to this user, with mode 0700");
  }
  return opened;
}

// The file's bytes into `into`, from its start. False with errno set; EFBIG when there are more.
bool read_whole(int file, core::secret_buffer& into) {
  while (true) {
    std::span<char> const room = into.reveal_storage().subspan(into.size());
    char more = 0;
    ssize_t const count =
        room.empty() ? ::read(file, &more, 1) : ::read(file, room.data(), room.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return false;
    if (count == 0) return true;
    if (room.empty()) {
      errno = EFBIG;
      return false;
    }
    into.resize(into.size() + static_cast<std::size_t>(count));
  }
}

bool write_whole(int file, std::string_view bytes) {
  while (!bytes.empty()) {
    ssize_t const count = ::write(file, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
  return true;
}

// Under another name first, then in its place; both synced. False with errno set. The caller holds
// the folder's lock, so that the other name is nobody else's.
bool replace_file(int folder, std::string const& name, std::string_view bytes) {
  std::string const unfinished = name + ".new";
  unlinkat(folder, unfinished.c_str(), 0);
  descriptor const made(openat(folder, unfinished.c_str(),
                               O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  bool const written =
      made.is_open() && write_whole(made.number(), bytes) && fsync(made.number()) == 0 &&
      renameat(folder, unfinished.c_str(), folder, name.c_str()) == 0 && fsync(folder) == 0;
  if (!written) {
    int const reason = errno;
    unlinkat(folder, unfinished.c_str(), 0);
    errno = reason;
  }
  return written;
}

core::cache_secret secret_of(core::secret_buffer const& bytes) {
  CHECK(bytes.size() == core::cache_secret::bytes);
  core::cache_secret secret;
  std::memcpy(secret.reveal_mutable().data(), bytes.reveal().data(), bytes.size());
  return secret;
}

core::cache_secret read_secret(descriptor const& file, std::string const& shown_name) {
  struct stat about{};
  if (fstat(file.number(), &about) != 0) refuse("cannot look at " + shown_name);
  if (!S_ISREG(about.st_mode)) refuse("the cache key " + shown_name + " is not a file");
  // root's too: that is how a service gets a credential.
  bool const strange = about.st_uid != geteuid() && about.st_uid != 0;
  if (strange) refuse("the cache key " + shown_name + " belongs to another user");
  if ((about.st_mode & 0077) != 0) {
    refuse("others can reach the cache key " + shown_name + ": run chmod 0600 on it");
  }
  core::secret_buffer bytes(core::cache_secret::bytes);
  if (!read_whole(file.number(), bytes) && errno != EFBIG) {
    refuse("cannot read the cache key " + shown_name + ": " + std::strerror(errno));
  }
  if (about.st_size != static_cast<off_t>(core::cache_secret::bytes) ||
      bytes.size() != core::cache_secret::bytes) {
    refuse("the cache key " + shown_name + " has not 32 bytes; make one with: head -c 32 " +
           "/dev/urandom > FILE");
  }
  return secret_of(bytes);
}

std::string read_machine_id(std::string const& file) {
  descriptor const opened(open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  core::secret_buffer bytes(machine_id_chars + 1);
  bool const whole = opened.is_open() && read_whole(opened.number(), bytes);
  std::string_view id = bytes.reveal();
  if (id.ends_with('\n')) id.remove_suffix(1);
  bool const hex = id.find_first_not_of("0123456789abcdef") == id.npos;
  if (!whole || id.size() != machine_id_chars || !hex) {
    refuse("this machine has no id in " + file + " that the cache's key could be bound to; name " +
           "a key with --cache-key-file FILE");
  }
  return std::string(id);
}

}  // namespace

// One process at a time changes the folder.
struct delivery_cache::lock {
  explicit lock(int folder) : folder_(folder) {
    while (flock(folder_, LOCK_EX) != 0 && errno == EINTR) continue;
  }
  lock(lock const&) = delete;
  lock& operator=(lock const&) = delete;
  ~lock() { flock(folder_, LOCK_UN); }

 private:
  int folder_;
};

delivery_cache::delivery_cache(cache_settings settings)
    : settings_(std::move(settings)), folder_(open_folder(settings_.folder)) {
  if (settings_.key_file) {
    descriptor const file(open(settings_.key_file->c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (!file.is_open()) {
      refuse("cannot open the cache key " + *settings_.key_file + ": " + std::strerror(errno));
    }
    key_ = core::derive_cache_key(read_secret(file, *settings_.key_file), "");
    return;
  }
  std::string const machine_id = read_machine_id(settings_.machine_id_file);
  std::string const shown_name = settings_.folder + "/" + key_name;
  lock const held(folder_.number());
  constexpr int how = O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK;
  descriptor file(openat(folder_.number(), key_name, how));
  if (!file.is_open() && errno == ENOENT) {
    core::secret_buffer made(core::cache_secret::bytes);
    made.resize(made.capacity());
    core::fill_random({reinterpret_cast<unsigned char*>(made.reveal_storage().data()),
                       core::cache_secret::bytes});
    if (!replace_file(folder_.number(), key_name, made.reveal())) {
      refuse("cannot make the cache key " + shown_name + ": " + std::strerror(errno));
    }
    file.reset(openat(folder_.number(), key_name, how));
  }
  if (!file.is_open()) refuse("cannot open the cache key " + shown_name);
  key_ = core::derive_cache_key(read_secret(file, shown_name), machine_id);
}

std::variant<delivery_cache::found, std::string> delivery_cache::find(
    core::cache_place const& place) const {
  std::string const name = file_name(place.project);
  descriptor const file(
      openat(folder_.number(), name.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK));
  if (!file.is_open() && errno == ENOENT) return "it has no set of this project";
  struct stat about{};
  if (!file.is_open() || fstat(file.number(), &about) != 0) {
    return name + " cannot be opened (" + std::strerror(errno) + ")";
  }
  if (!S_ISREG(about.st_mode)) return name + " is not a file";
  std::string const fault = ownership_fault(about);
  if (!fault.empty()) return name + " " + fault;
  if (about.st_size > static_cast<off_t>(file_bytes_max)) return name + " is too large";
  core::secret_buffer sealed(static_cast<std::size_t>(about.st_size));
  if (!read_whole(file.number(), sealed)) return name + " cannot be read";
  auto opened = core::open_cached(key_, place, sealed.reveal());
  if (!opened) {
    return name + " does not open: it is damaged, or of another project, server or key";
  }
  std::int64_t const now = now_unix_milliseconds();
  std::int64_t const delivered_at = opened->delivered_unix_milliseconds;
  switch (core::judge_cached({delivered_at, now, settings_.age_max.count()})) {
    case core::cache_verdict::too_old:
      return name + " is older than --cache-max-age (" + core::format_duration(settings_.age_max) +
             ")";
    case core::cache_verdict::from_the_future:
      return name + " is from the future: the clock was set back";
    case core::cache_verdict::usable:
      break;
  }
  auto set = read_delivered(std::move(opened->body), place.project);
  if (!set) return name + " was not understood";
  return found{*std::move(set), milliseconds(std::max<std::int64_t>(now - delivered_at, 0))};
}

void delivery_cache::keep(core::cache_place const& place, std::string_view body) {
  std::string const sealed = core::seal_cached(key_, place, now_unix_milliseconds(), body);
  lock const held(folder_.number());
  if (replace_file(folder_.number(), file_name(place.project), sealed)) return;
  say("the set was not kept in the cache " + settings_.folder + ": " + std::strerror(errno));
}

void delivery_cache::remove(std::string_view project) {
  lock const held(folder_.number());
  if (unlinkat(folder_.number(), file_name(project).c_str(), 0) == 0) {
    say("removed the set of project " + std::string(project) + " from the cache " +
        settings_.folder + (fsync(folder_.number()) == 0 ? "" : "; a crash could bring it back"));
  } else if (errno != ENOENT) {
    say("cannot remove " + settings_.folder + "/" + file_name(project) + " (" +
        std::strerror(errno) + "): remove it by hand");
  }
}

namespace {

std::string shown_age(milliseconds age) {
  auto const seconds = age.count() / 1000;
  if (seconds < 120) return std::to_string(seconds) + " s";
  if (seconds < 120 * 60) return std::to_string(seconds / 60) + " min";
  return std::to_string(seconds / 3600) + " h";
}

// A question under way whose answer is kept, or ends what is kept.
class caching_pending : public pending_delivery {
 public:
  using heard = std::function<void(outcome const&)>;
  caching_pending(std::unique_ptr<pending_delivery> asked, heard on_answer)
      : asked_(std::move(asked)), heard_(std::move(on_answer)) {}

  int descriptor() const noexcept override { return asked_->descriptor(); }
  std::optional<outcome> advance() override {
    auto answer = asked_->advance();
    if (answer) heard_(*answer);
    return answer;
  }

 private:
  std::unique_ptr<pending_delivery> asked_;
  heard heard_;
};

// What the keeper itself has decided: there is nothing to be had with a copy either.
bool is_verdict(delivery_fault fault) {
  return fault == delivery_fault::unauthorized || fault == delivery_fault::refused ||
         fault == delivery_fault::absent;
}

class caching_source : public delivery_source {
 public:
  caching_source(std::unique_ptr<delivery_source> asked, std::string project, delivery_cache cache)
      : asked_(std::move(asked)), project_(std::move(project)), cache_(std::move(cache)) {}

  delivery_answer ask() override {
    delivery_answer answer = asked_->ask();
    if (answer) {
      cache_.keep({project_, asked_->origin()}, answer->body.reveal());
      return answer;
    }
    switch (answer.error().fault) {
      case delivery_fault::unauthorized:
      case delivery_fault::refused:
      case delivery_fault::absent:
        cache_.remove(project_);
        return answer;
      case delivery_fault::unavailable:
        return find_instead(answer.error());
      case delivery_fault::not_understood:
        break;
    }
    return answer;
  }

  // What follows a running command never comes from the cache: that is for a start.
  begun ask_for_change(std::int64_t revision, std::chrono::seconds at_most) override {
    auto under_way = asked_->ask_for_change(revision, at_most);
    if (!under_way) return under_way;
    return std::make_unique<caching_pending>(
        *std::move(under_way), [this](pending_delivery::outcome const& answer) { note(answer); });
  }

  std::string origin() const override { return asked_->origin(); }

 private:
  void note(pending_delivery::outcome const& answer) {
    if (!answer) {
      if (is_verdict(answer.error().fault)) cache_.remove(project_);
    } else if (auto const* const set = std::get_if<delivered>(&*answer)) {
      cache_.keep({project_, asked_->origin()}, set->body.reveal());
    }
  }

  delivery_answer find_instead(undelivered why) const {
    auto kept = cache_.find({project_, asked_->origin()});
    if (auto* const found = std::get_if<delivery_cache::found>(&kept)) {
      say(why.line + "; using the cached set, delivered " + shown_age(found->age) + " ago");
      return std::move(found->set);
    }
    why.line += "; the cache does not help: " + std::get<std::string>(kept);
    return why;
  }

  std::unique_ptr<delivery_source> asked_;
  std::string project_;
  delivery_cache cache_;
};

}  // namespace

std::unique_ptr<delivery_source> make_caching_source(std::unique_ptr<delivery_source> asked,
                                                     std::string project, delivery_cache cache) {
  return std::make_unique<caching_source>(std::move(asked), std::move(project), std::move(cache));
}

}  // namespace tacit::app
