// The log port. A line is an event and named fields; no field is ever a value, a key, a label or a
// path with a secret's name.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string_view>
#include <variant>

namespace tacit::core {

enum class severity : std::uint8_t { error, warn, info, debug };

struct log_field {
  std::string_view name;
  std::variant<std::string_view, std::int64_t> value;
};

class log {
 public:
  virtual ~log() = default;
  // From any thread.
  virtual void write(severity how, std::string_view event,
                     std::initializer_list<log_field> fields) noexcept = 0;
  // Whether a line of this severity would be written: asked before one is put together.
  [[nodiscard]] virtual bool wants(severity how) const noexcept = 0;
};

}  // namespace tacit::core
