#include "app/run/supervisor.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <set>

#include "app/cli/delivery.hpp"
#include "app/cli/error.hpp"
#include "app/cli/output.hpp"
#include "app/run/command_process.hpp"
#include "app/run/follower.hpp"
#include "app/run/output_filter.hpp"
#include "app/run/quiet_time.hpp"
#include "app/run/signal_name.hpp"
#include "app/standard_streams.hpp"
#include "core/check.hpp"
#include "core/crypto.hpp"

namespace tacit::app {

namespace {

using clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

// While processes that were left behind are ended: new ones may come without a signal.
constexpr milliseconds leftover_look{20};
// After SIGKILL, a process that is still there cannot be ended by us.
constexpr std::chrono::seconds unkillable_after{5};

using set_mark = std::array<unsigned char, 32>;
using mark_key = core::secret_array<struct mark_key_tag, core::key_bytes>;

// A set as the command gets it. The mark tells sets apart and says nothing of the values.
struct prepared_set {
  std::shared_ptr<child_environment> environment;
  set_mark mark{};
};

std::vector<std::string_view> values_in(child_environment const& environment) {
  std::vector<std::string_view> values;
  std::string_view rest = environment.block.reveal();
  while (!rest.empty()) {
    std::string_view const entry = rest.substr(0, rest.find('\0'));
    values.push_back(entry.substr(entry.find('=') + 1));
    rest.remove_prefix(entry.size() + 1);
  }
  return values;
}

bool has_terminal() {
  descriptor const terminal(::open("/dev/tty", O_RDONLY | O_NOCTTY | O_CLOEXEC));
  return terminal.is_open();
}

bool are_one_file(int a, int b) {
  struct stat first{};
  struct stat second{};
  return ::fstat(a, &first) == 0 && ::fstat(b, &second) == 0 && first.st_dev == second.st_dev &&
         first.st_ino == second.st_ino;
}

std::string joined(std::vector<std::string> const& names) {
  std::string list;
  for (std::string const& name : names) list += (list.empty() ? "" : ", ") + name;
  return list;
}

class supervisor {
 public:
  supervisor(run_arguments const& how, selection const& wanted)
      : how_(how), wanted_(wanted), quiet_(how.debounce) {
    core::fill_random(mark_key_.reveal_mutable());
    // What the command's processes leave behind is ours, as it is when we are PID 1.
    ::prctl(PR_SET_CHILD_SUBREAPER, 1);
    take_signals();
  }

  int run(delivered first, std::unique_ptr<delivery_source> source) {
    std::int64_t const revision = first.revision;
    next_ = prepare(std::move(first));
    start();
    if (source) follower_.emplace(std::move(source), revision);
    while (!ended()) {
      wait_for_something();
      act();
    }
    return status_;
  }

 private:
  enum class phase { running, stopping, ending };

  bool ended() const {
    bool const written =
        std::all_of(filters_.begin(), filters_.end(), [](auto const& one) { return one->done(); });
    return phase_ == phase::ending && (written || cut_off_);
  }

