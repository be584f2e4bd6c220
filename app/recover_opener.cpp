#include "app/recover_opener.hpp"

#include <sys/socket.h>

#include <array>
#include <cerrno>

#include "app/cli/output.hpp"
#include "app/settings/settings.hpp"

namespace tacit::app {

namespace {

constexpr std::size_t line_bytes_max = 64 * 1024;  // a longer one becomes several

}  // namespace

void distrust_reader() {
  throw startup_error(
      "the process that reads the store broke the rules: what lies in it may be an attack, and "
      "the store stays as it was; restore it from a copy of before");
}

bool recover_opener::answer(descriptor const& channel) {
  ssize_t got = -1;
  do {
    got = ::recv(channel.number(), datagram_.data(), datagram_.size(), 0);
  } while (got < 0 && errno == EINTR);
  if (got <= 0) return false;
  auto const asked = core::decode_recovery_question(
      std::string_view(datagram_).substr(0, static_cast<std::size_t>(got)));
  if (!asked) distrust_reader();
  bool const opens =
      opener_.open(asked->sealed, {asked->project, asked->name, asked->record_id}, value_)
          .has_value();
  value_.clear();
  std::string const verdict = core::encode_verdict(opens);
  // Who asks one at a time always leaves room for the answer. One that has ended is seen next.
  auto const put =
      ::send(channel.number(), verdict.data(), verdict.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  if (put < 0 && errno == EAGAIN) distrust_reader();
  return true;
}

void shown_stream::pass_on() {
  std::array<char, line_bytes_max> piece;
  ssize_t got = -1;
  do {
    got = ::read(from_.number(), piece.data(), piece.size());
  } while (got < 0 && errno == EINTR);
  bool const ended = got <= 0;
  if (!ended) line_.append(piece.data(), static_cast<std::size_t>(got));
  std::string lines;
  std::string_view rest = line_;
  for (auto end = rest.find('\n'); end != rest.npos; end = rest.find('\n')) {
    lines += shown(rest.substr(0, end)) + "\n";
    rest.remove_prefix(end + 1);
  }
  // Never a part of a line without its end: a control character has more than one byte.
  if (!rest.empty() && (ended || rest.size() >= line_bytes_max)) {
    lines += shown(rest) + "\n";
    rest = {};
  }
  line_ = std::string(rest);
  if (ended) from_.reset();
  write_(lines);
}

}  // namespace tacit::app
