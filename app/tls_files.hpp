// The files of tls.certificate, tls.key and tls.client_ca. The keeper reads them, at the start and
// on SIGHUP, and hands their bytes to the api process without looking into them: the api process
// can reach no file of them, and the keeper has no parser for them.
#pragma once

#include <string>
#include <vector>

#include "app/settings/settings.hpp"
#include "core/channel.hpp"

namespace tacit::app {

// Throws startup_error: a file that cannot be read, is too large or no file, a key that others can
// read, a folder that is not for them alone.
[[nodiscard]] core::identity_message read_tls_files(settings const& configured);

// The folders that the files lie in, also those that links lead to: as they may be replaced. For
// the keeper's confinement.
[[nodiscard]] std::vector<std::string> folders_of_tls_files(settings const& configured);

}  // namespace tacit::app
