#include "app/cli/command_line.hpp"

#include <sys/prctl.h>

#include <boost/system/system_error.hpp>
#include <exception>
#include <new>
#include <system_error>

#include "app/cli/error.hpp"
#include "app/cli/output.hpp"
#include "app/standard_streams.hpp"
#include "app/startup.hpp"
#include "app/system_fault.hpp"
#include "core/crypto.hpp"

namespace tacit::app {

namespace {

// What ps and top show: after an exec through /proc/self/exe it would be "exe".
void name_process(char const* name) { ::prctl(PR_SET_NAME, name); }

}  // namespace

int run_tacit(int argc, char** argv, confined_hook hook) {
  if (!keep_standard_streams_apart()) return exit_failed;
  try {
    core::init_crypto();
    std::string_view const role = argc > 1 ? argv[1] : "";
    if (role == "api-process") {
      name_process("tacit-api");
      return run_api_process(hook);
    }
    if (role == "recover-reader") {
      name_process("tacit-recover");
      return run_recover_reader(hook);
    }
    return parse_command_line(std::vector<std::string>(argv + (argc > 0 ? 1 : 0), argv + argc))();
  } catch (cli_error const& fault) {
    say(fault.what());
    return fault.status();
  } catch (startup_error const& fault) {
    say(fault.what());
  } catch (std::bad_alloc const&) {
    say("out of memory");
  } catch (std::system_error const& fault) {
    say(explain_system_fault(fault.code().value()));
  } catch (boost::system::system_error const& fault) {
    say(explain_system_fault(fault.code().value()));
  } catch (std::exception const& fault) {
    say(std::string("a bug in tacit: ") + fault.what());
  }
  return exit_failed;
}

}  // namespace tacit::app
