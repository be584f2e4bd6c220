// Receipts: which version of which secret was last delivered, when and to whom. The keeper notes
// them, the api stores them. No value is in one, nor anything that was made from a value.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/entries.hpp"
#include "core/name.hpp"
#include "core/timestamp.hpp"

namespace tacit::core {

// Who was given values. Two of one consumer are one: its next process counts as the same. Texts
// are at most limits::consumer_text_bytes_max bytes of printable ASCII; what is not becomes '?'.
struct consumer {
  std::optional<std::uint32_t> uid;  // a process of this machine
  std::string unit;                  // its systemd unit, "" when it has none or none is known
  std::string runtime;               // a remote runtime's id, "" for a process of this machine
  std::string host;                  // this machine's name, or the runtime's

  [[nodiscard]] static consumer process(std::uint32_t uid, std::string_view unit,
                                        std::string_view host);
  [[nodiscard]] static consumer remote(std::string_view runtime, std::string_view host);

  friend auto operator<=>(consumer const&, consumer const&) = default;
};

struct delivered_secret {
  secret_name name;
  std::uint64_t version = 0;
  timestamp at;

  friend bool operator==(delivered_secret const&, delivered_secret const&) = default;
};

// How much of the project a delivery was: all that it had (what is not listed, the consumer has no
// more), or one or some of its secrets.
enum class delivery_extent : std::uint8_t { whole, part };

struct receipt {
  project_id project;
  consumer to;
  timestamp at;  // of the last delivery
  delivery_extent extent = delivery_extent::whole;
  std::vector<delivered_secret> secrets;  // strictly ascending by name
};

// Adds a later receipt of the same project and consumer: a whole one replaces what was there, one
// of a part replaces the secrets that it lists and leaves the others.
void add_later(receipt& earlier, receipt later);

// Receipts that wait to be sent or stored: one for each project and consumer, so that many
// deliveries of one cost no more than one. Holds limits::receipts_waiting_max of them and
// limits::receipt_secrets_waiting_max secrets; beyond that the oldest are dropped, and counted.
class receipt_book {
 public:
  // Does no I/O; its work grows with the secrets of this receipt, hardly with what waits.
  void add(receipt later);
  // All of them, oldest first; the book is empty then.
  [[nodiscard]] std::vector<receipt> take_all();

  [[nodiscard]] bool empty() const noexcept { return waiting_.empty(); }
  // Since the book was made.
  [[nodiscard]] std::uint64_t dropped() const noexcept { return dropped_; }

 private:
  void drop_oldest();

  std::list<receipt> waiting_;  // oldest first
  std::map<std::pair<project_id, consumer>, std::list<receipt>::iterator> by_consumer_;
  std::size_t secrets_ = 0;  // of all that wait
  std::uint64_t dropped_ = 0;
};

// What the store knows of a project's deliveries, from one snapshot.
struct delivery_records {
  std::vector<std::pair<secret_name, std::uint64_t>> stored;  // names and versions, sorted by name
  std::vector<receipt> receipts;                              // one a consumer
};

enum class delivery_state : std::uint8_t {
  current,  // the consumer was given the version that is stored
  stale,    // it was given another one
  never,    // it was given the project without this secret; without a consumer: nobody was
  removed,  // the secret is stored no more, and the consumer was given it
};

// One secret and one consumer. A consumer that takes single secrets has no lines for the others.
struct delivery_line {
  secret_name name;
  delivery_state state = delivery_state::never;
  std::optional<std::uint64_t> stored;
  std::optional<std::uint64_t> delivered;
  std::optional<timestamp> at;
  consumer const* to = nullptr;  // of the records; null when nobody was given it
};

struct delivery_report {
  std::vector<delivery_line> lines;    // by name, then by consumer
  std::size_t consumers_left_out = 0;  // those of the oldest deliveries, when there are too many
};

// Stored against delivered, with at most `lines_max` lines for consumers unless the newest alone
// has more. The report borrows from the records.
[[nodiscard]] delivery_report compare_deliveries(delivery_records const& records,
                                                 std::size_t lines_max);

}  // namespace tacit::core
