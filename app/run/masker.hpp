// Replaces delivered values in a stream of bytes, wherever the stream is cut into pieces. No I/O.
//
// At each place the longest value that stands there is replaced by "***", from left to right; all
// other bytes stay as they are. Values of fewer than 8 characters are left alone: they would be
// found everywhere. Only the exact bytes of a value are found, not an encoding of them.
//
// A piece at the end that a value begins with is held until what follows decides. pause() gives it
// out when it is at most 4 bytes long (a prompt that ends so is not cut short); should the value go
// on afterwards, what is left of it is replaced. A longer piece waits for what follows, or for the
// end of the stream, where it is given out as it is.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

#include "core/secret.hpp"

namespace tacit::app {

inline constexpr std::size_t masked_chars_min = 8;
inline constexpr std::size_t paused_bytes_max = 4;
inline constexpr std::size_t masker_input_bytes_max = 16 * 1024;

class masker {
 public:
  // The values are borrowed, from memory that is wiped by its owner.
  explicit masker(std::vector<std::string_view> values);

  // Takes at most masker_input_bytes_max bytes. Appends what is decided to `out`; no call appends
  // more than output_bytes_max().
  void feed(std::string_view bytes, core::secret_buffer& out);
  void pause(core::secret_buffer& out);
  void finish(core::secret_buffer& out);

  // Whether pause() would give something out.
  [[nodiscard]] bool would_pause() const noexcept;
  [[nodiscard]] std::size_t output_bytes_max() const noexcept { return held_.capacity(); }

 private:
  struct found {
    enum class what { nothing, value, piece } is = what::nothing;
    std::size_t bytes = 0;  // of the value
  };
  [[nodiscard]] found look_at(std::string_view text, bool at_end) const noexcept;
  void decide(core::secret_buffer& out, bool at_end);
  void give(std::size_t from, std::size_t to, core::secret_buffer& out) const;

  std::vector<std::string_view> values_;  // by their first two bytes, the longest first
  core::secret_buffer begins_;            // a bit for each pair of bytes that a value begins with
  core::secret_buffer held_;
  std::size_t given_ = 0;  // of held_, by pause()
};

}  // namespace tacit::app
