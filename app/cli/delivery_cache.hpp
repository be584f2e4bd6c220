// The last delivered set of each project, encrypted in a folder, for when the keeper cannot be
// reached.
//
//   DIR             0700  ours; made when it is missing
//   DIR/PROJECT.set 0600  core/cached_delivery.hpp; replaced whole, or not at all
//   DIR/key         0600  32 random bytes, when no key file is named: with the machine's id they
//                         make the key
//
// What lies there is used only when it is a file (no symbolic link) of this user that others can
// neither read nor write.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>

#include "app/cli/delivered.hpp"
#include "app/cli/delivery_source.hpp"
#include "app/descriptor.hpp"
#include "core/cached_delivery.hpp"

namespace tacit::app {

struct cache_settings {
  std::string folder;
  std::optional<std::string> key_file;
  std::chrono::milliseconds age_max{0};
  std::string machine_id_file = "/etc/machine-id";
};

class delivery_cache {
 public:
  // Opens the folder and the key. Throws cli_error: a folder or key file that others can reach, no
  // machine id, no permission.
  explicit delivery_cache(cache_settings settings);

  struct found {
    delivered set;
    std::chrono::milliseconds age;
  };
  // The set of that project and server, or why there is none to use, as "it is older than …".
  [[nodiscard]] std::variant<found, std::string> find(core::cache_place const& place) const;

  // Says on stderr when it cannot: the set itself is not lost by that.
  void keep(core::cache_place const& place, std::string_view body);

  // Also a damaged one. Says on stderr what it did.
  void remove(std::string_view project);

 private:
  struct lock;

  cache_settings settings_;
  descriptor folder_;
  core::cache_key key_;
};

// Asks the other source, and keeps what it gives. Unavailable: the cached set, with a line on
// stderr. Refused and absent remove it.
[[nodiscard]] std::unique_ptr<delivery_source> make_caching_source(
    std::unique_ptr<delivery_source> asked, std::string project, delivery_cache cache);

}  // namespace tacit::app
