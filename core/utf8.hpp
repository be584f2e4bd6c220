// UTF-8 (RFC 3629): what is well formed, and how many characters (Unicode scalar values) there are.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

namespace tacit::core {

// The number of characters, or nothing when the bytes are not well-formed UTF-8 (overlong forms,
// surrogates, beyond U+10FFFF, cut off).
[[nodiscard]] std::optional<std::size_t> count_utf8_chars(std::string_view bytes) noexcept;

// The last `chars` characters of well-formed UTF-8, all of it when it has fewer.
[[nodiscard]] std::string_view last_utf8_chars(std::string_view bytes, std::size_t chars) noexcept;

}  // namespace tacit::core
