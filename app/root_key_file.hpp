// Where the root key comes from: a file of 32 random bytes, mode 0400. Other sources can come later
// behind the same function.
#pragma once

#include <string>

#include "core/crypto.hpp"

namespace tacit::app {

struct root_key_source {
  std::string file;
  std::string store_folder;
};

struct loaded_root_key {
  core::root_key key;
  bool is_new = false;
};

// Reads the key, or makes one when neither key nor store exists (file and folder are synced before
// it returns). Throws startup_error: missing beside a store, of the wrong size, readable by others,
// of another owner, within the store's folder.
[[nodiscard]] loaded_root_key load_or_make_root_key(root_key_source const& source);

}  // namespace tacit::app
