#include "net/client.hpp"

#include <netdb.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <cerrno>
#include <cstring>
#include <memory>
#include <mutex>
#include <optional>
#include <set>

#include "core/check.hpp"

namespace tacit::net {

struct client_stop::state {
  std::mutex mutex;
  bool stopped = false;        // guarded by mutex, as below
  std::set<int> open_sockets;  // of exchanges under way
};

client_stop::client_stop() : state_(std::make_shared<state>()) {}

void client_stop::stop() const noexcept {
  std::lock_guard const lock(state_->mutex);
  state_->stopped = true;
  for (int const socket : state_->open_sockets) ::shutdown(socket, SHUT_RDWR);
}

// A socket that can be stopped for as long as this is there; it goes before the socket does.
class stoppable {
 public:
  stoppable(client_stop const* by, int socket)
      : state_(by == nullptr ? nullptr : by->state_), socket_(socket) {
    if (!state_) return;
    std::lock_guard const lock(state_->mutex);
    if (state_->stopped) ::shutdown(socket_, SHUT_RDWR);
    state_->open_sockets.insert(socket_);
  }
  stoppable(stoppable const&) = delete;
  stoppable& operator=(stoppable const&) = delete;
  ~stoppable() {
    if (!state_) return;
    std::lock_guard const lock(state_->mutex);
    state_->open_sockets.erase(socket_);
  }
  [[nodiscard]] bool is_stopped() const {
    if (!state_) return false;
    std::lock_guard const lock(state_->mutex);
    return state_->stopped;
  }

 private:
  std::shared_ptr<client_stop::state> state_;
  int socket_;
};

namespace {

namespace http = boost::beast::http;
using boost::beast::error_code;

class descriptor {
 public:
  explicit descriptor(int fd) : fd_(fd) {}
  descriptor(descriptor&& other) noexcept : fd_(other.fd_) { other.fd_ = -1; }
  descriptor& operator=(descriptor&&) = delete;
  ~descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  [[nodiscard]] int get() const noexcept { return fd_; }

 private:
  int fd_;
};

// The body of an answer in wiped memory: of the announced size, doubled as needed.
struct wiped_body {
  struct value_type {
    core::secret_buffer bytes{0};
  };

  class reader {
   public:
    template <bool Request, class Fields>
    reader(http::header<Request, Fields>&, value_type& body) : body_(body.bytes) {}

    void init(boost::optional<std::uint64_t> const& length, error_code& ec) {
      ec = {};
      // What a server announces is not taken for granted beyond a megabyte.
      auto const announced = static_cast<std::size_t>(length.value_or(start_bytes));
      body_ = core::secret_buffer(std::min(announced, announced_bytes_max));
    }

    // The parser gives one piece at a time.
    std::size_t put(boost::asio::const_buffer const& piece, error_code& ec) {
      make_room(piece.size());
      bool const held = body_.append({static_cast<char const*>(piece.data()), piece.size()});
      ec = held ? error_code() : http::error::buffer_overflow;
      return held ? piece.size() : 0;
    }

    void finish(error_code& ec) { ec = {}; }

   private:
    static constexpr std::size_t start_bytes = 4096;
    static constexpr std::size_t announced_bytes_max = 1024 * 1024;

    void make_room(std::size_t bytes) {
      if (bytes <= body_.capacity() - body_.size()) return;
      core::secret_buffer larger(std::max(body_.capacity() * 2, body_.size() + bytes));
      if (larger.append(body_.reveal())) body_ = std::move(larger);
    }

