// A keeper whose api process is in the test's hand: what it says, and what comes out on each way.
#pragma once

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <boost/asio/co_spawn.hpp>
#include <cstddef>
#include <filesystem>
#include <thread>

#include "core/sealing.hpp"
#include "net/client.hpp"
#include "net/credentials.hpp"
#include "net/delivery.hpp"
#include "tests/unit/core/samples.hpp"
#include "tests/unit/net/false_api_end.hpp"

namespace tacit::net::test {

struct silent_log final : core::log {
  void write(core::severity, std::string_view,
             std::initializer_list<core::log_field>) noexcept override {}
  bool wants(core::severity) const noexcept override { return false; }
};

inline std::string make_folder() {
  std::string pattern = "/tmp/tacit-net-XXXXXX";
  CHECK(::mkdtemp(pattern.data()) != nullptr);
  return pattern;
}

// An address of a Unix socket: a path, or an abstract name that begins with NUL.
struct socket_address {
  explicit socket_address(std::string_view name)
      : bytes(static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size())) {
    value.sun_family = AF_UNIX;
    CHECK(name.copy(value.sun_path, sizeof value.sun_path) == name.size());
  }
  [[nodiscard]] sockaddr const* get() const { return reinterpret_cast<sockaddr const*>(&value); }

  sockaddr_un value{};
  socklen_t bytes;
};

inline int bound_socket(std::string_view name) {
  int const socket = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  socket_address const address(name);
  CHECK(::bind(socket, address.get(), address.bytes) == 0);
  return socket;
}

inline int listen_at(std::string const& path) {
  int const socket = bound_socket(path);
  CHECK(::listen(socket, 128) == 0);
  return socket;
}

struct keeper {
  core::api_share api_keys = core::derive_api_share(core::test::sample_root());
  core::keeper_share keys = core::derive_keeper_share(core::test::sample_root());
  core::sealer seals{api_keys.public_key, api_keys.record};
  core::delivery_policy policy{
      ::getuid(), {{core::test::project("bot"), false, 0, false, 0, "bot.service"}}, {}};
  silent_log log;
  std::string folder = make_folder();
  std::string path = folder + "/keeper.sock";
  std::string credentials_path = folder + "/credentials.sock";
  std::array<int, 2> pair = make_pair();
  boost::asio::io_context context{1};
  keeper_channel channel{context, pair[0]};
  receipts noted{context, channel, log, "host"};
  delivery_feed feed{context, {keys, policy, channel, log}};
  enrolments enrolled{keys.runtime_book, {}, [](std::string_view) { return true; }, channel, log};
  delivery serves{context, listen_at(path), {keys, policy, feed, noted, log}, enrolled};
  credentials loads{context, listen_at(credentials_path), {keys, policy, feed, noted, log}};
  api_end api{pair[1]};
  std::thread thread;

  keeper() {
    auto const rethrow = [](std::exception_ptr failed) {
      if (failed) std::rethrow_exception(failed);
    };
    boost::asio::co_spawn(context, channel.run(), rethrow);
    boost::asio::co_spawn(context, serves.run(), rethrow);
    boost::asio::co_spawn(context, loads.run(), rethrow);
    thread = std::thread([this] { context.run(); });
  }
  ~keeper() {
    end();
    std::filesystem::remove_all(folder);
  }

  // Nothing runs on the keeper's thread any more.
  void end() {
    context.stop();
    if (thread.joinable()) thread.join();
  }

  static std::array<int, 2> make_pair() {
    std::array<int, 2> ends{};
    CHECK(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) == 0);
    return ends;
  }

  core::record_message record(std::string_view project, std::string_view name, std::uint64_t id,
                              std::string_view value) {
    auto const of = core::test::project(project);
    auto const called = core::test::secret(name);
    return {0, called, id, id, seals.seal(value, {of, called, id}, 0)};
  }

  client_answer ask(std::string_view query = "", std::string_view tag = "") const {
    std::string const target = "/v1/projects/bot/env" + std::string(query);
    auto answer = exchange(unix_endpoint{path}, {"GET", target, "", "", tag});
    CHECK(answer.has_value());
    return *std::move(answer);
  }
  // "200 {…env…}", "503".
  std::string answer(std::string_view query = "", std::string_view tag = "") const {
    client_answer const got = ask(query, tag);
    std::string const body(got.body.reveal());
    std::string text = std::to_string(got.status);
    if (got.status != 200) return text;
    std::size_t const from = body.find(R"("env":)") + 6;
    return text + " " + body.substr(from, body.find('}', from) + 1 - from);
  }
  // What systemd gets for bot.service; only root is answered.
  std::string load(std::string_view id) const {
    int const socket = bound_socket(std::string(1, '\0') + "1/unit/bot.service/" + std::string(id));
    socket_address const to(credentials_path);
    CHECK(::connect(socket, to.get(), to.bytes) == 0);
    std::string got;
    std::array<char, 4096> chunk;
    ssize_t some = 0;
    while ((some = ::recv(socket, chunk.data(), chunk.size(), 0)) > 0) {
      got.append(chunk.data(), static_cast<std::size_t>(some));
    }
    ::close(socket);
    return got;
  }
};

}  // namespace tacit::net::test
