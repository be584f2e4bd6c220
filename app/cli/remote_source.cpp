#include "app/cli/remote_source.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <thread>
#include <utility>

#include "app/cli/output.hpp"
#include "app/descriptor.hpp"
#include "app/system_fault.hpp"
#include "core/check.hpp"
#include "core/limits.hpp"
#include "core/noise.hpp"
#include "core/runtime_message.hpp"
#include "net/client.hpp"

namespace tacit::app {

namespace {

using outcome = pending_delivery::outcome;
using core::remote_outcome;

std::string host_name() {
  std::array<char, core::runtime_host_bytes_max + 1> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0) return "";
  return name.data();
}

descriptor open_event() {
  descriptor opened(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!opened.is_open()) throw std::system_error(errno, std::generic_category());
  return opened;
}

// What it takes to ask, for the thread that does. It does not change.
struct asker {
  std::string project;
  remote_server server;
  core::exchange_private_key own;
  core::exchange_public_key own_public;
  net::client_stop stop{};

  [[nodiscard]] outcome ask(std::optional<std::uint64_t> known, std::chrono::seconds at_most);

 private:
  using sealed_reply = boost::system::result<std::string, undelivered>;
  [[nodiscard]] sealed_reply send(std::string_view message);
  [[nodiscard]] undelivered unavailable(std::string const& why, std::string advice = "") const;
  [[nodiscard]] undelivered not_its_keeper() const;
  [[nodiscard]] outcome read(core::opened_answer answer) const;
};

undelivered asker::unavailable(std::string const& why, std::string advice) const {
  return {delivery_fault::unavailable, "unavailable: " + server.at.shown + " " + why, 0,
          std::move(advice)};
}

undelivered asker::not_its_keeper() const {
  return unavailable("gave an answer that its keeper did not seal",
                     "the server's key in the identity file is another one's, or something on the "
                     "way changes answers; the right one is in: tacit runtime list");
}

asker::sealed_reply asker::send(std::string_view message) {
  std::string const body =
      R"({"message":")" + core::encode_base64(core::as_bytes(message)) + R"("})";
  std::string const target = server.at.prefix + "/runtime";
  auto const got = net::exchange(server.at.endpoint, {"POST", target, "", body}, &stop);
  if (!got) {
    api_question const read{"GET", target, "", project, ""};
    return undelivered{delivery_fault::unavailable,
                       "unavailable: " + explain_failure(got.error(), server.at, read)};
  }
  auto const document = json_document::parse(got->body.reveal());
  json_node const text = document ? document->root()["data"]["message"] : json_node();
  auto sealed = core::decode_base64(text.text());
  if (got->status == 200 && sealed && !sealed->empty()) return *std::move(sealed);
  if (got->status == 503 || got->status == 429) {
    return unavailable("cannot answer now",
                       "if it stays so, compare the server's key in the "
                       "identity file with: tacit runtime list");
  }
  bool const may_want_tls = got->status == 400 && server.at.shown.starts_with("http:");
  return unavailable("answered with status " + std::to_string(got->status) +
                     ", which says nothing about the project: is that a tacit server" +
                     (may_want_tls ? ", and does it want https://?" : "?"));
}

outcome asker::ask(std::optional<std::uint64_t> known, std::chrono::seconds at_most) {
  core::noise_initiator handshake({own, own_public, server.key, core::runtime_prologue},
                                  core::make_exchange_key());
  auto const first = handshake.begin("");
  if (!first) return not_its_keeper();
  auto const second = send(core::encode_message(core::hello_message{own_public, *first}));
  if (!second) return second.error();
  auto met = handshake.finish(*second);
  auto const said = met ? core::decode_welcome(met->payload) : core::errc::corrupt;
  if (!said) return not_its_keeper();
  if (said->told == core::verdict::unauthorized) return read({remote_outcome::unauthorized});
  if (said->told == core::verdict::unavailable) return read({remote_outcome::unavailable});
  core::runtime_request const request{*core::project_id::parse(project), known,
                                      static_cast<std::uint16_t>(at_most.count()), host_name()};
  std::string const sealed = met->session.seal(core::encode_request(request));
  auto const reply = send(core::encode_message(core::ask_message{said->session, sealed}));
  if (!reply) return reply.error();
  auto answer = core::open_answer(std::move(met->session), *reply);
  if (!answer) return not_its_keeper();
  return read(*std::move(answer));
}

outcome asker::read(core::opened_answer answer) const {
  std::string const at = " at " + server.at.shown;
  switch (answer.outcome) {
    case remote_outcome::found: {
      auto set = read_delivered(std::move(answer.body), project);
      if (set) return *std::move(set);
      return undelivered{delivery_fault::not_understood,
                         "unavailable: the keeper's answer was not understood"};
    }
    case remote_outcome::unchanged:
      return pending_delivery::unchanged{};
    case remote_outcome::unauthorized:
      return undelivered{
          delivery_fault::unauthorized,
          "unauthorized: this runtime is not enrolled" + at + " (unknown, expired or revoked)", 0,
          "its public key is enrolled on the server's machine with: tacit runtime "
          "enrol --project " +
              project + " --public-key " + core::encode_base64(own_public.bytes)};
    case remote_outcome::refused:
      return undelivered{delivery_fault::refused,
                         "refused: this runtime may not read project " + project + at, 0,
                         "enrol it for the project on the server's machine: tacit runtime enrol"};
    case remote_outcome::absent:
      return undelivered{delivery_fault::absent, "no such project: " + project + at, 0,
                         "see what there is with: tacit project list"};
    case remote_outcome::unavailable:
      break;
  }
  return undelivered{delivery_fault::unavailable,
                     "unavailable: the keeper" + at + " cannot read values now", 1,
                     "try again later"};
}

// A question on a thread of its own: names are looked up and connections made there, too.
class remote_question final : public pending_delivery {
 public:
  remote_question(asker from, std::uint64_t known, std::chrono::seconds at_most)
      : asker_(std::move(from)),
        ready_(open_event()),
        thread_([this, known, at_most] { run(known, at_most); }) {}
  ~remote_question() override { asker_.stop.stop(); }