    core::secret_buffer& body_;
  };
};

client_failure failure_of(int reason, client_fault otherwise) {
  bool const late = reason == EAGAIN || reason == ETIMEDOUT;
  return {late ? client_fault::timed_out : otherwise, reason};
}

using connection = boost::system::result<descriptor, client_failure>;

// flags: SOCK_NONBLOCK or 0.
connection connect_to(int family, sockaddr const* address, socklen_t bytes, int flags = 0,
                      client_stop const* stop = nullptr) {
  descriptor opened(socket(family, SOCK_STREAM | SOCK_CLOEXEC | flags, 0));
  stoppable const connecting(stop, opened.get());
  timeval const limit{client_timeout_seconds, 0};
  if (connecting.is_stopped()) return client_failure{client_fault::connection_lost};
  if (opened.get() < 0 ||
      setsockopt(opened.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) != 0 ||
      setsockopt(opened.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) != 0 ||
      connect(opened.get(), address, bytes) != 0) {
    // What a connect that took too long reports.
    return client_failure{client_fault::cannot_connect, errno == EINPROGRESS ? ETIMEDOUT : errno};
  }
  return opened;
}

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

connection open_connection(unix_endpoint const& endpoint, client_stop const*, int flags = 0) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (endpoint.path.size() >= sizeof address.sun_path) {
    return client_failure{client_fault::path_too_long};
  }
  std::memcpy(address.sun_path, endpoint.path.data(), endpoint.path.size());
  connection opened =
      connect_to(AF_UNIX, reinterpret_cast<sockaddr const*>(&address), sizeof address, flags);
  if (opened && !is_trusted(opened->get(), endpoint.path)) {
    return client_failure{client_fault::stranger};
  }
  return opened;
}

connection open_connection(tcp_endpoint const& endpoint, client_stop const* stop) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  int const fault = getaddrinfo(endpoint.host.c_str(), endpoint.port.c_str(), &hints, &list);
  if (fault != 0) return client_failure{client_fault::no_such_host, fault};
  std::unique_ptr<addrinfo, void (*)(addrinfo*)> const owner(list, freeaddrinfo);
  client_failure last{client_fault::cannot_connect, 0};
  for (addrinfo const* at = list; at != nullptr; at = at->ai_next) {
    connection made = connect_to(at->ai_family, at->ai_addr, at->ai_addrlen, 0, stop);
    if (made) return made;
    last = made.error();
  }
  return last;
}

std::string host_field(unix_endpoint const&) { return "localhost"; }

std::string host_field(tcp_endpoint const& endpoint) {
  bool const ipv6 = endpoint.host.find(':') != std::string::npos;
  return (ipv6 ? "[" + endpoint.host + "]" : endpoint.host) + ":" + endpoint.port;
}

core::secret_buffer make_head(client_request const& request, std::string const& host) {
  std::string const length = std::to_string(request.body.size());
  bool const sends_body = !request.body.empty() || request.method == "POST";
  std::array const parts{
      request.method,
      std::string_view(" "),
      request.target,
      std::string_view(" HTTP/1.1\r\nHost: "),
      std::string_view(host),
      std::string_view("\r\nAccept: application/json\r\nConnection: close\r\n"),
      std::string_view(request.token.empty() ? "" : "Authorization: Bearer "),
      request.token,
      std::string_view(request.token.empty() ? "" : "\r\n"),
      std::string_view(request.if_none_match.empty() ? "" : "If-None-Match: "),
      request.if_none_match,
      std::string_view(request.if_none_match.empty() ? "" : "\r\n"),
      std::string_view(sends_body ? "Content-Type: application/json\r\nContent-Length: " : ""),
      std::string_view(sends_body ? length : std::string_view()),
      std::string_view(sends_body ? "\r\n" : ""),
      std::string_view("\r\n")};
  std::size_t bytes = 0;
  for (std::string_view const part : parts) bytes += part.size();
  core::secret_buffer head(bytes);
  for (std::string_view const part : parts) CHECK(head.append(part));
  return head;
}

iovec vector_of(std::string_view bytes) {
  return {const_cast<char*>(bytes.data()), bytes.size()};  // sendmsg only reads
}

// A server may refuse and close before it has read all: then its answer is what counts, so that a
// broken pipe is not a failure yet.
std::optional<client_failure> send_request(int fd, std::string_view head, std::string_view body) {
  while (!head.empty() || !body.empty()) {
    std::array<iovec, 2> parts{vector_of(head), vector_of(body)};
    msghdr message{};
    message.msg_iov = parts.data();
    message.msg_iovlen = parts.size();
    ssize_t const sent = sendmsg(fd, &message, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && (errno == EPIPE || errno == ECONNRESET)) return std::nullopt;
    if (sent < 0) return failure_of(errno, client_fault::connection_lost);
    std::size_t const of_head = std::min(static_cast<std::size_t>(sent), head.size());
    head.remove_prefix(of_head);
    body.remove_prefix(static_cast<std::size_t>(sent) - of_head);
  }
  return std::nullopt;
}

client_failure parse_failure(error_code const& ec) {
  if (ec == http::error::body_limit || ec == http::error::buffer_overflow) {
    return {client_fault::too_large};
  }
  bool const cut = ec == http::error::partial_message || ec == http::error::end_of_stream;
  return {cut ? client_fault::connection_lost : client_fault::not_http};
}