  void take_signals() {
    sigset_t blocked;
    sigset_t heard;
    sigemptyset(&blocked);
    sigemptyset(&heard);
    sigaddset(&heard, SIGCHLD);
    for (int number = 1; number <= SIGRTMAX; ++number) {
      if (is_passed_on(number)) sigaddset(&heard, number);
    }
    blocked = heard;
    for (int const number : {SIGPIPE, SIGTTIN, SIGTTOU}) sigaddset(&blocked, number);
    // An ignored SIGCHLD would lose the command's status.
    ignores_children_ = std::signal(SIGCHLD, SIG_DFL) == SIG_IGN;
    ::sigprocmask(SIG_BLOCK, &blocked, &signals_before_);
    signals_.reset(::signalfd(-1, &heard, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!signals_.is_open()) throw cli_error(exit_failed, "cannot watch for signals");
  }

  prepared_set prepare(delivered set) {
    prepared_set made;
    made.environment = std::make_shared<child_environment>(
        make_child_environment(how_.pristine ? nullptr : environ, set));
    core::keyed_hash(mark_key_.reveal(), {core::as_bytes(made.environment->block.reveal())},
                     made.mark);
    return made;
  }

  prepared_set& next() {
    CHECK(next_.has_value());
    return *next_;
  }

  // --- the command ---

  void start() {
    filters_.clear();
    command_start starting{how_.command, next().environment->entries, signals_before_};
    starting.own_group = !has_terminal_;
    starting.ignores_children = ignores_children_;
    std::array<descriptor, 2> pipes;
    if (how_.mask) {
      bool const is_one = are_one_file(STDOUT_FILENO, STDERR_FILENO);
      if (has_stream(STDOUT_FILENO)) pipes[0] = filter(STDOUT_FILENO);
      if (!is_one && has_stream(STDERR_FILENO)) pipes[1] = filter(STDERR_FILENO);
      starting.out = pipes[0].number();
      starting.err = is_one ? starting.out : pipes[1].number();
    }
    pid_ = start_command(starting);
    phase_ = phase::running;
    running_mark_ = next().mark;
    next_.reset();
    told_.clear();
  }

  // Gives the end that the command writes to.
  descriptor filter(int out) {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
      throw cli_error(exit_failed, "cannot make a pipe for the command's output");
    }
    filters_.push_back(std::make_unique<output_filter>(
        descriptor(ends[0]), out, values_in(*next().environment), next().environment));
    return descriptor(ends[1]);
  }

  void pass_on(int number) const {
    if (pid_ > 0) ::kill(pid_, number);
  }

  void begin_restart() {
    say("the project's secrets have changed: restarting the command");
    phase_ = phase::stopping;
    kill_at_ = clock::now() + how_.stop_timeout;
    pass_on(how_.stop_signal);
    pass_on(SIGCONT);  // one that is stopped would not notice
  }

  void end() {
    phase_ = phase::ending;
    for (auto const& one : filters_) one->finish();
  }

  // --- what happens ---

