#include <exception>

#include "app/cli/error.hpp"
#include "app/cli/output.hpp"
#include "bench/options.hpp"
#include "bench/run.hpp"
#include "core/crypto.hpp"

int main(int argc, char** argv) {
  using namespace tacit::bench;
  try {
    tacit::core::init_crypto();
    auto const parsed = parse_options(argc, argv);
    if (auto const* const text = std::get_if<usage_text>(&parsed)) {
      tacit::app::write_out(text->text);
      return exit_done;
    }
    if (auto const* const fault = std::get_if<usage_fault>(&parsed)) {
      say((fault->line + "; see: tacit-bench --help").c_str());
      return exit_wrong_usage;
    }
    return run_bench(std::get<options>(parsed));
  } catch (tacit::app::cli_error const& fault) {
    say(fault.what());
    return fault.status();
  } catch (std::exception const& fault) {
    say(fault.what());
  }
  return exit_wrong;
}
