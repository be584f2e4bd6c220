#include "app/cli/delivery.hpp"

#include "app/cli/delivery_source.hpp"
#include "app/cli/error.hpp"
#include "app/cli/output.hpp"

namespace tacit::app {

namespace {

void say_withheld(std::vector<std::string_view> const& names) {
  if (names.empty()) return;
  std::string list;
  for (std::string_view const name : names) list += (list.empty() ? "" : ", ") + shown(name);
  say("withheld, as they change how programs load code: " + list +
      " (delivery.deliver_names in the server's settings allows them)");
}

}  // namespace

delivered fetch_values(delivery_arguments const& from, surroundings const& around) {
  delivery_answer answer = open_delivery_source(from, around)->ask();
  if (!answer) throw cli_error(exit_failed, answer.error().line);
  say_withheld(answer->withheld);
  return *std::move(answer);
}

}  // namespace tacit::app
