#include "core/label.hpp"

#include <cstring>

#include "core/check.hpp"
#include "core/secret.hpp"
#include "core/utf8.hpp"

namespace tacit::core {

label::label(label&& other) noexcept : bytes_(other.bytes_), size_(other.size_) { other.clear(); }

label& label::operator=(label&& other) noexcept {
  if (this != &other) {
    bytes_ = other.bytes_;
    size_ = other.size_;
    other.clear();
  }
  return *this;
}

label label::of_text(std::string_view text) noexcept {
  CHECK(text.size() <= limits::label_bytes_max);
  label made;
  if (!text.empty()) std::memcpy(made.bytes_.data(), text.data(), text.size());
  made.size_ = static_cast<std::uint8_t>(text.size());
  return made;
}

void label::clear() noexcept {
  wipe(bytes_.data(), bytes_.size());
  size_ = 0;
}

label make_label(std::string_view value, std::size_t value_chars, std::size_t min_length) noexcept {
  if (value_chars < min_length) return {};
  return label::of_text(last_utf8_chars(value, limits::label_chars));
}

}  // namespace tacit::core
