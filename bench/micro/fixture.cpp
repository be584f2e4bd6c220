#include "bench/micro/fixture.hpp"

#include <linux/magic.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cstdlib>
#include <future>

#include "core/check.hpp"

namespace tacit::bench {

namespace {

class fixed_clock final : public core::clock {
 public:
  core::timestamp now() const noexcept override { return {1'780'000'000'000}; }
};

class no_log final : public core::log {
 public:
  void write(core::severity, std::string_view,
             std::initializer_list<core::log_field>) noexcept override {}
  bool wants(core::severity) const noexcept override { return false; }
};

class waiting_port final : public core::completion_port {
 public:
  void complete(core::change*) noexcept override { done_.set_value(); }
  void wait() { done_.get_future().wait(); }

 private:
  std::promise<void> done_;
};

core::root_key make_sample_root() {
  core::init_crypto();
  core::root_key root;
  unsigned char next = 0;
  for (unsigned char& byte : root.reveal_mutable()) byte = next++;
  return root;
}

std::unique_ptr<core::rate_limiter::word[]> make_table() {
  return std::make_unique<core::rate_limiter::word[]>(core::rate_limiter::words);
}

std::span<core::rate_limiter::word, core::rate_limiter::words> words_of(
    core::rate_limiter::word* table) {
  return std::span<core::rate_limiter::word, core::rate_limiter::words>(table,
                                                                        core::rate_limiter::words);
}

std::string digits_of(std::size_t index) {
  std::string const digits = std::to_string(index);
  return std::string(digits.size() < 4 ? 4 - digits.size() : 0, '0') + digits;
}

}  // namespace

core::root_key const& sample_root() {
  static core::root_key const root = make_sample_root();
  return root;
}

core::project_id sample_project(std::size_t index) {
  return *core::project_id::parse("bench-project-" + digits_of(index));
}

core::secret_name sample_name(std::size_t index) {
  return *core::secret_name::parse("SECRET_NUMBER_" + digits_of(index));
}

temporary_folder::temporary_folder() {
  std::string path = (std::filesystem::temp_directory_path() / "tacit-micro-XXXXXX").string();
  CHECK(::mkdtemp(path.data()) != nullptr);
  path_ = path;
}

temporary_folder::~temporary_folder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

bool temporary_folder::in_memory() const noexcept {
  struct statfs about{};
  return ::statfs(path_.c_str(), &about) == 0 && about.f_type == TMPFS_MAGIC;
}

store_on_disk::store_on_disk(std::size_t projects)
    : share_(core::derive_api_share(sample_root())),
      table_(make_table()),
      limiter_(words_of(table_.get()), {0, 0, 0}),
      clock_(std::make_unique<fixed_clock>()),
      log_(std::make_unique<no_log>()),
      sealer_(share_.public_key, share_.record),
      api_key_(core::api_key_text::make_random()) {
  store_ = std::make_unique<kv::store>(kv::database::open(folder_.path(), share_.check, *log_),
                                       kv::store_parts{share_.rows, *clock_, limiter_, *log_},
                                       secrets_in_project);
  commits_ = std::thread([this] { CHECK(store_->run_commits()); });

  auto const admin = core::permit_admin(owner());
  for (std::size_t i = 0; i < projects; ++i) {
    commit(core::create_project{*admin, sample_project(i), "Bench", 0});
  }
  core::api_key_entry key(*core::api_key_id::parse("bench-key"));
  key.name = "bench";
  key.hash = api_key_.hash(share_.pepper);
  key.permissions.add(core::permission::read);
  key.permissions.add(core::permission::write);
  key.scope.projects.push_back(sample_project(0));
  commit(core::create_api_key{*admin, std::move(key)});
  for (std::size_t i = 0; i < projects * secrets_in_project; ++i) commit(make_upsert(i, i));
}

store_on_disk::~store_on_disk() {
  store_->close();
  commits_.join();
}

core::admitted store_on_disk::owner() {
  core::admission const admission(core::caller::local_owner(), limiter_, core::bucket_kind::read,
                                  0);
  CHECK(admission.granted.has_value());
  return *admission.granted;
}

core::read_permit store_on_disk::may_read() {
  return *core::permit_read(owner(), sample_project(0), core::project_state::present);
}

core::upsert_secret store_on_disk::make_upsert(std::size_t index, std::uint64_t record_id) {
  std::string const value(40, 'v');
  auto const id = sample_project(index / secrets_in_project);
  auto const name = sample_name(index % secrets_in_project);
  return {*core::permit_write(owner(), id, core::project_state::present), name, record_id,
          sealer_.seal(value, {id, name, record_id}, 0), core::label::of_text("vvvv")};
}

void store_on_disk::commit(core::command what) {
  waiting_port port;
  core::change asked(std::move(what), port);
  CHECK(store_->submit(asked));
  port.wait();
  CHECK(asked.came_of);
}

}  // namespace tacit::bench
