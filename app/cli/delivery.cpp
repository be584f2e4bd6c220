#include "app/cli/delivery.hpp"

#include <algorithm>
#include <thread>

#include "app/cli/delivery_cache.hpp"
#include "app/cli/delivery_source.hpp"
#include "app/cli/error.hpp"
#include "app/cli/output.hpp"
#include "core/back_off.hpp"
#include "core/crypto.hpp"
#include "core/duration.hpp"

namespace tacit::app {

namespace {

void say_withheld(std::vector<std::string_view> const& names) {
  if (names.empty()) return;
  std::string list;
  for (std::string_view const name : names) list += (list.empty() ? "" : ", ") + shown(name);
  say("withheld, as they change how programs load code: " + list +
      " (delivery.deliver_names in the server's settings allows them)");
}

std::string line_of(undelivered const& why) {
  return why.advice.empty() ? why.line : why.line + "; " + why.advice;
}

}  // namespace

std::unique_ptr<delivery_source> open_cached_source(delivery_arguments const& from,
                                                    surroundings const& around) {
  auto source = open_delivery_source(from, around);
  if (!from.cache_dir) return source;
  delivery_cache cache({*from.cache_dir, from.cache_key_file, from.cache_age_max});
  return make_caching_source(std::move(source), from.project, std::move(cache));
}

delivery_answer ask_patiently(delivery_source& source, std::chrono::milliseconds wait) {
  using clock = std::chrono::steady_clock;
  auto const end = clock::now() + wait;
  for (unsigned failures = 1;; ++failures) {
    delivery_answer answer = source.ask();
    if (answer || answer.error().fault != delivery_fault::unavailable) return answer;
    auto const left = std::chrono::ceil<std::chrono::milliseconds>(end - clock::now());
    if (left.count() <= 0) return answer;
    if (failures == 1) {
      say(answer.error().line + "; asking again for up to " + core::format_duration(wait));
    }
    std::chrono::milliseconds const asked =
        std::chrono::seconds(answer.error().retry_after_seconds);
    auto const delay = core::back_off_delay(failures, core::random_below(1u << 16));
    std::this_thread::sleep_for(std::min(std::max(asked, delay), left));
  }
}

delivered fetch_values(delivery_source& source, std::chrono::milliseconds wait) {
  delivery_answer answer = ask_patiently(source, wait);
  if (!answer) throw cli_error(exit_failed, line_of(answer.error()));
  say_withheld(answer->withheld);
  return *std::move(answer);
}

}  // namespace tacit::app
