// The opener of `tacit recover` against a reader that was captured: it says yes or no to a
// question, and nothing to anything else; and what such a reader writes steers no terminal.
#include "app/recover_opener.hpp"

#include <fcntl.h>
#include <sys/socket.h>

#include <boost/test/unit_test.hpp>
#include <cstring>
#include <filesystem>
#include <vector>

#include "app/settings/settings.hpp"
#include "tests/unit/core/samples.hpp"

namespace tacit::app {
namespace {

// A verdict, "" when there is none.
std::string received(descriptor const& channel) {
  std::array<char, 64> bytes{};
  auto const got = ::recv(channel.number(), bytes.data(), bytes.size(), MSG_DONTWAIT);
  return {bytes.data(), got < 0 ? 0 : static_cast<std::size_t>(got)};
}

struct opener_and_reader {
  core::api_share api = core::derive_api_share(core::test::sample_root());
  core::keeper_share keeper = core::derive_keeper_share(core::test::sample_root());
  core::project_id project = core::test::project("shop");
  core::secret_name name = core::test::secret("KEY");
  std::string sealed = core::sealer(api.public_key, api.record).seal("a value", place(), 1);
  descriptor own;
  descriptor readers;
  recover_opener opener{keeper};

  opener_and_reader() {
    int pair[2];
    BOOST_REQUIRE(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
    own.reset(pair[0]);
    readers.reset(pair[1]);
  }
  core::value_place place(std::uint64_t record_id = 7) const { return {project, name, record_id}; }
  void say(std::string const& datagram) const {
    BOOST_REQUIRE(::send(readers.number(), datagram.data(), datagram.size(), 0) ==
                  static_cast<ssize_t>(datagram.size()));
  }
  std::string verdict_on(std::string const& question) {
    say(question);
    BOOST_TEST(opener.answer(own));
    return received(readers);
  }
};

std::size_t open_descriptors() {
  std::filesystem::directory_iterator const all("/proc/self/fd");
  return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

std::string written;
void keep(std::string_view lines) { written += lines; }

struct stream_and_writer {
  descriptor end;
  shown_stream stream = [this] {
    int ends[2];
    BOOST_REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
    end.reset(ends[1]);
    written.clear();
    return shown_stream(descriptor(ends[0]), keep);
  }();
  std::string after(std::string_view piece) {
    BOOST_REQUIRE(::write(end.number(), piece.data(), piece.size()) ==
                  static_cast<ssize_t>(piece.size()));
    stream.pass_on();
    return std::exchange(written, {});
  }
};

}  // namespace

BOOST_FIXTURE_TEST_SUITE(recover_openers, opener_and_reader)

BOOST_AUTO_TEST_CASE(a_value_opens_at_its_place_and_nowhere_else) {
  core::secret_name const other = core::test::secret("OTHER");
  std::string changed = sealed;
  changed.back() = static_cast<char>(changed.back() ^ 1);
  for (int round = 0; round < 2; ++round) {
    BOOST_TEST(verdict_on(core::encode_recovery(place(), sealed)) == core::encode_verdict(true));
    for (std::string const& question :
         {core::encode_recovery(place(8), sealed),
          core::encode_recovery({project, other, 7}, sealed),
          core::encode_recovery(place(), changed), core::encode_recovery(place(), ""),
          core::encode_recovery(place(), std::string(core::sealed_value_bytes_max, 's'))}) {
      BOOST_TEST(verdict_on(question) == core::encode_verdict(false));
    }
  }
}

BOOST_AUTO_TEST_CASE(one_long_value_after_the_other_opens) {
  std::string const longest =
      core::sealer(api.public_key, api.record)
          .seal(std::string(core::limits::value_bytes_max, 'v'), place(), 1);
  for (int round = 0; round < 3; ++round) {
    BOOST_TEST(verdict_on(core::encode_recovery(place(), longest)) == core::encode_verdict(true));
  }
}

BOOST_AUTO_TEST_CASE(what_is_no_question_is_not_answered) {
  std::string const question = core::encode_recovery(place(), sealed);
  for (std::string const& lie :
       {std::string("x"), question.substr(0, 5), question.substr(1), "\xff" + question,
        core::encode_verdict(true), std::string("\x02\x04shop\x03key", 10),
        question + std::string(core::sealed_value_bytes_max, 's'), std::string(150'000, '\x02')}) {
    say(lie);
    BOOST_CHECK_THROW(static_cast<void>(opener.answer(own)), startup_error);
    BOOST_TEST(received(readers).empty());
  }
  say("");
  BOOST_TEST(!opener.answer(own));
  readers.reset();
  BOOST_TEST(!opener.answer(own));
}

BOOST_AUTO_TEST_CASE(who_does_not_take_the_answers_is_not_waited_for) {
  std::string const question = core::encode_recovery(place(), sealed);
  auto const ask_for_ever = [&] {
    for (int i = 0; i < 1'000'000; ++i) {
      say(question);
      if (!opener.answer(own)) return;
    }
  };
  BOOST_CHECK_THROW(ask_for_ever(), startup_error);
}

BOOST_AUTO_TEST_CASE(descriptors_that_come_with_a_question_are_not_taken) {
  std::string text = core::encode_recovery(place(), sealed);
  std::size_t const before = open_descriptors();
  int const number = STDERR_FILENO;
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof number)> control{};
  iovec part{text.data(), text.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  cmsghdr* const head = CMSG_FIRSTHDR(&message);
  head->cmsg_level = SOL_SOCKET;
  head->cmsg_type = SCM_RIGHTS;
  head->cmsg_len = CMSG_LEN(sizeof number);
  std::memcpy(CMSG_DATA(head), &number, sizeof number);
  BOOST_REQUIRE(::sendmsg(readers.number(), &message, 0) > 0);
  BOOST_TEST(opener.answer(own));
  BOOST_TEST(open_descriptors() == before);
}

BOOST_FIXTURE_TEST_CASE(lines_are_shown_without_what_steers_a_terminal, stream_and_writer) {
  BOOST_TEST(after("one\ntwo \x1b[2Jthree\r\nfo") == "one\ntwo ?[2Jthree?\n");
  BOOST_TEST(after("ur").empty());
  BOOST_TEST(after("\n") == "four\n");
  BOOST_TEST(after("half of a control \xC2").empty());
  BOOST_TEST(after("\x9B"
                   "2J\n") == "half of a control ?2J\n");
  std::string const long_line(64 * 1024 - 1, 'x');
  int const room = ::fcntl(end.number(), F_SETPIPE_SZ, 1 << 20);
  BOOST_REQUIRE(room >= 1 << 17);
  BOOST_TEST(after(long_line + "\xC2") == long_line + "\xC2\n");
  BOOST_TEST(after("\x9B"
                   "2J")
                 .empty());
  end.reset();
  stream.pass_on();
  BOOST_TEST(written ==
             "\x9B"
             "2J\n");
  BOOST_TEST(stream.has_ended());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace tacit::app
