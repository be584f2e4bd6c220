#include "app/system_fault.hpp"

#include <cerrno>
#include <cstring>

namespace tacit::app {

std::string explain_system_fault(int error) {
  switch (error) {
    case EMFILE:
      return "too many open files: raise the limit (LimitNOFILE= in a systemd unit, ulimit -n in a "
             "shell)";
    case ENFILE:
      return "the whole system has too many open files: raise fs.file-max";
    case EAGAIN:
      return "the system gives no more threads: raise the limit of tasks (TasksMax= in a systemd "
             "unit, ulimit -u in a shell), or of memory";
    case ENOMEM:
      return "out of memory";
    default:
      return std::string("the system refused what tacit needs: ") + std::strerror(error);
  }
}

}  // namespace tacit::app
