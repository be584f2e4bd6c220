// The log on stderr: for people when it is a terminal, else one JSON object a line.
#pragma once

#include <memory>
#include <string_view>

#include "app/settings/settings.hpp"
#include "core/log.hpp"

namespace tacit::app {

// `process` names the process in each line. Lines below `level` are left out.
[[nodiscard]] std::unique_ptr<core::log> make_log(log_level level, std::string_view process);

}  // namespace tacit::app
