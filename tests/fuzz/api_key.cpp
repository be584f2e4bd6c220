// The API key parser. For every input: what is taken has the form and check digits that a plain
// reading finds; with its check digits put right it is taken; one character changed is refused.
#include "core/api_key.hpp"

#include <string>

#include "tests/fuzz/target.hpp"

namespace {

using namespace tacit::core;
namespace fuzz = tacit::fuzz;

constexpr std::string_view digits =
    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

// CRC-32 bit by bit, written as six digits.
std::string check_of(std::string_view random) {
  std::uint32_t crc = 0xFFFF'FFFFu;
  for (char const c : random) {
    crc ^= static_cast<unsigned char>(c);
    for (int bit = 0; bit < 8; ++bit) crc = crc & 1 ? crc >> 1 ^ 0xEDB8'8320u : crc >> 1;
  }
  crc = ~crc;
  std::string text(api_key_check_chars, '0');
  for (std::size_t i = text.size(); i-- > 0; crc /= 62) text[i] = digits[crc % 62];
  return text;
}

bool has_form(std::string_view text) {
  return text.size() == api_key_chars && text.starts_with("tac_") &&
         text.find_first_not_of(digits, 4) == text.npos &&
         text.substr(34) == check_of(text.substr(4, 30));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  std::string_view const text = fuzz::as_text(data, size);
  auto const parsed = api_key_text::parse(text);
  CHECK(parsed.has_value() == has_form(text));
  if (parsed) CHECK(parsed->reveal() == text && parsed->shown_prefix() == text.substr(0, 8));

  std::string odd("tac_" + std::string(text.substr(0, api_key_random_chars)));
  odd += check_of(std::string_view(odd).substr(4));
  CHECK(api_key_text::parse(odd).has_value() == has_form(odd));

  std::string key = "tac_";
  for (std::size_t i = 0; i < api_key_random_chars; ++i) {
    key.push_back(digits[i < size ? data[i] % digits.size() : i]);
  }
  key += check_of(std::string_view(key).substr(4));
  CHECK(api_key_text::parse(key).has_value());
  std::size_t const choice = fuzz::choice_of(text);
  std::size_t const at = choice % key.size();
  auto const other = static_cast<char>(choice / key.size());
  if (other != key[at]) {
    key[at] = other;
    CHECK(!api_key_text::parse(key));
  }
  return 0;
}
