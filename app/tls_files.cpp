#include "app/tls_files.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "app/descriptor.hpp"
#include "core/limits.hpp"

namespace tacit::app {

namespace {

constexpr std::size_t bytes_max = core::limits::identity_bytes_max;

struct named_file {
  std::string setting;
  std::string path;
  core::secret_buffer core::identity_message::* into;
};

std::vector<named_file> files_of(settings const& configured) {
  using to = core::identity_message;
  std::vector<named_file> files{{"tls.certificate", configured.tls_certificate, &to::certificate},
                                {"tls.key", configured.tls_key, &to::key}};
  if (!configured.tls_client_ca.empty()) {
    files.push_back({"tls.client_ca", configured.tls_client_ca, &to::client_ca});
  }
  return files;
}

[[noreturn]] void refuse(named_file const& file, std::string const& fault) {
  throw startup_error(file.setting + ": " + file.path + " " + fault);
}

[[noreturn]] void fail(named_file const& file, int error) {
  std::string hint;
  if (error == EACCES) {
    hint = ": user " + std::to_string(::geteuid()) +
           " must be able to read it without privileges; when its folder is another than at the "
           "start, start tacit anew";
  }
  refuse(file, "cannot be read (" + std::string(std::strerror(error)) + ")" + hint);
}

core::secret_buffer read_file(named_file const& file) {
  // Not blocking: what lies there may be no file.
  descriptor const open(::open(file.path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat about{};
  if (!open.is_open() || ::fstat(open.number(), &about) != 0) fail(file, errno);
  if (!S_ISREG(about.st_mode)) refuse(file, "is not a file");
  bool const is_secret = file.into == &core::identity_message::key;
  if (is_secret && (about.st_mode & S_IRWXO) != 0) {
    refuse(file, "can be read by others: run chmod o= on it");
  }
  core::secret_buffer bytes(bytes_max + 1);
  while (bytes.size() < bytes.capacity()) {
    std::span<char> const room = bytes.reveal_storage().subspan(bytes.size());
    auto const got = ::read(open.number(), room.data(), room.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail(file, errno);
    if (got == 0) break;
    bytes.resize(bytes.size() + static_cast<std::size_t>(got));
  }
  if (bytes.empty()) refuse(file, "is empty");
  return bytes;
}

std::string folder_of(std::string const& path) {
  return std::filesystem::path(path).parent_path().string();
}

// What a keeper that is confined can read more of than it has to: nothing of the server's own.
void require_own_folder(settings const& configured) {
  for (std::string const& folder : folders_of_tls_files(configured)) {
    std::string const with_end = folder.ends_with('/') ? folder : folder + "/";
    for (std::string const& ours : {configured.data_dir + "/", configured.key_file}) {
      std::error_code ignored;
      std::string const real = std::filesystem::weakly_canonical(ours, ignored).string() + "/";
      if (!ours.starts_with(with_end) && !real.starts_with(with_end)) continue;
      throw startup_error("the files of tls.certificate, tls.key and tls.client_ca lie in " +
                          folder + ", which holds " + ours +
                          " too: give them a folder of their own");
    }
  }
}

}  // namespace

core::identity_message read_tls_files(settings const& configured) {
  require_own_folder(configured);
  core::identity_message read;
  std::size_t bytes = 0;
  for (named_file const& file : files_of(configured)) {
    core::secret_buffer text = read_file(file);
    bytes += text.size();
    if (bytes > bytes_max) {
      refuse(file, "is too large: the files for TLS may have " + std::to_string(bytes_max) +
                       " bytes together");
    }
    read.*file.into = std::move(text);
  }
  return read;
}

std::vector<std::string> folders_of_tls_files(settings const& configured) {
  std::vector<std::string> folders;
  for (named_file const& file : files_of(configured)) {
    std::error_code error;
    auto const target = std::filesystem::canonical(file.path, error);
    folders.push_back(folder_of(file.path));
    if (!error) folders.push_back(folder_of(target.string()));
  }
  std::sort(folders.begin(), folders.end());
  folders.erase(std::unique(folders.begin(), folders.end()), folders.end());
  return folders;
}

}  // namespace tacit::app
