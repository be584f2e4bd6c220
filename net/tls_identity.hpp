// Who a TLS server says that it is, and whose clients it takes: made of PEM texts, used by all
// threads, and replaced as a whole.
#pragma once

#include <boost/system/result.hpp>
#include <cstdint>
#include <memory>
#include <string_view>

#include "core/channel.hpp"
#include "net/tls_library.hpp"

namespace tacit::net {

enum class identity_fault {
  no_certificate,
  weak_certificate,  // its key or its signature, or of one that it rests on
  broken_chain,      // behind the first certificate is what is none
  no_key,
  key_with_passphrase,
  key_of_another,
  no_client_ca,
  unusable,
};
// One line: the setting, what is wrong, what to do.
[[nodiscard]] std::string_view explain(identity_fault fault) noexcept;

class tls_identity {
 public:
  using made = boost::system::result<std::shared_ptr<tls_identity const>, identity_fault>;

  [[nodiscard]] static made make(core::identity_message const& from);

  [[nodiscard]] ssl_ctx_st* context() const noexcept { return context_.get(); }
  // When the server's certificate ends, in seconds since 1970.
  [[nodiscard]] std::int64_t ends_at_seconds() const noexcept { return ends_at_seconds_; }

 private:
  tls_identity() = default;

  tls_context_ptr context_;
  std::int64_t ends_at_seconds_ = 0;
};

}  // namespace tacit::net
