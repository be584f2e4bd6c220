// An answer to who has no session: nothing of a request is known.
#pragma once

#include <string>
#include <string_view>

#include "core/error.hpp"

namespace tacit::net {

// The whole answer, as of `error` but with that message; the connection closes after it.
[[nodiscard]] std::string make_lone_answer(core::errc error, std::string_view message);

}  // namespace tacit::net
