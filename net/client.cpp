#include "net/client.hpp"

#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>

#include "core/check.hpp"
#include "net/client_wire.hpp"

namespace tacit::net {

namespace {

namespace http = boost::beast::http;
using boost::beast::error_code;

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

client_wire::opened open_wire(client_endpoint const& endpoint, client_call const& how) {
  return std::visit([&how](auto const& where) { return client_wire::open(where, how); }, endpoint);
}

std::string host_field(unix_endpoint const&) { return "localhost"; }

std::string host_field(tcp_endpoint const& endpoint) {
  bool const ipv6 = endpoint.host.find(':') != std::string::npos;
  return (ipv6 ? "[" + endpoint.host + "]" : endpoint.host) + ":" + endpoint.port;
}

std::string host_field(client_endpoint const& endpoint) {
  return std::visit([](auto const& where) { return host_field(where); }, endpoint);
}

// Head and body in one piece, so that they travel as one.
core::secret_buffer make_request(client_request const& request, std::string const& host) {
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
      std::string_view("\r\n"),
      request.body};
  std::size_t bytes = 0;
  for (std::string_view const part : parts) bytes += part.size();
  core::secret_buffer whole(bytes);
  for (std::string_view const part : parts) CHECK(whole.append(part));
  return whole;
}

// Of a read or a write that ended or took too long.
client_failure failure_of(client_wire const& wire, io_result const& moved) {
  bool const late = moved.state == io_state::would_block || wire.reason() == ETIMEDOUT;
  if (late) return {client_fault::timed_out, wire.reason()};
  if (wire.was_turned_away()) return {client_fault::no_handshake, 0, wire.tls_fault()};
  return {client_fault::connection_lost, wire.reason()};
}

// A server may refuse and close before it has read all: then its answer is what counts, so that a
// broken pipe is not a failure yet.
std::optional<client_failure> send_request(client_wire& wire, std::string_view bytes) {
  while (!bytes.empty()) {
    io_result const sent = wire.write_some(bytes);
    bool const refused = wire.reason() == EPIPE || wire.reason() == ECONNRESET;
    if (sent.state == io_state::ended && refused) return std::nullopt;
    if (sent.state != io_state::done) return failure_of(wire, sent);
    bytes.remove_prefix(sent.bytes);
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

  // One read. Nothing while the answer is not complete, or nothing came and nobody waits.
  std::optional<client_result> receive(client_wire& wire, client_waiting how) {
    std::span<char> const room = held_.reveal_storage().subspan(held_.size());
    if (room.empty()) return client_failure{client_fault::not_http};
    io_result const got = wire.read_some(room);
    if (got.state == io_state::would_block && how == client_waiting::never) return std::nullopt;
    bool const broken = got.state == io_state::ended && !wire.has_closed();
    if (got.state == io_state::would_block || broken) return failure_of(wire, got);
    error_code ec;
    if (got.state == io_state::ended) {
      if (!parser_.got_some()) return client_failure{client_fault::connection_lost};
      parser_.put_eof(ec);
      if (!ec && !parser_.is_done()) ec = http::error::partial_message;
    } else {
      held_.resize(held_.size() + got.bytes);
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
  client_wire::opened const opened = open_wire(endpoint, {client_waiting::each_call, stop});
  if (!opened) return opened.error();
  client_wire& wire = **opened;
  core::secret_buffer const bytes = make_request(request, host_field(endpoint));
  if (auto const failed = send_request(wire, bytes.reveal())) return *failed;
  incoming_answer incoming;
  while (true) {
    if (auto result = incoming.receive(wire, client_waiting::each_call)) return *std::move(result);
  }
}

struct pending_exchange::state {
  explicit state(std::unique_ptr<client_wire> opened) : wire(std::move(opened)) {}
  std::unique_ptr<client_wire> wire;
  incoming_answer incoming;
};

pending_exchange::begun pending_exchange::begin(client_endpoint const& endpoint,
                                                client_request const& request) {
  client_wire::opened opened = open_wire(endpoint, {client_waiting::never});
  if (!opened) return opened.error();
  core::secret_buffer const bytes = make_request(request, host_field(endpoint));
  if (auto const failed = send_request(**opened, bytes.reveal())) return *failed;
  return pending_exchange(std::make_unique<state>(std::move(*opened)));
}

pending_exchange::pending_exchange(std::unique_ptr<state> held) : state_(std::move(held)) {}
pending_exchange::pending_exchange(pending_exchange&&) noexcept = default;
pending_exchange& pending_exchange::operator=(pending_exchange&&) noexcept = default;
pending_exchange::~pending_exchange() = default;

int pending_exchange::descriptor() const noexcept { return state_->wire->descriptor(); }

std::optional<client_result> pending_exchange::advance() {
  return state_->incoming.receive(*state_->wire, client_waiting::never);
}

}  // namespace tacit::net
