// One request and its answer under way inside a service. Private to net/service*.cpp.
#pragma once

#include "net/service.hpp"

namespace tacit::net {

struct service::exchange {
  request_head const& head;
  std::string_view body;
  peer const& from;
  std::string& out;
  core::timestamp now;
  request_record record;
  route to{};
  answer_head answer{};
  std::unique_ptr<pending_write> write{};
  std::unique_ptr<pending_relay> relayed{};
};

}  // namespace tacit::net
