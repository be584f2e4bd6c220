// A captured api process as the keeper sees it: it says that it serves, and then breaks the rules
// of core/channel.hpp in one way, which PROBE_CHANNEL names. tests/e2e/test_false_api.py says what
// the keeper must make of each.
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cstring>
#include <string>
#include <string_view>
#include <variant>

#include "app/api_child.hpp"
#include "core/channel.hpp"
#include "core/limits.hpp"
#include "core/sealing.hpp"
#include "tests/probe/attempt.hpp"

namespace tacit::probe {
namespace {

constexpr int channel = app::channel_descriptor;

void say(std::string_view datagram) {
  if (send(channel, datagram.data(), datagram.size(), MSG_NOSIGNAL) < 0) _exit(3);
}

core::secret_name name_of(unsigned number) {
  std::string const digits = std::to_string(number);
  return *core::secret_name::parse("N" + std::string(10 - digits.size(), '0') + digits);
}

std::string record(std::uint32_t ask, unsigned number, std::size_t bytes) {
  return core::encode_message(
      core::record_message{ask, name_of(number), 1, 1, std::string(bytes, 'x')});
}

std::string fetched(std::uint32_t ask, core::fetch_outcome came_of, std::uint32_t records) {
  return core::encode_message(core::fetched_message{ask, came_of, records, 1});
}

using outcome = core::fetch_outcome;

void absent(std::uint32_t ask) { say(fetched(ask, outcome::absent, 0)); }
void empty(std::uint32_t ask) { say(fetched(ask, outcome::found, 0)); }
void no_bytes(std::uint32_t) { say(""); }
void junk(std::uint32_t) { say("\xff"); }
void too_long(std::uint32_t) {
  say(std::string(core::limits::channel_message_bytes_max + 1, '\5'));
}
void cut_off(std::uint32_t ask) { say(fetched(ask, outcome::found, 0).substr(0, 9)); }
void something_behind(std::uint32_t ask) { say(fetched(ask, outcome::found, 0) + "x"); }
void unknown_outcome(std::uint32_t ask) {
  std::string lie = fetched(ask, outcome::found, 0);
  lie[5] = 9;
  say(lie);
}
void asks_the_keeper(std::uint32_t ask) {
  say(core::encode_message(core::fetch_message{ask, *core::project_id::parse("p")}));
}
void drains_the_keeper(std::uint32_t) { say(core::encode_message(core::drain_message{})); }
void ready_again(std::uint32_t) { say(core::encode_message(core::ready_message{})); }
void fewer_than_said(std::uint32_t ask) { say(fetched(ask, outcome::found, 5)); }
void more_than_said(std::uint32_t ask) {
  say(record(ask, 1, 200));
  say(fetched(ask, outcome::found, 0));
}
void absent_after_records(std::uint32_t ask) {
  say(record(ask, 1, 200));
  say(fetched(ask, outcome::absent, 0));
}
void unsorted(std::uint32_t ask) {
  say(record(ask, 2, 200));
  say(record(ask, 1, 200));
  say(fetched(ask, outcome::found, 2));
}
void same_name_twice(std::uint32_t ask) {
  say(record(ask, 1, 200));
  say(record(ask, 1, 200));
  say(fetched(ask, outcome::found, 2));
}
void answer_to_nothing(std::uint32_t ask) { say(record(ask + 1000, 1, 200)); }
void record_too_large(std::uint32_t ask) { say(record(ask, 1, core::sealed_value_bytes_max + 1)); }
void forged(std::uint32_t ask) {
  say(record(ask, 1, 200));
  say(fetched(ask, outcome::found, 1));
}
void too_short_to_open(std::uint32_t ask) {
  say(record(ask, 1, 0));
  say(fetched(ask, outcome::found, 1));
}
void answers_twice(std::uint32_t ask) {
  absent(ask);
  empty(ask);
}
void silent(std::uint32_t) {}

// Until the keeper ends the channel.
void flood(std::uint32_t ask, std::size_t bytes) {
  for (unsigned number = 0;; ++number) say(record(ask, number, bytes));
}
void flood_of_large(std::uint32_t ask) { flood(ask, core::sealed_value_bytes_max); }
void flood_of_small(std::uint32_t ask) { flood(ask, 0); }

// Every ask gets as much as one may have, and none an end.
void flood_of_many(std::uint32_t ask) {
  constexpr std::size_t bytes_each = 60u << 20;
  unsigned const records = bytes_each / core::sealed_value_bytes_max;
  for (unsigned number = 0; number < records; ++number) {
    say(record(ask, number, core::sealed_value_bytes_max));
  }
}

// As fast as it goes, to nobody, but reads what is asked in between.
void flood_of_late(std::uint32_t) {
  pollfd asked{channel, POLLIN, 0};
  while (poll(&asked, 1, 0) == 0) say(record(0, 1, 1000));
}

// With descriptors, which the keeper did not ask for.
void with_descriptors(std::uint32_t ask) {
  std::string text = fetched(ask, outcome::absent, 0);
  constexpr std::size_t count = 100;
  std::array<int, count> descriptors{};
  descriptors.fill(STDERR_FILENO);
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof descriptors)> control{};
  iovec part{text.data(), text.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  cmsghdr* const head = CMSG_FIRSTHDR(&message);
  head->cmsg_level = SOL_SOCKET;
  head->cmsg_type = SCM_RIGHTS;
  head->cmsg_len = CMSG_LEN(sizeof descriptors);
  std::memcpy(CMSG_DATA(head), descriptors.data(), sizeof descriptors);
  if (sendmsg(channel, &message, MSG_NOSIGNAL) < 0) _exit(3);
}

struct lie {
  char const* name;
  void (*answer)(std::uint32_t ask);
};

constexpr std::array lies{
    lie{"absent", absent},
    lie{"empty", empty},
    lie{"no_bytes", no_bytes},
    lie{"junk", junk},
    lie{"too_long", too_long},
    lie{"cut_off", cut_off},
    lie{"something_behind", something_behind},
    lie{"unknown_outcome", unknown_outcome},
    lie{"asks_the_keeper", asks_the_keeper},
    lie{"drains_the_keeper", drains_the_keeper},
    lie{"ready_again", ready_again},
    lie{"fewer_than_said", fewer_than_said},
    lie{"more_than_said", more_than_said},
    lie{"absent_after_records", absent_after_records},
    lie{"unsorted", unsorted},
    lie{"same_name_twice", same_name_twice},
    lie{"answer_to_nothing", answer_to_nothing},
    lie{"record_too_large", record_too_large},
    lie{"forged", forged},
    lie{"too_short_to_open", too_short_to_open},
    lie{"answers_twice", answers_twice},
    lie{"silent", silent},
    lie{"flood_of_large", flood_of_large},
    lie{"flood_of_small", flood_of_small},
    lie{"flood_of_many", flood_of_many},
    lie{"flood_of_late", flood_of_late},
    lie{"with_descriptors", with_descriptors},
    // These are played below.
    lie{"hangs_up", silent},
    lie{"deaf", silent},
    lie{"stays", absent},
    lie{"never_ready", silent},
};

// Neither reads nor ends before the keeper does.
[[noreturn]] void wait_for_the_end() {
  pollfd end{channel, 0, 0};
  while (poll(&end, 1, -1) < 0 || (end.revents & POLLHUP) == 0) {
  }
  _exit(3);
}

// Ends when nobody reads what it could write.
[[noreturn]] void stay_without_the_channel() {
  close(channel);
  pollfd end{STDOUT_FILENO, 0, 0};
  while (poll(&end, 1, -1) < 0 || (end.revents & POLLERR) == 0) {
  }
  _exit(0);
}

}  // namespace

void play_false_api() {
  std::string_view const wanted = std::getenv("PROBE_CHANNEL");
  lie const* played = nullptr;
  for (lie const& one : lies) {
    if (one.name == wanted) played = &one;
  }
  if (played == nullptr) _exit(1);
  if (wanted == "never_ready") wait_for_the_end();
  if (wanted == "hangs_up") stay_without_the_channel();
  say(core::encode_message(core::ready_message{}));
  if (wanted == "deaf") wait_for_the_end();
  std::array<char, core::limits::channel_message_bytes_max> datagram;
  while (true) {
    ssize_t const got = recv(channel, datagram.data(), datagram.size(), 0);
    if (got <= 0) _exit(3);
    auto const message =
        core::decode_to_api(std::string_view(datagram.data(), static_cast<std::size_t>(got)));
    if (!message) _exit(1);
    if (auto const* const asked = std::get_if<core::fetch_message>(&*message)) {
      played->answer(asked->ask);
    } else if (std::holds_alternative<core::drain_message>(*message) && wanted != "stays") {
      _exit(0);
    }
  }
}

}  // namespace tacit::probe