  void wait_for_something() {
    clock::time_point wake = clock::time_point::max();
    std::vector<pollfd> waiting{{signals_.number(), POLLIN, 0},
                                {follower_ ? follower_->descriptor() : -1, POLLIN, 0}};
    if (follower_) wake = follower_->wake_at();
    auto const due = quiet_.due();
    if (phase_ == phase::running && due) wake = std::min(wake, *due);
    if (phase_ == phase::stopping) {
      wake = std::min(wake, pid_ > 0 ? kill_at_ : clock::now() + leftover_look);
    }
    for (auto const& one : filters_) {
      waiting.push_back(one->wanted());
      if (auto const at = one->wake_at()) wake = std::min(wake, *at);
    }
    auto const now = clock::now();
    int timeout = -1;
    if (wake <= now) {
      timeout = 0;
    } else if (wake != clock::time_point::max()) {
      auto const left = std::chrono::ceil<milliseconds>(wake - now);
      timeout = static_cast<int>(std::min<std::int64_t>(left.count(), 60'000));
    }
    if (::poll(waiting.data(), waiting.size(), timeout) < 0) {
      for (pollfd& one : waiting) one.revents = 0;
    }
    for (std::size_t i = 0; i < filters_.size(); ++i) {
      filters_[i]->go_on(waiting[i + 2].revents != 0);
    }
  }

  void act() {
    take_signals_that_came();
    reap();
    if (phase_ == phase::ending) return;
    auto const now = clock::now();
    if (follower_) {
      if (auto set = follower_->go_on(now)) note_set(*std::move(set));
    }
    if (phase_ == phase::stopping) {
      go_on_stopping(now);
    } else if (quiet_.due() && now >= *quiet_.due()) {
      act_on_change();
    }
  }

  void note_set(delivered set) {
    std::vector<std::string> const missing = narrow(set, wanted_);
    if (!missing.empty()) {
      say("the project's secrets have changed, but lack what the command requires: " +
          joined(missing) + "; it keeps running with what it has");
      forget_change();
      return;
    }
    prepared_set prepared = prepare(std::move(set));
    if (phase_ == phase::stopping) {
      next_ = std::move(prepared);
      return;
    }
    if (prepared.mark == running_mark_) {
      forget_change();
      return;
    }
    if (how_.action == change_action::signal) prepared.environment.reset();  // nobody is to get it
    next_ = std::move(prepared);
    quiet_.note_change(clock::now());
  }

  void forget_change() {
    if (phase_ == phase::stopping) return;  // what it is to be started with stays
    next_.reset();
    quiet_.forget();
  }

  void act_on_change() {
    quiet_.forget();
    if (how_.action == change_action::restart) {
      begin_restart();
      return;
    }
    pass_on(how_.change_signal);
    running_mark_ = next().mark;
    next_.reset();
  }

  // The command first, then whatever its processes left behind, then it is started again.
  void go_on_stopping(clock::time_point now) {
    bool const late = now >= kill_at_;
    if (pid_ > 0) {
      if (late) pass_on(SIGKILL);
      return;
    }
    if (has_children_ && now < kill_at_ + unkillable_after) {
      for (pid_t const one : child_processes()) {
        if (late) {
          ::kill(one, SIGKILL);
        } else if (told_.insert(one).second) {
          ::kill(one, how_.stop_signal);
          ::kill(one, SIGCONT);
        }
      }
      return;
    }
    if (has_children_) say("processes that the command left behind could not be ended");
    for (auto const& one : filters_) one->finish();
    bool const written =
        std::all_of(filters_.begin(), filters_.end(), [](auto const& one) { return one->done(); });
    if (written) start();
  }

  void take_signals_that_came() {
    signalfd_siginfo info{};
    while (::read(signals_.number(), &info, sizeof info) == sizeof info) {
      auto const number = static_cast<int>(info.ssi_signo);
      if (number != SIGCHLD) note_signal(number, info.ssi_code == SI_KERNEL);
    }
  }

  void note_signal(int number, bool of_kernel) {
    bool const has_it = has_terminal_ && of_kernel && comes_from_terminals(number);
    if (!has_it) pass_on(number);
    if (!asks_to_end(number)) return;
    if (phase_ == phase::ending) cut_off_ = true;  // nobody takes what was written
    if (phase_ == phase::stopping) {
      is_to_end_ = true;
      if (pid_ <= 0) end();
    }
  }

  void reap() {
    int status = 0;
    pid_t pid = 0;
    while ((pid = ::waitpid(-1, &status, WNOHANG | WUNTRACED)) > 0) {
      if (pid != pid_) continue;
      if (WIFSTOPPED(status)) {
        stop_too(WSTOPSIG(status));
        continue;
      }
      pid_ = -1;
      status_ = status;
      if (phase_ == phase::running || is_to_end_) end();
    }
    has_children_ = pid == 0;
  }

  // A job is stopped, to the shell that started it, when the process that it started is.
  static void stop_too(int number) {
    bool const by_terminal = number == SIGTSTP || number == SIGTTIN || number == SIGTTOU;
    if (by_terminal && ::getpid() != 1) ::kill(::getpid(), SIGSTOP);
  }

  run_arguments const& how_;
  selection const& wanted_;
  mark_key mark_key_;
  descriptor signals_;
  sigset_t signals_before_{};
  bool ignores_children_ = false;
  // With a terminal the command stays in our process group, and has what the terminal sends.
  bool const has_terminal_ = has_terminal();

  phase phase_ = phase::running;
  pid_t pid_ = -1;  // the command's, while it runs
  int status_ = 0;
  bool has_children_ = false;
  bool is_to_end_ = false;  // somebody asked for the end while it was being restarted
  bool cut_off_ = false;
  clock::time_point kill_at_{};
  std::set<pid_t> told_;  // to end: what was left behind
  std::vector<std::unique_ptr<output_filter>> filters_;

  std::optional<follower> follower_;
  set_mark running_mark_{};
  std::optional<prepared_set> next_;  // what the command is to be started with, or was told of
  quiet_time quiet_;
};

}  // namespace

int supervise(run_arguments const& how, selection const& wanted, delivered first,
              std::unique_ptr<delivery_source> source) {
  return supervisor(how, wanted).run(std::move(first), std::move(source));
}

}  // namespace tacit::app
