#include "app/run/output_filter.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace tacit::app {

namespace {

constexpr std::chrono::milliseconds pause{200};
// A pipe that is ready has room for so much, and a terminal usually (pipe(7): PIPE_BUF).
constexpr std::size_t write_bytes_max = 4096;

}  // namespace

output_filter::output_filter(descriptor in, int out, std::vector<std::string_view> const& values,
                             std::shared_ptr<void const> owner)
    : in_(std::move(in)),
      out_(out),
      owner_(std::move(owner)),
      masker_(values),
      input_(masker_input_bytes_max),
      pending_(2 * masker_.output_bytes_max()) {
  ::fcntl(in_.number(), F_SETFL, O_NONBLOCK);  // the command's end is not concerned
}

pollfd output_filter::wanted() const noexcept {
  if (!pending_.empty()) return {out_, POLLOUT, 0};
  return {in_.is_open() ? in_.number() : -1, POLLIN, 0};
}

std::optional<output_filter::clock::time_point> output_filter::wake_at() const noexcept {
  if (!pending_.empty() || !in_.is_open()) return std::nullopt;
  if (finishing_) return clock::time_point::min();
  if (masker_.would_pause()) return last_input_ + pause;
  return std::nullopt;
}

void output_filter::go_on(bool ready) {
  if (!pending_.empty()) {
    if (ready) write_some();
    return;
  }
  if (!in_.is_open()) return;
  if (ready || finishing_) {
    read_some();
  } else if (masker_.would_pause() && clock::now() >= last_input_ + pause) {
    masker_.pause(pending_);
  }
}

void output_filter::read_some() {
  ssize_t const got = ::read(in_.number(), input_.reveal_storage().data(), input_.capacity());
  if (got < 0 && errno == EINTR) return;
  if (got < 0 && errno == EAGAIN && !finishing_) return;
  if (got <= 0) {
    close_input();
    return;
  }
  last_input_ = clock::now();
  input_.resize(static_cast<std::size_t>(got));
  masker_.feed(input_.reveal(), pending_);
  input_.clear();
}

void output_filter::close_input() {
  in_.reset();
  masker_.finish(pending_);
}

void output_filter::write_some() {
  std::string_view const rest = pending_.reveal().substr(written_);
  std::size_t const bytes = std::min(rest.size(), write_bytes_max);
  ssize_t put = ::send(out_, rest.data(), bytes, MSG_DONTWAIT | MSG_NOSIGNAL);
  if (put < 0 && errno == ENOTSOCK) put = ::write(out_, rest.data(), bytes);
  if (put < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (put < 0) {
    // Nobody reads any more: the command is to notice it at its next write, as it would itself.
    in_.reset();
    pending_.clear();
    written_ = 0;
    return;
  }
  written_ += static_cast<std::size_t>(put);
  if (written_ < pending_.size()) return;
  pending_.clear();
  written_ = 0;
}

}  // namespace tacit::app
