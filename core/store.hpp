// The store port: whole operations, each with its conditions and its outcome, not get and put, so
// that an engine of another kind can keep the same promises. tacit::kv implements it with RocksDB.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

#include "core/access.hpp"
#include "core/entries.hpp"
#include "core/error.hpp"
#include "core/receipt.hpp"

namespace tacit::core {

// All API keys at one moment, by hash. Immutable: a change of an API key makes a new one.
struct api_key_directory {
  struct by_hash {
    std::size_t operator()(api_key_hash const& hash) const noexcept;
  };
  std::unordered_map<api_key_hash, std::shared_ptr<api_key_entry const>, by_hash> keys;

  // Null when there is none.
  [[nodiscard]] std::shared_ptr<api_key_entry const> find(api_key_hash const& hash) const;
};

// The changes. Whoever has the permit may ask.
struct upsert_secret {
  write_permit permit;
  secret_name name;
  std::uint64_t record_id;
  std::string sealed_value;
  label last_four;
};
struct remove_secret {
  write_permit permit;
  secret_name name;
};
struct create_project {
  admin_permit permit;
  project_id id;
  std::string name;
  std::uint32_t secret_limit;  // 0: as the setting says
};
struct delete_project {
  admin_permit permit;
  project_id id;
};
struct create_api_key {
  admin_permit permit;
  api_key_entry key;  // slot and time are given by the store
};
struct revoke_api_key {
  admin_permit permit;
  api_key_id id;
};
using command = std::variant<upsert_secret, remove_secret, create_project, delete_project,
                             create_api_key, revoke_api_key>;

// What came of one.
struct removed {
  bool existed = false;
};
struct revoked {};
using outcome = std::variant<secret_entry, removed, project_entry, api_key_entry, revoked>;

class completion_port;

// A change under way. Its maker keeps it alive and untouched from submit() until it is completed.
struct change {
  change(command asked, completion_port& made_at) : what(std::move(asked)), home(made_at) {}

  command what;
  completion_port& home;
  result<outcome> came_of{errc::internal};
  change* next = nullptr;  // the list of a completed group
};

// Where completed changes go: once for each group, from the commit thread.
class completion_port {
 public:
  virtual ~completion_port() = default;
  // `first` heads a list linked by `next`.
  virtual void complete(change* first) noexcept = 0;
};

class store {
 public:
  virtual ~store() = default;

  // Reads, from any thread. errc::not_found for a project that is not there, errc::corrupt for a
  // row that does not authenticate, errc::unavailable when the disk does not answer.
  [[nodiscard]] virtual result<project_state> find_project(project_id const& id) const = 0;
  [[nodiscard]] virtual result<secret_list> list_secrets(read_permit const& permit) const = 0;
  [[nodiscard]] virtual result<project_entry> show_project(read_permit const& permit) const = 0;
  [[nodiscard]] virtual result<std::vector<project_entry>> list_projects(
      list_permit const& permit) const = 0;
  // What is stored and what was delivered, from one snapshot. Receipts change without a new
  // revision: nobody waits for them, and no list shows them.
  [[nodiscard]] virtual result<delivery_records> list_deliveries(
      read_permit const& permit) const = 0;
  // Numbers that tell whether what was read may be kept. Read one first, then the data: as long as
  // the number is the same, so is the data. An odd number says that a change is being written: do
  // not keep what was read. The second also covers that the project exists. The first changes
  // whenever any project is made or deleted.
  [[nodiscard]] virtual std::uint64_t project_set_generation() const noexcept = 0;
  [[nodiscard]] virtual std::uint64_t project_generation(project_id const& id) const noexcept = 0;

  // Sorted by time of creation, with the last uses known now.
  [[nodiscard]] virtual std::vector<api_key_entry> list_api_keys(admin_permit const&) const = 0;

  // The API keys now. The generation changes (before the change is completed) whenever they do, so
  // that a thread may keep the directory as long as the generation stays.
  [[nodiscard]] virtual std::uint64_t api_key_generation() const noexcept = 0;
  [[nodiscard]] virtual std::shared_ptr<api_key_directory const> api_keys() const = 0;
  // Remembers a use; written now and then, never on the request's path.
  virtual void note_use(api_key_entry const& key, timestamp now) noexcept = 0;

  // Takes the change to the commit thread. Completed later with its outcome, or with
  // errc::not_found (no such project or API key), secret_limit_exceeded, conflict (taken id),
  // validation (an API key that revokes itself, or for a project that is not there; too many API
  // keys: errc::conflict), storage_full, unavailable. errc::unavailable, and nothing taken, when
  // the queue is full or closed.
  [[nodiscard]] virtual result<void> submit(change& asked) = 0;

  // Keeps receipts, soon and without a word: those of a project that does not exist (any more) are
  // passed over, and beyond limits::consumers_per_project_max the consumers of the oldest
  // deliveries go. Not on disk at once: a crash of the machine may lose what was not written back.
  // While the disk is full they wait, as many as a receipt_book holds.
  virtual void note_deliveries(std::vector<receipt> receipts) = 0;

  // Whether a write could succeed now.
  [[nodiscard]] virtual bool writable() const noexcept = 0;
};

}  // namespace tacit::core
