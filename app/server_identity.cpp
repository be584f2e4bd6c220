#include "app/server_identity.hpp"

#include <string>
#include <string_view>

#include "app/settings/settings.hpp"
#include "core/timestamp.hpp"
#include "net/now.hpp"

namespace tacit::app {

namespace {

std::string_view text_of(std::array<char, core::timestamp_chars> const& when) {
  return {when.data(), when.size()};
}

}  // namespace

std::shared_ptr<net::tls_identity const> require_identity(core::identity_message const& from,
                                                          core::log& log) {
  auto made = net::tls_identity::make(from);
  if (!made) throw startup_error(std::string(net::explain(made.error())));
  core::timestamp const ends{(*made)->ends_at_seconds() * 1000};
  auto const when = core::format_timestamp(ends);
  if (ends < net::now_of_day()) {
    log.write(core::severity::warn, "the certificate of tls.certificate has expired",
              {{"ended", text_of(when)}});
  }
  return *made;
}

void renew_identity(core::identity_message const& from, std::span<net::worker* const> workers,
                    core::log& log) {
  auto made = net::tls_identity::make(from);
  if (!made) {
    log.write(core::severity::error, "the certificate stays as it was",
              {{"fault", net::explain(made.error())}});
    return;
  }
  for (net::worker* const one : workers) one->take_identity(*made);
  // From here on no connection is accepted that would still get the one before.
  core::timestamp const ends{(*made)->ends_at_seconds() * 1000};
  auto const when = core::format_timestamp(ends);
  log.write(core::severity::info, "serving with the certificate as read anew",
            {{"ends", text_of(when)}});
}

}  // namespace tacit::app
