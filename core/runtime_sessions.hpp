// The keeper's door for runtimes on other machines: what a hello is answered, and which ask is
// taken. This reads what anybody on the network may send. No I/O; a clock is handed in.
//
// A handshake proves the runtime only once its ask opens: a recorded hello is welcomed, and what
// comes of it is of no use without the runtime's keys. A handshake serves one ask.
#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "core/crypto.hpp"
#include "core/enrolment.hpp"
#include "core/noise.hpp"
#include "core/runtime_message.hpp"

namespace tacit::core {

struct moment {
  timestamp now;                        // for what expires
  std::uint64_t boot_milliseconds = 0;  // a clock that never goes back
};

// So many at once, and so many more in each second.
class paced {
 public:
  explicit paced(std::uint32_t per_second) : per_second_(per_second) {}
  [[nodiscard]] bool take(std::uint64_t boot_milliseconds) noexcept;

 private:
  std::uint32_t per_second_;
  std::uint64_t empty_at_microseconds_ = 0;
};

class runtime_sessions {
 public:
  // Both outlive this.
  runtime_sessions(exchange_private_key const& own, enrolment_book const& book);

  // False as long as it is not known whether the book is the newest: nobody is turned away then,
  // nor let in.
  void set_certain(bool certain) noexcept { certain_ = certain; }

  [[nodiscard]] exchange_public_key const& own_public() const noexcept { return own_public_; }

  // The answer to a hello. Nothing for bytes that are no hello, when nobody with that key made it,
  // and when there are too many.
  [[nodiscard]] std::optional<std::string> greet(std::string_view hello, moment at);

  // An ask that was taken: the handshake is used up.
  struct taken {
    exchange_public_key runtime;
    runtime_request request;
    noise_session session;
  };
  // Nothing for bytes that are no ask of a handshake that waits. `standing` is still to be asked.
  [[nodiscard]] std::optional<taken> take(std::string_view ask, moment at);

  [[nodiscard]] std::size_t waiting() const noexcept { return waiting_.size(); }

 private:
  struct handshake {
    session_number number;
    exchange_public_key runtime;
    noise_session session;
    std::uint64_t until_boot_milliseconds;
  };
  using place = std::list<handshake>::iterator;

  [[nodiscard]] paced& pace_of(exchange_public_key const& enrolled);
  void forget(place one);
  void forget_late(std::uint64_t boot_milliseconds);
  [[nodiscard]] bool has_room_for(exchange_public_key const& runtime) const noexcept;

  exchange_private_key const& own_;
  exchange_public_key own_public_;
  enrolment_book const& book_;
  bool certain_ = false;
  paced all_{limits::handshakes_per_second_max};
  paced strangers_{limits::strangers_per_second_max};
  std::map<exchange_public_key, paced> paces_;  // of enrolled keys that came
  std::list<handshake> waiting_;                // oldest first
  std::map<session_number, place> by_number_;
  std::map<exchange_public_key, std::size_t> of_runtime_;
};

}  // namespace tacit::core
