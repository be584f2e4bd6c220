// What the micro benchmarks share: keys, names, and a real store on the disk.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "core/access.hpp"
#include "core/crypto.hpp"
#include "core/log.hpp"
#include "core/rate_limiter.hpp"
#include "core/sealing.hpp"
#include "core/store.hpp"
#include "core/timestamp.hpp"
#include "kv/store.hpp"

namespace tacit::bench {

inline constexpr std::size_t secrets_in_project = 25;

// bench-project-00, …
[[nodiscard]] core::project_id sample_project(std::size_t index);

// The same root key in every run, so that figures compare.
[[nodiscard]] core::root_key const& sample_root();
// SECRET_NUMBER_0000, …
[[nodiscard]] core::secret_name sample_name(std::size_t index);

// A folder of its own below the temporary folder, removed with all in it.
class temporary_folder {
 public:
  temporary_folder();
  ~temporary_folder();
  temporary_folder(temporary_folder const&) = delete;
  temporary_folder& operator=(temporary_folder const&) = delete;

  [[nodiscard]] std::string path() const { return path_.string(); }
  // A file system in memory: what is synced there tells nothing about a disk.
  [[nodiscard]] bool in_memory() const noexcept;

 private:
  std::filesystem::path path_;
};

// A store with projects of 25 secrets each and an API key for the first, its commit thread running.
// No limits, no log lines.
class store_on_disk {
 public:
  explicit store_on_disk(std::size_t projects = 1);
  ~store_on_disk();
  store_on_disk(store_on_disk const&) = delete;
  store_on_disk& operator=(store_on_disk const&) = delete;

  [[nodiscard]] kv::store& store() noexcept { return *store_; }
  [[nodiscard]] core::rate_limiter& limiter() noexcept { return limiter_; }
  [[nodiscard]] core::log& log() noexcept { return *log_; }
  [[nodiscard]] core::api_share const& share() const noexcept { return share_; }
  [[nodiscard]] core::api_key_text const& api_key() const noexcept { return api_key_; }
  [[nodiscard]] bool in_memory() const noexcept { return folder_.in_memory(); }

  // The local owner's permit for the first project.
  [[nodiscard]] core::read_permit may_read();
  // The upsert of a 40-byte value, sealed. Indexes count through the projects' secrets.
  [[nodiscard]] core::upsert_secret make_upsert(std::size_t index, std::uint64_t record_id);

 private:
  [[nodiscard]] core::admitted owner();
  void commit(core::command what);

  temporary_folder folder_;
  core::api_share share_;
  std::unique_ptr<core::rate_limiter::word[]> table_;
  core::rate_limiter limiter_;
  std::unique_ptr<core::clock> clock_;
  std::unique_ptr<core::log> log_;
  core::sealer sealer_;
  core::api_key_text api_key_;
  std::unique_ptr<kv::store> store_;
  std::thread commits_;
};

}  // namespace tacit::bench