  int descriptor() const noexcept override { return ready_.number(); }
  std::optional<outcome> advance() override {
    if (!done_) return std::nullopt;
    return std::move(came_of_);
  }

 private:
  void run(std::uint64_t known, std::chrono::seconds at_most) {
    came_of_.emplace(asker_.ask(known, at_most));
    done_ = true;
    std::uint64_t const one = 1;
    [[maybe_unused]] auto const told = ::write(ready_.number(), &one, sizeof one);
  }

  asker asker_;
  app::descriptor ready_;
  std::optional<outcome> came_of_;  // of the thread until done_
  std::atomic<bool> done_ = false;
  std::jthread thread_;  // last: it uses the others
};

class remote_source final : public delivery_source {
 public:
  remote_source(std::string project, remote_server server, core::exchange_private_key own)
      : project_(std::move(project)),
        server_(std::move(server)),
        own_(std::move(own)),
        own_public_(core::public_half(own_)) {}

  delivery_answer ask() override {
    outcome got = make_asker().ask({}, std::chrono::seconds(0));
    if (!got) return got.error();
    auto* const set = std::get_if<delivered>(&*got);
    if (set != nullptr) return std::move(*set);
    return undelivered{delivery_fault::not_understood,
                       "unavailable: the keeper's answer was not understood"};
  }

  begun ask_for_change(std::int64_t revision, std::chrono::seconds at_most) override {
    std::chrono::seconds const most(core::limits::remote_wait_seconds_max);
    try {
      return std::make_unique<remote_question>(make_asker(), static_cast<std::uint64_t>(revision),
                                               std::min(at_most, most));
    } catch (std::system_error const& fault) {  // which passes, and ends no command that runs
      return undelivered{delivery_fault::unavailable,
                         "unavailable: " + explain_system_fault(fault.code().value())};
    }
  }

  std::string origin() const override {
    return "runtime\n" + server_.at.shown + "\n" + core::encode_base64(server_.key.bytes) + "\n" +
           core::encode_base64(own_public_.bytes);
  }

 private:
  asker make_asker() const {
    core::exchange_private_key copy;
    std::copy_n(own_.reveal().begin(), core::key_bytes, copy.reveal_mutable().begin());
    return {project_, server_, std::move(copy), own_public_};
  }

  std::string project_;
  remote_server server_;
  core::exchange_private_key own_;
  core::exchange_public_key own_public_;
};

}  // namespace

std::unique_ptr<delivery_source> make_remote_source(std::string project, remote_server server,
                                                    core::exchange_private_key own) {
  return std::make_unique<remote_source>(std::move(project), std::move(server), std::move(own));
}

}  // namespace tacit::app
