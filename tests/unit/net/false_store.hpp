// A store that has nothing and takes nothing. Who needs more of it overrides that.
#pragma once

#include "core/store.hpp"

namespace tacit::net::test {

class false_store : public core::store {
 public:
  core::result<core::project_state> find_project(core::project_id const&) const override {
    return core::project_state::absent;
  }
  core::result<core::secret_list> list_secrets(core::read_permit const&) const override {
    return core::errc::unavailable;
  }
  core::result<core::project_entry> show_project(core::read_permit const&) const override {
    return core::errc::unavailable;
  }
  core::result<std::vector<core::project_entry>> list_projects(
      core::list_permit const&) const override {
    return core::errc::unavailable;
  }
  core::result<core::delivery_records> list_deliveries(core::read_permit const&) const override {
    return core::errc::unavailable;
  }
  std::uint64_t project_set_generation() const noexcept override { return 0; }
  std::uint64_t project_generation(core::project_id const&) const noexcept override { return 0; }
  std::vector<core::api_key_entry> list_api_keys(core::admin_permit const&) const override {
    return {};
  }
  std::uint64_t api_key_generation() const noexcept override { return 1; }
  std::shared_ptr<core::api_key_directory const> api_keys() const override {
    return std::make_shared<core::api_key_directory>();
  }
  void note_use(core::api_key_entry const&, core::timestamp) noexcept override {}
  core::result<void> submit(core::change&) override { return core::errc::unavailable; }
  void note_deliveries(std::vector<core::receipt>) override {}
  bool writable() const noexcept override { return true; }
};

}  // namespace tacit::net::test
