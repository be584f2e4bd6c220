// tacit-probe: the program `tacit` itself, except that its api process, once confined, tries what
// somebody would try who runs code in it. See tests/probe/attempts.hpp.
#include "app/startup.hpp"
#include "tests/probe/attempts.hpp"

int main(int argc, char** argv) {
  return tacit::app::run_tacit(argc, argv, &tacit::probe::attempt_everything);
}
