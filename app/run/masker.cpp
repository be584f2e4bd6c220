#include "app/run/masker.hpp"

#include <algorithm>
#include <cstring>

#include "core/check.hpp"
#include "core/utf8.hpp"

namespace tacit::app {

namespace {

constexpr std::string_view mask = "***";
constexpr std::size_t pairs = 65'536;

std::size_t pair_of(std::string_view text) noexcept {
  return static_cast<std::size_t>(static_cast<unsigned char>(text[0])) << 8u |
         static_cast<unsigned char>(text[1]);
}

bool is_short(std::string_view value) {
  return core::count_utf8_chars(value).value_or(value.size()) < masked_chars_min;
}

std::size_t longest(std::vector<std::string_view> const& values) {
  std::size_t bytes = 0;
  for (std::string_view const value : values) bytes = std::max(bytes, value.size());
  return bytes;
}

}  // namespace

masker::masker(std::vector<std::string_view> values)
    : values_(std::move(values)),
      begins_(pairs / 8),
      held_(longest(values_) + masker_input_bytes_max) {
  std::erase_if(values_, is_short);
  std::sort(values_.begin(), values_.end(), [](std::string_view a, std::string_view b) {
    std::size_t const first = pair_of(a);
    std::size_t const second = pair_of(b);
    return first != second ? first < second : a.size() > b.size();
  });
  std::span<char> const bits = begins_.reveal_storage();
  std::fill(bits.begin(), bits.end(), '\0');
  for (std::string_view const value : values_) {
    char& byte = bits[pair_of(value) / 8];
    byte = static_cast<char>(byte | 1 << pair_of(value) % 8);
  }
  begins_.resize(bits.size());
}

masker::found masker::look_at(std::string_view text, bool at_end) const noexcept {
  using what = found::what;
  if (text.size() == 1) {
    bool const begins = std::any_of(values_.begin(), values_.end(), [&](std::string_view value) {
      return value.front() == text.front();
    });
    return {begins && !at_end ? what::piece : what::nothing};
  }
  std::size_t const pair = pair_of(text);
  if ((begins_.reveal()[pair / 8] >> pair % 8 & 1) == 0) return {};
  auto at = std::lower_bound(values_.begin(), values_.end(), pair,
                             [](std::string_view a, std::size_t b) { return pair_of(a) < b; });
  for (; at != values_.end() && pair_of(*at) == pair; ++at) {
    if (text.starts_with(*at)) return {what::value, at->size()};
    if (!at_end && at->starts_with(text)) return {what::piece};
  }
  return {};
}

void masker::give(std::size_t from, std::size_t to, core::secret_buffer& out) const {
  from = std::max(from, given_);
  if (from < to) CHECK(out.append(held_.reveal().substr(from, to - from)));
}

void masker::decide(core::secret_buffer& out, bool at_end) {
  std::string_view const text = held_.reveal();
  std::size_t plain = 0;
  std::size_t at = 0;
  while (at < text.size()) {
    found const here = look_at(text.substr(at), at_end);
    if (here.is == found::what::piece) break;
    if (here.is == found::what::nothing) {
      ++at;
      continue;
    }
    give(plain, at, out);
    CHECK(out.append(mask));
    at += here.bytes;
    plain = at;
  }
  give(plain, at, out);
  std::size_t const left = text.size() - at;
  std::memmove(held_.reveal_storage().data(), text.data() + at, left);
  held_.resize(left);
  given_ -= std::min(given_, at);
}

void masker::feed(std::string_view bytes, core::secret_buffer& out) {
  CHECK(held_.append(bytes));
  decide(out, false);
}

bool masker::would_pause() const noexcept {
  return held_.size() > given_ && held_.size() <= paused_bytes_max;
}

void masker::pause(core::secret_buffer& out) {
  if (!would_pause()) return;
  give(0, held_.size(), out);
  given_ = held_.size();
}

void masker::finish(core::secret_buffer& out) { decide(out, true); }

}  // namespace tacit::app
