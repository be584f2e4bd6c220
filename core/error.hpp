// The one vocabulary of expected errors. A code travels alone: the detail is logged where it is
// known, so that no error can carry a secret from one layer to another. A value of errc exists only
// when somebody acts on it differently (net/answer.cpp maps each to a status and a code).
#pragma once

#include <boost/system/result.hpp>

#include "core/check.hpp"

namespace tacit::core {

enum class errc {
  // What a request did wrong, in the order in which it is checked.
  malformed_request,  // the bytes are not an HTTP/1.1 request that we take
  request_timeout,    // head or body did not arrive in time
  length_required,    // a body without Content-Length, or any Transfer-Encoding
  payload_too_large,
  uri_too_long,
  headers_too_large,
  no_such_route,
  method_not_allowed,
  unauthorized,
  rate_limited,
  not_found,  // no such project, or not one that the caller may see
  forbidden,
  unsupported_media_type,
  validation,
  secret_limit_exceeded,
  conflict,
  // What the server cannot do now.
  unavailable,
  storage_full,
  internal,
  // What a store, a key or a peer gives us and we refuse.
  corrupt,  // stored or sent bytes that do not decode or do not authenticate
};

// A value of T or an errc. As boost::system::result, but dropping one is a warning, and taking the
// value of an error is a bug that ends the process.
template <typename T>
class [[nodiscard]] result : public boost::system::result<T, errc> {
 public:
  using boost::system::result<T, errc>::result;
};

[[noreturn]] inline void throw_exception_from_error(errc, boost::source_location const& where) {
  check_failed("value of an error", where.file_name(), static_cast<int>(where.line()));
}

}  // namespace tacit::core
