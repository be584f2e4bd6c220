// How many descriptors the processes may have, and what of them connections leave to the store.
#pragma once

#include <cstdint>

#include "core/channel.hpp"
#include "core/log.hpp"
#include "net/delivery_places.hpp"

namespace tacit::app {

// As many as the hard limit allows: a connection is one.
void raise_descriptor_limit() noexcept;

// How many connections on the network there may be: as many as are wanted, but so few that the
// store always finds a descriptor for its next file. Without one its write would fail, and whoever
// can connect could end the server.
[[nodiscard]] std::uint32_t places_within(std::uint64_t descriptors, std::uint32_t wanted,
                                          unsigned threads) noexcept;

// Of this process as it was started; that they are fewer than the settings want is said in the log.
[[nodiscard]] std::uint32_t count_places(core::api_settings const& configured,
                                         core::log& log) noexcept;

// How many peers of keeper.sock there may be: so many of a uid that one alone does not take the
// keeper's last descriptor, or delivery would be off for everybody else.
[[nodiscard]] net::delivery_places::limits peers_within(std::uint64_t descriptors) noexcept;

// Of this process as it was started.
[[nodiscard]] net::delivery_places::limits count_peers() noexcept;

}  // namespace tacit::app
