// tacit-probe: the program `tacit` itself, except for what tests/probe/probe.hpp says.
#include <cstdlib>

#include "app/startup.hpp"
#include "tests/probe/attempt.hpp"
#include "tests/probe/attempts.hpp"
#include "tests/probe/probe.hpp"

namespace tacit::probe {

void once_confined() {
  if (std::getenv("PROBE_CHANNEL") != nullptr) play_false_api();
  if (std::getenv("PROBE_KEY") != nullptr) attempt_everything();
}

}  // namespace tacit::probe

int main(int argc, char** argv) {
  return tacit::app::run_tacit(argc, argv, &tacit::probe::once_confined);
}
