#include "net/client_wire.hpp"

#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <functional>
#include <mutex>
#include <set>
#include <system_error>
#include <thread>

namespace tacit::net {

struct client_stop::state {
  std::mutex mutex;
  std::condition_variable changed;
  bool stopped = false;        // guarded by mutex, as below
  std::set<int> open_sockets;  // of exchanges under way
};

client_stop::client_stop() : state_(std::make_shared<state>()) {}

void client_stop::stop() const noexcept {
  std::lock_guard const lock(state_->mutex);
  state_->stopped = true;
  for (int const socket : state_->open_sockets) ::shutdown(socket, SHUT_RDWR);
  state_->changed.notify_all();
}

bool client_stop::wait_for(std::function<void()> work) const {
  auto const done = std::make_shared<bool>(false);  // guarded by the mutex
  std::thread([state = state_, done, work = std::move(work)] {
    work();
    std::lock_guard const lock(state->mutex);
    *done = true;
    state->changed.notify_all();
  }).detach();
  std::unique_lock lock(state_->mutex);
  state_->changed.wait(lock, [&] { return *done || state_->stopped; });
  return *done;
}

stoppable::stoppable(client_stop const* by, int socket)
    : state_(by == nullptr ? nullptr : by->state_), socket_(socket) {
  if (!state_) return;
  std::lock_guard const lock(state_->mutex);
  if (state_->stopped) ::shutdown(socket_, SHUT_RDWR);
  state_->open_sockets.insert(socket_);
}

stoppable::~stoppable() {
  if (!state_) return;
  std::lock_guard const lock(state_->mutex);
  state_->open_sockets.erase(socket_);
}

bool stoppable::is_stopped() const {
  if (!state_) return false;
  std::lock_guard const lock(state_->mutex);
  return state_->stopped;
}

namespace {

// Whether who listens is one who could have put the socket there, and not somebody to whom a
// symbolic link leads (SO_PEERCRED: as of listen()).
bool is_trusted(int fd, std::string const& path) {
  ucred listener{};
  socklen_t size = sizeof listener;
  if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &listener, &size) != 0) return false;
  if (listener.uid == 0 || listener.uid == geteuid()) return true;
  std::size_t const slash = path.rfind('/');
  std::string const folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  struct stat about{};
  return stat(folder.c_str(), &about) == 0 && about.st_uid == listener.uid;
}

struct addresses {
  int fault = 0;  // getaddrinfo's
  std::unique_ptr<addrinfo, void (*)(addrinfo*)> list{nullptr, freeaddrinfo};
};

void look_up(std::string const& host, std::string const& port, addresses& into) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  into.fault = getaddrinfo(host.c_str(), port.c_str(), &hints, &list);
  if (into.fault == 0) into.list.reset(list);
}

client_fault fault_of(trust_fault what) {
  switch (what) {
    case trust_fault::ca_file:
      return client_fault::bad_ca_file;
    case trust_fault::certificate_file:
      return client_fault::bad_certificate_file;
    case trust_fault::key_file:
      break;
  }
  return client_fault::bad_key_file;
}

}  // namespace

client_wire::~client_wire() {
  if (tls_) tls_->say_end();
  under_way_.reset();
  if (descriptor_ >= 0) close(descriptor_);
}

client_wire::opened client_wire::connect(int family, void const* address, unsigned bytes,
                                         client_call const& how) {
  int const flags = SOCK_CLOEXEC | (how.how == client_waiting::never ? SOCK_NONBLOCK : 0);
  std::unique_ptr<client_wire> wire(
      new client_wire(socket(family, SOCK_STREAM | flags, 0), how.stop));
  if (wire->is_stopped()) return client_failure{client_fault::connection_lost};
  int const fd = wire->descriptor_;
  timeval const limit{client_timeout_seconds, 0};
  if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) != 0 ||
      ::connect(fd, static_cast<sockaddr const*>(address), bytes) != 0) {
    // What a connect that took too long reports.
    return client_failure{client_fault::cannot_connect, errno == EINPROGRESS ? ETIMEDOUT : errno};
  }
  fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
  return wire;
}

client_wire::opened client_wire::open(unix_endpoint const& endpoint, client_call const& how) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (endpoint.path.size() >= sizeof address.sun_path) {
    return client_failure{client_fault::path_too_long};
  }
  std::memcpy(address.sun_path, endpoint.path.data(), endpoint.path.size());
  opened wire = connect(AF_UNIX, &address, sizeof address, how);
  if (!wire) return wire;
  if (!is_trusted((*wire)->descriptor_, endpoint.path)) {
    return client_failure{client_fault::stranger};
  }
  (*wire)->how_ = how.how;
  return wire;
}

