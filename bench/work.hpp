// What to ask and whether an answer is right: a `work` is one thread's source of requests. It knows
// nothing of sockets and time. The load (load.hpp) asks it for a request whenever one is to be
// sent, and shows it the answer.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "bench/answer.hpp"
#include "bench/choice.hpp"
#include "bench/options.hpp"
#include "bench/population.hpp"

namespace tacit::bench {

// What is counted apart.
enum class request_kind : std::uint8_t { list, upsert, insert, remove, bad_key, deliver, manage };
inline constexpr std::size_t request_kinds = 7;
[[nodiscard]] char const* name_of(request_kind kind) noexcept;

// A request under way. A lane is a place on a connection: it has one request at a time, and its
// requests are answered in their order.
struct operation {
  std::uint32_t lane = 0;  // of all threads together
  request_kind kind = request_kind::list;
  std::uint32_t project = 0;
  std::uint32_t secret = 0;
  std::uint32_t tag = 0;
  std::uint32_t bytes = 0;   // of the request
  std::int64_t due_ns = 0;   // monotonic
  std::int64_t sent_ns = 0;  // monotonic
};

// How a server is addressed: the parts of a request that never change.
class request_form {
 public:
  // prefix is that of every target ("/api/v1"); without a token none is sent.
  request_form(std::string_view host, std::string_view prefix, std::string_view token);

  void get_list(std::string& out, std::string_view project) const;
  void get_values(std::string& out, std::string_view project) const;
  void post_secret(std::string& out, std::string_view project, std::string_view body) const;
  void delete_secret(std::string& out, std::string_view project, std::string_view key) const;
  void post_project(std::string& out, std::string_view body) const;
  void delete_project(std::string& out, std::string_view project) const;

 private:
  void post(std::string& out, std::string_view body) const;

  std::string projects_;  // the target up to a project's id
  std::string get_, post_, delete_;
  std::string fields_;  // from behind the target to the last field of all requests
};

// What a 429 means for a benchmark.
inline constexpr char const* limiter_advice =
    "the server limits the rate of an API key: start it with TACIT_LIMITS_READS_PER_MINUTE=0 "
    "TACIT_LIMITS_WRITES_PER_MINUTE=0 (and TACIT_LIMITS_FAILED_AUTH_PER_MINUTE=0 for auth-fail)";

class work {
 public:
  work() = default;
  virtual ~work() = default;
  work(work const&) = delete;
  work& operator=(work const&) = delete;

  // Appends the next request of the lane. False when there is none left.
  virtual bool next(operation& at, std::string& out) = 0;
  // What is wrong with an answer; "" when it is right. Never called for a 429.
  virtual std::string check(operation const& at, answer const& got) = 0;
  // The request was refused with 429 and has changed nothing. As check(), when that is wrong too.
  virtual std::string refused(operation const&) { return ""; }
};

// What a project holds besides its SECRET_ entries: left behind by lanes of insert-delete.
struct left_entry {
  std::uint32_t project = 0;
  std::uint32_t lane = 0;
  std::uint32_t tag = 0;
};

// What the works of all threads share; it outlives them.
struct work_parts {
  options const& asked;
  population& data;
  project_choice const& choice;
  request_form const& form;
};

// The scenario, for one thread. `thread` seeds its choices; `lanes` are those from first_lane on.
struct lane_range {
  std::uint32_t first = 0;
  std::uint32_t count = 0;
};
[[nodiscard]] std::unique_ptr<work> make_scenario(work_parts const& parts, std::uint32_t thread,
                                                  lane_range lanes);
// What insert-delete has left in the projects; nothing for other scenarios.
void collect_left(work const& one, std::vector<left_entry>& into);

// Finite works around a run, each shared by several threads through `taken`: how many of it were
// begun. The admin asks. The first project is made alone: its answer tells whether the server
// limits writes to fewer than the others need.
enum class chore { make_first_project, make_projects, fill, verify, delete_projects };
struct chore_parts {
  population& data;
  request_form const& form;
  std::uint32_t secret_limit = 0;            // of a project; 0 does not ask for one
  std::vector<left_entry> const& left;       // sorted by project and lane
  std::vector<std::uint32_t> const& doomed;  // projects to delete
  std::vector<std::uint32_t>& refused;       // those of them that 429 was answered to
};
[[nodiscard]] std::unique_ptr<work> make_chore(chore what, chore_parts const& parts,
                                               std::atomic<std::uint64_t>& taken);

// "" when the body is the list that the project should have. Tags are compared when asked for.
struct list_expectation {
  population const& data;
  std::uint32_t project = 0;
  bool with_tags = false;
};
[[nodiscard]] std::string fault_of_list(std::string_view body, list_expectation const& expected,
                                        std::vector<left_entry> const& left);
// "" when the answer is 200 with this key and the lastFour of this tag.
[[nodiscard]] std::string fault_of_write(answer const& got, population const& data,
                                         std::string_view key, std::uint32_t tag);
// "answered 503 SERVICE_UNAVAILABLE to upsert of bench-… instead of 200".
[[nodiscard]] std::string unexpected_status(answer const& got, unsigned wanted);

}  // namespace tacit::bench
