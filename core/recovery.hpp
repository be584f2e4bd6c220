// The messages on the socket pair between the two processes of `tacit recover`, one datagram each
// (SOCK_SEQPACKET). One reads a store, whose files may be the doing of a captured api process; the
// other holds the keys that open values, and says of one after the other whether it opens:
//
//   opener → reader   start     what to read, and what tells whole rows; the first message, once
//                     verdict   in answer to a question
//   reader → opener   question  does this sealed value open at its place?
//
// No plaintext of a value goes over it. The opener takes every byte of a question as hostile. The
// grammar stands in recovery.cpp.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/crypto.hpp"
#include "core/error.hpp"
#include "core/limits.hpp"
#include "core/name.hpp"
#include "core/sealing.hpp"
#include "core/secret.hpp"

namespace tacit::core {

struct recovery_start {
  std::string store;       // its folder
  std::string into;        // an empty folder for what is left; "" for a look
  std::uint32_t user = 0;  // uid and gid to change to; only when change_user
  std::uint32_t group = 0;
  bool change_user = false;
  bool confine = true;
  key_check check{};
  row_keys keys;
};

struct recovery_question {
  project_id project;
  secret_name name;
  std::uint64_t record_id = 0;
  std::string_view sealed;  // a view into the datagram
};

inline constexpr std::size_t recovery_question_bytes_max =
    1 + 2 * (1 + limits::name_chars_max) + sizeof(std::uint64_t) + sealed_value_bytes_max;

// Holds keys: sent and forgotten.
[[nodiscard]] secret_buffer encode_recovery(recovery_start const& message);
[[nodiscard]] std::string encode_recovery(value_place const& place, std::string_view sealed);
[[nodiscard]] std::string encode_verdict(bool opens);

// errc::corrupt for anything that is not exactly one such message.
[[nodiscard]] result<recovery_start> decode_recovery_start(std::string_view datagram);
[[nodiscard]] result<recovery_question> decode_recovery_question(std::string_view datagram);
[[nodiscard]] result<bool> decode_verdict(std::string_view datagram);

}  // namespace tacit::core
