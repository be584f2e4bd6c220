// What tacit-probe is told by its environment (PROBE_…, since settings would refuse TACIT_…) and
// does besides what tacit does. Nothing of it is in tacit itself.
//
//   PROBE_CHANNEL=LIE        play a false api process (false_api.cpp)
//   PROBE_POINT=NAME         end at a point (points.cpp)
//   PROBE_CLOCK=FILE         have the clocks set (clocks.cpp)
//   PROBE_KEY=FILE           try what an attacker would try (attempts.hpp), also on this root key
#pragma once

namespace tacit::probe {

// In the api process, once it is confined.
void once_confined();

}  // namespace tacit::probe
