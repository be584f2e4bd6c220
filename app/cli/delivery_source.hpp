// Where `run` and `env` get the delivered set from. Refused, absent, unavailable and empty are four
// answers, and none is ever turned into another: empty is a set without values, the others are
// delivery_fault's.
#pragma once

#include <boost/system/result.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "app/cli/commands.hpp"
#include "app/cli/delivered.hpp"
#include "app/settings/settings.hpp"

namespace tacit::app {

enum class delivery_fault {
  unauthorized,    // the keeper knows nobody with this runtime's key (an authoritative 401)
  refused,         // this peer may not read the project (an authoritative 403)
  absent,          // there is no such project (an authoritative 404)
  unavailable,     // nobody answered, or a 503: asking again may help
  not_understood,  // what answered is no keeper, or speaks another version: it will not
};

struct undelivered {
  delivery_fault fault;
  std::string line;  // "refused: …", "unavailable: …": for stderr; never a value
  unsigned retry_after_seconds = 0;
  std::string advice{};  // what to do, "" when there is nothing to say
};

using delivery_answer = boost::system::result<delivered, undelivered>;

// A question that is under way, for who waits for several things at once.
class pending_delivery {
 public:
  pending_delivery() = default;
  pending_delivery(pending_delivery const&) = delete;
  pending_delivery& operator=(pending_delivery const&) = delete;
  virtual ~pending_delivery() = default;

  // Readable when advance() has something to do.
  [[nodiscard]] virtual int descriptor() const noexcept = 0;
  // Takes what has arrived, without blocking. Nothing while the answer is not complete; then it is
  // called no more. A set that is the one that was named is `unchanged`.
  struct unchanged {};
  using outcome = boost::system::result<std::variant<unchanged, delivered>, undelivered>;
  [[nodiscard]] virtual std::optional<outcome> advance() = 0;
};

// One project at one server. For one thread.
class delivery_source {
 public:
  delivery_source() = default;
  delivery_source(delivery_source const&) = delete;
  delivery_source& operator=(delivery_source const&) = delete;
  virtual ~delivery_source() = default;

  // Asks once; blocks for net::client_timeout_seconds at most for each step.
  [[nodiscard]] virtual delivery_answer ask() = 0;
  // Asks for a set of another revision than this, which the server may hold for so long. Does not
  // block. What fails at once is an error.
  using begun = boost::system::result<std::unique_ptr<pending_delivery>, undelivered>;
  [[nodiscard]] virtual begun ask_for_change(std::int64_t revision,
                                             std::chrono::seconds at_most) = 0;
  // Which server this asks: another text for another one. A copy that is kept is bound to it.
  [[nodiscard]] virtual std::string origin() const = 0;
};

// The one that the arguments name. Throws cli_error (wrong usage) and startup_error.
[[nodiscard]] std::unique_ptr<delivery_source> open_delivery_source(delivery_arguments const& from,
                                                                    surroundings const& around);

// The keeper of this machine, over keeper.sock; the sockets are tried in turn, and only one that is
// not there, or that cannot be reached, leads to the next.
[[nodiscard]] std::unique_ptr<delivery_source> make_keeper_source(std::string project,
                                                                  std::vector<std::string> sockets);

// The sockets to try. A server that is named is the only one: --run-dir or $TACIT_RUN_DIR, else
// <data_dir>/run of --data or $TACIT_DATA_DIR. Else <data_dir>/run of the default, then /run/tacit.
[[nodiscard]] std::vector<std::string> keeper_sockets(delivery_arguments const& from,
                                                      surroundings const& around);

}  // namespace tacit::app
