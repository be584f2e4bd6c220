// What a request costs in net, without a socket: parsing, rendering, and a service end to end.
#include <benchmark/benchmark.h>

#include <array>
#include <optional>

#include "bench/micro/fixture.hpp"
#include "net/answer.hpp"
#include "net/framing.hpp"
#include "net/json_body.hpp"
#include "net/service.hpp"

namespace tacit::bench {

namespace {

std::string list_request(std::string_view api_key) {
  return "GET /api/v1/projects/" + std::string(sample_project(0).text()) +
         "/secrets HTTP/1.1\r\nHost: 127.0.0.1:8787\r\nAuthorization: Bearer " +
         std::string(api_key) + "\r\n\r\n";
}

std::string upsert_body() {
  return R"({"key":"SECRET_NUMBER_0007","value":"0123456789abcdefghij0123456789abcdefghij"})";
}

std::string upsert_request(std::string_view api_key) {
  std::string const body = upsert_body();
  return "POST /api/v1/projects/" + std::string(sample_project(0).text()) +
         "/secrets HTTP/1.1\r\nHost: 127.0.0.1:8787\r\nAuthorization: Bearer " +
         std::string(api_key) +
         "\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) +
         "\r\n\r\n" + body;
}

void parse_head(benchmark::State& state) {
  auto const key = core::api_key_text::make_random();
  std::string const bytes = list_request(key.reveal());
  net::framing_limits const limits;
  for (auto _ : state) {
    auto const head = net::parse_request_head(bytes, limits);
    benchmark::DoNotOptimize(head);
    if (!head || !*head) state.SkipWithError("does not parse");
  }
}
BENCHMARK(parse_head);

void parse_upsert_body(benchmark::State& state) {
  std::string const body = upsert_body();
  core::secret_buffer name(core::limits::value_bytes_max);
  core::secret_buffer value(core::limits::value_bytes_max);
  for (auto _ : state) {
    name.clear();
    value.clear();
    std::array<net::body_member, 2> members{net::body_member{"key", &name},
                                            net::body_member{"value", &value}};
    auto const problem = net::read_json_body(body, members, core::limits::value_bytes_max);
    if (problem) state.SkipWithError("does not parse");
  }
}
BENCHMARK(parse_upsert_body);

void encode_list_of_25(benchmark::State& state) {
  core::secret_list list;
  for (std::size_t i = 0; i < secrets_in_project; ++i) {
    list.secrets.push_back({sample_name(i),
                            i,
                            {1'780'000'000'000},
                            {1'780'000'000'123},
                            core::label::of_text("aB3x")});
  }
  std::string out;
  for (auto _ : state) {
    out.clear();
    net::append_secret_list_body(out, list);
    benchmark::DoNotOptimize(out.data());
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(out.size()));
}
BENCHMARK(encode_list_of_25);

// Reads the rows of 25 secrets from a small store, authenticates and decrypts them.
void read_list_of_25(benchmark::State& state) {
  store_on_disk disk;
  auto const permit = disk.may_read();
  for (auto _ : state) {
    auto const list = disk.store().list_secrets(permit);
    if (!list || list->secrets.size() != secrets_in_project) state.SkipWithError("does not read");
  }
}
BENCHMARK(read_list_of_25);

class no_port final : public core::completion_port {
 public:
  void complete(core::change*) noexcept override {}
};

// Parses and answers `bytes` as a session does, by a service on a real store, and hands what came
// of it to `check`, which says whether it is what was asked for.
template <typename Check>
void serve_request(benchmark::State& state, store_on_disk& disk, std::string const& bytes,
                   Check const& check) {
  no_port port;
  net::relay relay;
  net::service_parts const parts{disk.store(),          disk.limiter(),
                                 disk.share(),          disk.log(),
                                 net::framing_limits(), core::limits::last_four_min_length_default,
                                 std::size_t{1} << 20,  relay};
  net::service service(parts, port);
  net::peer const from;
  net::remembered_key memory;
  net::head_memory last_head;
  std::string out;
  for (auto _ : state) {
    out.clear();
    auto const parsed = service.parse_head(last_head, bytes);
    auto const head = parsed ? *parsed : std::nullopt;
    if (!head) {
      state.SkipWithError("does not parse");
      break;
    }
    std::string_view const body = std::string_view(bytes).substr(head->head_bytes);
    auto const came_of = service.handle(*head, body, from, memory, out);
    if (!check(came_of, out)) state.SkipWithError("another answer");
  }
}

// From the bytes of a request to the bytes of its answer, with the list in the cache.
void answer_cached_list(benchmark::State& state) {
  store_on_disk disk;
  serve_request(state, disk, list_request(disk.api_key().reveal()),
                [](net::handled const& came_of, std::string const& out) {
                  return came_of.write == nullptr && out.starts_with("HTTP/1.1 200 ");
                });
}
BENCHMARK(answer_cached_list);

// From the bytes of a request to the change that is handed to the commit thread: parsed, permitted,
// sealed.
void upsert_up_to_commit(benchmark::State& state) {
  store_on_disk disk;
  serve_request(state, disk, upsert_request(disk.api_key().reveal()),
                [](net::handled const& came_of, std::string const& out) {
                  return came_of.write != nullptr && out.empty();
                });
}
BENCHMARK(upsert_up_to_commit);

}  // namespace

}  // namespace tacit::bench