using answer_parser = http::parser<false, wiped_body>;

// Gives the parser what is held; what it does not take yet stays at the front.
error_code feed(answer_parser& parser, core::secret_buffer& held) {
  error_code ec;
  std::size_t taken = 0;
  while (!ec && taken < held.size() && !parser.is_done()) {
    std::string_view const rest = held.reveal().substr(taken);
    std::size_t const used = parser.put(boost::asio::buffer(rest.data(), rest.size()), ec);
    taken += used;
    if (used == 0) break;
  }
  if (ec == http::error::need_more) ec = {};
  std::size_t const left = held.size() - taken;
  std::memmove(held.reveal_storage().data(), held.reveal().data() + taken, left);
  held.resize(left);
  return ec;
}

// An answer as far as it has arrived.
class incoming_answer {
 public:
  incoming_answer() {
    parser_.eager(true);
    parser_.body_limit(client_body_bytes_max);
  }

  // One receive. Nothing while the answer is not complete.
  std::optional<client_result> receive(int fd, int flags = 0) {
    std::span<char> const room = held_.reveal_storage().subspan(held_.size());
    if (room.empty()) return client_failure{client_fault::not_http};
    ssize_t const count = recv(fd, room.data(), room.size(), flags);
    if (count < 0 && errno == EINTR) return std::nullopt;
    if (count < 0 && errno == EAGAIN && (flags & MSG_DONTWAIT) != 0) return std::nullopt;
    if (count < 0) return failure_of(errno, client_fault::connection_lost);
    error_code ec;
    if (count == 0) {
      if (!parser_.got_some()) return client_failure{client_fault::connection_lost};
      parser_.put_eof(ec);
      if (!ec && !parser_.is_done()) ec = http::error::partial_message;
    } else {
      held_.resize(held_.size() + static_cast<std::size_t>(count));
      ec = feed(parser_, held_);
    }
    if (ec) return parse_failure(ec);
    if (!parser_.is_done()) return std::nullopt;
    return take();
  }

 private:
  client_answer take() {
    auto& message = parser_.get();
    client_answer answer;
    answer.status = message.result_int();
    answer.request_id = std::string(message["X-Request-Id"]);
    answer.retry_after = std::string(message["Retry-After"]);
    answer.body = std::move(message.body().bytes);
    return answer;
  }

  answer_parser parser_;
  core::secret_buffer held_{16 * 1024};
};

}  // namespace

client_result exchange(client_endpoint const& endpoint, client_request const& request,
                       client_stop const* stop) {
  connection const opened =
      std::visit([stop](auto const& where) { return open_connection(where, stop); }, endpoint);
  if (!opened) return opened.error();
  stoppable const under_way(stop, opened->get());
  core::secret_buffer const head =
      make_head(request, std::visit([](auto const& where) { return host_field(where); }, endpoint));
  if (auto const failed = send_request(opened->get(), head.reveal(), request.body)) {
    return *failed;
  }
  incoming_answer incoming;
  while (true) {
    if (auto result = incoming.receive(opened->get())) return *std::move(result);
  }
}

struct pending_exchange::state {
  explicit state(net::descriptor opened) : socket(std::move(opened)) {}
  net::descriptor socket;
  incoming_answer incoming;
};

pending_exchange::begun pending_exchange::begin(unix_endpoint const& endpoint,
                                                client_request const& request) {
  connection opened = open_connection(endpoint, nullptr, SOCK_NONBLOCK);
  if (!opened) return opened.error();
  core::secret_buffer const head = make_head(request, host_field(endpoint));
  if (auto const failed = send_request(opened->get(), head.reveal(), request.body)) {
    return *failed;
  }
  return pending_exchange(std::make_unique<state>(std::move(*opened)));
}

pending_exchange::pending_exchange(std::unique_ptr<state> held) : state_(std::move(held)) {}
pending_exchange::pending_exchange(pending_exchange&&) noexcept = default;
pending_exchange& pending_exchange::operator=(pending_exchange&&) noexcept = default;
pending_exchange::~pending_exchange() = default;

int pending_exchange::descriptor() const noexcept { return state_->socket.get(); }

std::optional<client_result> pending_exchange::advance() {
  return state_->incoming.receive(state_->socket.get(), MSG_DONTWAIT);
}

}  // namespace tacit::net
