#include "app/run/follower.hpp"

#include <algorithm>

#include "app/cli/output.hpp"
#include "core/crypto.hpp"
#include "core/limits.hpp"

namespace tacit::app {

namespace {

using std::chrono::milliseconds;

constexpr std::chrono::seconds held_at_most{core::limits::wait_seconds_max};
// Beyond what the server may hold a question, for its answer to come.
constexpr std::chrono::seconds answer_at_most{30};
// So that a burst of changes is one or two answers, and that of a thousand who follow one project
// each has its answer before the first of them asks again.
constexpr milliseconds after_change{100};
// A server that does not hold questions is asked now and then.
constexpr std::chrono::seconds held_at_least{1};
constexpr std::chrono::seconds unheld_pause{5};

constexpr milliseconds first_retry{250};
constexpr milliseconds last_retry{10'000};
// A refusal, or a project that is gone, seldom passes by itself.
constexpr milliseconds last_retry_of_verdict{30'000};

milliseconds retry_after(undelivered const& fault, unsigned failures) {
  bool const passes = fault.fault == delivery_fault::unavailable;
  milliseconds const most = passes ? last_retry : last_retry_of_verdict;
  milliseconds const at_most = std::min(most, first_retry * (1u << std::min(failures, 10u)));
  auto const random = core::random_below(static_cast<std::uint32_t>(at_most.count() / 2) + 1);
  milliseconds const asked = std::chrono::seconds(std::min(fault.retry_after_seconds, 10u));
  return std::max(asked, at_most / 2) + milliseconds(random);
}

}  // namespace

follower::follower(std::unique_ptr<delivery_source> source, std::int64_t revision)
    : source_(std::move(source)), revision_(revision), wake_at_(clock::now()) {}

int follower::descriptor() const noexcept { return pending_ ? pending_->descriptor() : -1; }

void follower::begin(clock::time_point now) {
  // After a failure, not to be held: whether all is well again is to be known now.
  held_for_ = failures_ == 0 ? held_at_most : std::chrono::seconds(0);
  auto began = source_->ask_for_change(revision_, held_for_);
  asked_at_ = now;
  if (!began) {
    note(began.error(), now);
    return;
  }
  pending_ = *std::move(began);
  wake_at_ = now + held_for_ + answer_at_most;
}

std::optional<delivered> follower::go_on(clock::time_point now) {
  if (!pending_) {
    if (now >= wake_at_) begin(now);
    return std::nullopt;
  }
  auto outcome = pending_->advance();
  if (!outcome) {
    if (now < wake_at_) return std::nullopt;
    outcome = undelivered{delivery_fault::unavailable, "unavailable: no answer in time"};
  }
  pending_.reset();
  if (!*outcome) {
    note(outcome->error(), now);
    return std::nullopt;
  }
  note_answer();
  if (std::holds_alternative<pending_delivery::unchanged>(**outcome)) {
    bool const was_held = held_for_.count() == 0 || now - asked_at_ >= held_at_least;
    wake_at_ = was_held ? now : now + unheld_pause;
    return std::nullopt;
  }
  wake_at_ = now + after_change;
  delivered set = std::get<delivered>(**std::move(outcome));
  revision_ = set.revision;
  return set;
}

void follower::note(undelivered const& fault, clock::time_point now) {
  wake_at_ = now + retry_after(fault, failures_++);
  if (said_ == fault.fault) return;
  said_ = fault.fault;
  say(fault.line + "; the command keeps running with what it has, and changes are asked for again");
}

void follower::note_answer() {
  failures_ = 0;
  if (!said_) return;
  said_.reset();
  say("the keeper answers again: changes are followed");
}

}  // namespace tacit::app
