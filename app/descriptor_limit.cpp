#include "app/descriptor_limit.hpp"

#include <sys/resource.h>

#include <algorithm>

#include "core/limits.hpp"

namespace tacit::app {

namespace {

// The store's tables (kv/database.cpp, max_open_files), logs and lists of files, and what else the
// process has open.
constexpr std::uint64_t of_the_store = 128;
constexpr std::uint64_t of_a_thread = 4;

}  // namespace

void raise_descriptor_limit() noexcept {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

std::uint32_t places_within(std::uint64_t descriptors, std::uint32_t wanted,
                            unsigned threads) noexcept {
  std::uint64_t const besides =
      of_the_store + core::limits::local_connections_max + of_a_thread * threads;
  // Where there are few, the store has seldom use for all of its own.
  std::uint64_t const left = descriptors > besides ? descriptors - besides : 0;
  std::uint64_t const places = std::max({left, descriptors / 8, std::uint64_t{1}});
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(places, wanted));
}

std::uint32_t count_places(core::api_settings const& configured, core::log& log) noexcept {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return configured.connections;
  std::uint32_t const places =
      places_within(limit.rlim_cur, configured.connections, configured.threads);
  if (places < configured.connections) {
    log.write(core::severity::warn,
              "fewer connections are taken than limits.connections says, so that files can still "
              "be opened: raise the limit of open files (LimitNOFILE= in a systemd unit, ulimit -n "
              "in a shell)",
              {{"connections", static_cast<std::int64_t>(places)},
               {"open_files", static_cast<std::int64_t>(limit.rlim_cur)}});
  }
  return places;
}

net::delivery_places::limits peers_within(std::uint64_t descriptors) noexcept {
  net::delivery_places::limits most;
  auto const at_most = [](std::size_t& places, std::uint64_t left) {
    places = static_cast<std::size_t>(std::clamp<std::uint64_t>(left, 1, places));
  };
  at_most(most.waiting_per_uid, descriptors / 2);
  at_most(most.sessions_per_uid, descriptors / 8);
  at_most(most.strangers, descriptors / 8);
  return most;
}

net::delivery_places::limits count_peers() noexcept {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return {};
  return peers_within(limit.rlim_cur);
}

}  // namespace tacit::app
