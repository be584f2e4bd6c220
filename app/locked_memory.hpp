// Whether the memory that holds keys and values is locked, for the operator.
#pragma once

#include "core/log.hpp"

namespace tacit::app {

class lock_report {
 public:
  explicit lock_report(core::log& log) : log_(log) {}

  // Says once in the log that the kernel refused to lock memory for secrets (core/secret.hpp), and
  // what to do. tacit goes on: the memory may be swapped out, nothing more.
  void say_if_failed() noexcept;

 private:
  core::log& log_;
  bool said_ = false;
};

}  // namespace tacit::app
