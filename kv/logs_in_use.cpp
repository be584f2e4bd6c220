// Which logs a store needs, asked of the engine on a disk where they are all empty.
#include <filesystem>

#include "kv/database.hpp"
#include "kv/watched_logs.hpp"

namespace tacit::kv {

logs_in_use find_logs_in_use(store_place place) {
  std::vector<scanned_log> empty;
  bool has_bytes = false;
  for (auto const& entry : std::filesystem::directory_iterator(place.folder)) {
    if (entry.path().extension() != ".log") continue;
    empty.push_back({entry.path().filename(), 0, 0, 0});
    has_bytes = has_bytes || !entry.is_regular_file() || entry.file_size() > 0;
  }
  if (!has_bytes) return {};
  auto const disk = std::make_shared<watched_logs>(place.disk);
  disk->cut(empty);
  place.disk = disk;
  logs_in_use found;
  try {
    auto const opened = database::open_what_is_left(place);
    found.last_listed_change = opened->engine().GetLatestSequenceNumber();
  } catch (open_failure const&) {  // the rows may all be in the logs; what is wrong else shows next
  }
  found.names = disk->read();
  return found;
}

}  // namespace tacit::kv
