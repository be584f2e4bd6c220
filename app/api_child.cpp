#include "app/api_child.hpp"

namespace tacit::app {

child_process spawn_api(descriptor const& lock, std::vector<open_listener> const& listeners) {
  std::vector<int> given;
  for (open_listener const& one : listeners) given.push_back(one.socket.number());
  return spawn_child("api-process", lock, given);
}

}  // namespace tacit::app
