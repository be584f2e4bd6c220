#include "app/cli/identity.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "app/cli/error.hpp"
#include "app/descriptor.hpp"
#include "core/check.hpp"
#include "core/secret.hpp"

namespace tacit::app {

namespace {

constexpr std::string_view first_line = "tacit identity 1";
constexpr std::string_view private_word = "private ";
constexpr std::string_view server_word = "server ";
constexpr std::size_t file_bytes_max = 256;

[[noreturn]] void fail(std::string const& what, std::string const& path) {
  throw cli_error(exit_failed,
                  "cannot " + what + " the identity file " + path + ": " + std::strerror(errno));
}

void write_whole(std::string const& path, int flags, std::string_view bytes) {
  descriptor const file(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0600));
  if (!file.is_open() && errno == EEXIST) {
    throw cli_error(exit_failed, "the identity file " + path +
                                     " is there already, and its key may be enrolled: name "
                                     "another one, or remove it first");
  }
  if (!file.is_open()) fail("make", path);
  auto const put = ::write(file.number(), bytes.data(), bytes.size());
  bool const whole = put == static_cast<ssize_t>(bytes.size());
  if (put >= 0 && !whole) errno = ENOSPC;  // as much as fitted
  if (!whole || ::fsync(file.number()) != 0) {
    int const error = errno;
    ::unlink(path.c_str());  // a piece of an identity would be in the way of the next try
    errno = error;
    fail("write", path);
  }
}

core::secret_buffer text_of(identity const& one) {
  core::secret_buffer text(file_bytes_max);
  std::string key = core::encode_base64(one.own.reveal());
  bool fits = text.append(first_line) && text.append("\n") && text.append(private_word) &&
              text.append(key) && text.append("\n");
  core::wipe(key);
  if (one.server) {
    fits = fits && text.append(server_word) &&
           text.append(core::encode_base64(one.server->bytes)) && text.append("\n");
  }
  CHECK(fits);
  return text;
}

std::string_view take_line(std::string_view& text) {
  std::string_view const line = text.substr(0, text.find('\n'));
  text.remove_prefix(std::min(text.size(), line.size() + 1));
  return line;
}

std::optional<identity> parse(std::string_view text) {
  if (take_line(text) != first_line) return std::nullopt;
  std::string_view const own = take_line(text);
  if (!own.starts_with(private_word)) return std::nullopt;
  auto key = core::decode_base64(own.substr(private_word.size()));
  if (!key || key->size() != core::key_bytes) return std::nullopt;
  identity one;
  std::copy(key->begin(), key->end(), one.own.reveal_mutable().begin());
  core::wipe(*key);
  std::string_view const server = take_line(text);
  if (!text.empty()) return std::nullopt;
  if (server.empty()) return one;
  if (!server.starts_with(server_word)) return std::nullopt;
  auto const bytes = core::decode_base64(server.substr(server_word.size()));
  if (!bytes || bytes->size() != core::key_bytes) return std::nullopt;
  std::copy(bytes->begin(), bytes->end(), one.server.emplace().bytes.begin());
  return one;
}

}  // namespace

identity make_identity_file(std::string const& path) {
  identity one{core::make_exchange_key(), {}};
  write_whole(path, O_EXCL | O_NOFOLLOW, text_of(one).reveal());
  return one;
}

identity read_identity_file(std::string const& path) {
  descriptor const file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat about{};
  if (!file.is_open() || ::fstat(file.number(), &about) != 0) fail("read", path);
  if (S_ISREG(about.st_mode) && (about.st_mode & 0077) != 0) {
    throw cli_error(exit_failed, "others can reach the identity file " + path +
                                     ": run chmod 0600 on it; if somebody has read it, revoke its "
                                     "enrolments and make another");
  }
  core::secret_buffer text(file_bytes_max);
  std::span<char> const room = text.reveal_storage();
  auto const got = ::read(file.number(), room.data(), room.size());
  if (got < 0) fail("read", path);
  text.resize(static_cast<std::size_t>(got));
  auto one = parse(text.reveal());
  if (one) return *std::move(one);
  throw cli_error(exit_failed, path +
                                   " is not an identity file of this tacit; make one with: tacit "
                                   "runtime keygen --identity FILE");
}

void pin_server_key(std::string const& path, core::exchange_public_key const& server) {
  identity one = read_identity_file(path);
  if (one.server && *one.server != server) {
    throw cli_error(exit_failed, "the identity file " + path +
                                     " trusts another server already: make an identity for each "
                                     "server");
  }
  one.server = server;
  // Under another name first: no crash leaves half an identity.
  std::string const unfinished = path + ".new";
  ::unlink(unfinished.c_str());
  write_whole(unfinished, O_EXCL | O_NOFOLLOW, text_of(one).reveal());
  if (::rename(unfinished.c_str(), path.c_str()) != 0) fail("replace", path);
}

core::exchange_public_key parse_public_key(std::string_view text, std::string const& flag) {
  auto const bytes = core::decode_base64(text);
  if (!bytes || bytes->size() != core::key_bytes) {
    throw cli_error(exit_wrong_usage,
                    flag + " takes a key as tacit prints it: 43 letters, digits, - and _");
  }
  core::exchange_public_key key;
  std::copy(bytes->begin(), bytes->end(), key.bytes.begin());
  return key;
}

}  // namespace tacit::app