client_wire::opened client_wire::open(tcp_endpoint const& endpoint, client_call const& how) {
  // A resolver that does not answer is waited for much longer than who stops can wait.
  auto const found = std::make_shared<addresses>();
  auto const ask = [found, host = endpoint.host, port = endpoint.port] {
    look_up(host, port, *found);
  };
  try {
    if (how.stop == nullptr) {
      ask();
    } else if (!how.stop->wait_for(ask)) {
      return client_failure{client_fault::connection_lost};
    }
  } catch (std::system_error const&) {
    return client_failure{client_fault::no_such_host, EAI_AGAIN};
  }
  if (found->fault != 0) return client_failure{client_fault::no_such_host, found->fault};
  client_failure last{client_fault::cannot_connect, 0};
  for (addrinfo const* at = found->list.get(); at != nullptr; at = at->ai_next) {
    opened wire =
        connect(at->ai_family, at->ai_addr, at->ai_addrlen, {client_waiting::each_call, how.stop});
    if (!wire) {
      last = wire.error();
      continue;
    }
    if (auto const failed = (*wire)->begin_tls(endpoint)) return *failed;
    (*wire)->how_ = how.how;
    return wire;
  }
  return last;
}

std::optional<client_failure> client_wire::begin_tls(tcp_endpoint const& endpoint) {
  if (!endpoint.tls) return std::nullopt;
  auto made = make_client_context(*endpoint.tls);
  if (!made) return client_failure{fault_of(made.error())};
  context_ = std::move(*made);
  tls_transport& under = *this;
  tls_.emplace(context_.get(), tls_side::client, under);
  expect_server(*tls_, endpoint.host);
  io_state state = tls_->shake_hands();
  while (state == io_state::would_block) {
    if (!wait(tls_->waits_for())) return client_failure{client_fault::timed_out};
    state = tls_->shake_hands();
  }
  if (state == io_state::done) return std::nullopt;
  if (is_stopped()) return client_failure{client_fault::connection_lost};
  distrust const why = distrust_of(*tls_);
  if (why != distrust::none) return client_failure{client_fault::untrusted, static_cast<int>(why)};
  return client_failure{client_fault::no_handshake, reason_, tls_->fault()};
}

bool client_wire::wait(readiness what) noexcept {
  if (how_ == client_waiting::never) return false;
  pollfd one{descriptor_, static_cast<short>(what == readiness::readable ? POLLIN : POLLOUT), 0};
  int got = -1;
  do {
    got = poll(&one, 1, client_timeout_seconds * 1000);
  } while (got < 0 && errno == EINTR);
  return got > 0;
}

io_result client_wire::read_some(std::span<char> into) noexcept {
  while (true) {
    io_result const got = tls_ ? tls_->read_some(into) : carry_in(into);
    if (got.state != io_state::would_block) return got;
    if (!wait(tls_ ? tls_->waits_for() : readiness::readable)) return got;
  }
}

io_result client_wire::write_some(std::string_view from) noexcept {
  while (true) {
    io_result const put = tls_ ? tls_->write_some(from) : carry_out(from);
    if (put.state != io_state::would_block) return put;
    if (!wait(tls_ ? tls_->waits_for() : readiness::writable)) return put;
  }
}

bool client_wire::was_turned_away() const noexcept {
  return tls_fault().find("alert") != std::string_view::npos;
}

std::string_view client_wire::tls_fault() const noexcept {
  return tls_ ? tls_->fault() : std::string_view();
}

io_result client_wire::carry_in(std::span<char> into) noexcept {
  ssize_t count = -1;
  do {
    count = recv(descriptor_, into.data(), into.size(), 0);
  } while (count < 0 && errno == EINTR);
  reason_ = count < 0 ? errno : 0;
  if (count > 0) return {io_state::done, static_cast<std::size_t>(count)};
  return {reason_ == EAGAIN ? io_state::would_block : io_state::ended, 0};
}

io_result client_wire::carry_out(std::string_view from) noexcept {
  ssize_t count = -1;
  do {
    count = send(descriptor_, from.data(), from.size(), MSG_NOSIGNAL);
  } while (count < 0 && errno == EINTR);
  reason_ = count < 0 ? errno : 0;
  if (count > 0) return {io_state::done, static_cast<std::size_t>(count)};
  return {reason_ == EAGAIN ? io_state::would_block : io_state::ended, 0};
}

}  // namespace tacit::net
