// The data folder: who owns what in it, and that one server at a time uses it.
//
//   data_dir            0755  made by whoever starts tacit
//   data_dir/lock       0600  held locked by both processes, written by neither
//   data_dir/root.key   0400  the keeper's (root_key_file.hpp)
//   data_dir/runtimes   0600  the keeper's (runtime_file.hpp)
//   data_dir/store      0700  the api process's: database and api.sock
//   run_dir             0755  the keeper's: keeper.sock and credentials.sock
#pragma once

#include <string>

#include "app/descriptor.hpp"
#include "app/settings/settings.hpp"

namespace tacit::app {

[[nodiscard]] std::string store_folder(settings const& configured);
[[nodiscard]] std::string api_socket_path(std::string const& store_folder);
[[nodiscard]] std::string keeper_socket_path(settings const& configured);
[[nodiscard]] std::string credentials_socket_path(settings const& configured);
[[nodiscard]] std::string runtime_file_path(settings const& configured);

// Whether the path, links followed, leads into the folder.
[[nodiscard]] bool lies_within(std::string const& path, std::string const& folder);

// Makes data_dir when it is missing and locks it. The lock lasts as long as the descriptor, or a
// copy of it in another process, is open. Throws startup_error: another server uses the folder, a
// read-only disk, no permission.
[[nodiscard]] descriptor lock_data_folder(settings const& configured);

// Makes store and run_dir, our own, when they are missing. Throws startup_error: also when run_dir
// lies in the store, which is the api process's.
void make_subfolders(settings const& configured);

// Gives the store folder to the api process's user as long as there is nothing in it. Last of all:
// without capabilities we cannot look into it any more. Throws startup_error.
void give_store_folder(settings const& configured, unsigned owner_uid, unsigned owner_gid);

}  // namespace tacit::app
