// Stored rows and sealed values. The first byte says which family ('d': deliveries), the second
// what is done: the bytes are a row as they are, or the body of one that is given a right tag (as
// an attacker with the row key would: no memory fault may come of it). For every input: a row that
// is taken as it is decodes to what encodes to the same bytes; a right row with one bit changed,
// or at another place, is refused.
#include "core/record.hpp"

#include <string>

#include "core/sealing.hpp"
#include "core/wire.hpp"
#include "tests/fuzz/target.hpp"

namespace {

using namespace tacit::core;
namespace fuzz = tacit::fuzz;

struct keys {
  root_key root;
  api_share api;
  keeper_share keeper;
};

keys make_keys() {
  init_crypto();
  root_key root;
  for (std::size_t i = 0; i < root_key::bytes; ++i) {
    root.reveal_mutable()[i] = static_cast<unsigned char>(i);
  }
  api_share api = derive_api_share(root);
  keeper_share keeper = derive_keeper_share(root);
  return {std::move(root), std::move(api), std::move(keeper)};
}

keys const& fixed_keys() {
  static keys const made = make_keys();
  return made;
}

constexpr std::string_view place_key = "project-1";

// The row again from what it decoded to; nothing when it is refused.
std::optional<std::string> recoded(row_place place, std::string_view row) {
  row_keys const& with = fixed_keys().api.rows;
  switch (place.in) {
    case family::projects:
      if (auto const got = decode_project(with, place, row))
        return encode_project(with, place, *got);
      break;
    case family::counters:
      if (auto const got = decode_counters(with, place, row)) {
        return encode_counters(with, place, *got);
      }
      break;
    case family::api_keys:
      if (auto const got = decode_api_key(with, place, row))
        return encode_api_key(with, place, *got);
      break;
    case family::meta:
      if (auto const got = decode_sequence(with, place, row)) {
        return encode_sequence(with, place, *got);
      }
      break;
    case family::secrets:  // its nonce is new each time: the row itself when all else is the same
      if (auto const got = decode_secret(with, place, row)) {
        std::string const again = encode_secret(with, place, *got);
        CHECK(again.size() == row.size() && again.substr(0, 33) == row.substr(0, 33));
        auto const twice = decode_secret(with, place, again);
        CHECK(twice && twice->last_four.reveal() == got->last_four.reveal());
        return std::string(row);
      }
      break;
    case family::deliveries:
      if (auto const got = decode_receipt(with, place, row)) {
        return encode_receipt(with, place, *got);
      }
      break;
    case family::values:
      break;
  }
  return std::nullopt;
}

// The grammar's tag (record.cpp), written anew.
std::string with_tag(row_place place, std::string row) {
  std::string bytes("tacit row 1");
  bytes.push_back(static_cast<char>(place.in));
  bytes.push_back(static_cast<char>(place.key.size()));
  bytes.append(place.key).append(row);
  std::array<unsigned char, row_tag_bytes> tag;
  keyed_hash(fixed_keys().api.rows.row.reveal(), {as_bytes(bytes)}, tag);
  return row.append(reinterpret_cast<char const*>(tag.data()), tag.size());
}

// The grammar above is the one that is used: else nothing behind a tag would be looked at.
bool is_our_grammar() {
  std::string row = encode_sequence(fixed_keys().api.rows, {family::meta, place_key}, 7);
  std::string const body = row.substr(0, row.size() - row_tag_bytes);
  CHECK(with_tag({family::meta, place_key}, body) == row);
  return true;
}

void check_values(std::string_view bytes, std::size_t choice) {
  keys const& with = fixed_keys();
  static sealer seals(with.api.public_key, with.api.record);
  static secret_buffer out(limits::value_bytes_max);
  project_id const project = *project_id::parse("p");
  project_id const other = *project_id::parse("q");
  secret_name const name = *secret_name::parse("A");
  out.clear();
  CHECK(!open_value(with.keeper, bytes, {project, name, 1}, out) && out.empty());

  std::string_view const value = bytes.substr(0, limits::value_bytes_max);
  std::string sealed = seals.seal(value, {project, name, 1}, 0);
  CHECK(!open_value(with.keeper, sealed, {other, name, 1}, out) && out.empty());
  CHECK(!open_value(with.keeper, sealed, {project, name, 2}, out) && out.empty());
  CHECK(open_value(with.keeper, sealed, {project, name, 1}, out) && out.reveal() == value);
  out.clear();
  char& byte = sealed[choice / 8 % sealed.size()];
  byte = static_cast<char>(byte ^ 1 << choice % 8);
  CHECK(!open_value(with.keeper, sealed, {project, name, 1}, out) && out.empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  std::string_view input = fuzz::as_text(data, size);
  [[maybe_unused]] static bool const checked = is_our_grammar();
  std::size_t const choice = fuzz::choice_of(input);
  std::uint8_t const first = fuzz::take_byte(input);
  auto const in = first == 'd' ? family::deliveries : static_cast<family>(first % 6 + 1);
  bool const as_is = fuzz::take_byte(input) % 2 == 0;
  if (in == family::values) {
    check_values(input, choice);
    return 0;
  }
  row_place const place{in, place_key};
  if (as_is || in == family::secrets) {
    // No tag is met by chance: what is taken was made by us.
    if (auto const again = recoded(place, input)) CHECK(*again == input);
  }
  if (as_is) return 0;

  std::string row;
  if (in == family::secrets) {
    secret_row made;
    made.version = choice;
    made.last_four = label::of_text(input.substr(0, limits::label_bytes_max));
    row = encode_secret(fixed_keys().api.rows, place, made);
    CHECK(recoded(place, row));
  } else {
    row = with_tag(place, std::string(input));
    auto const once = recoded(place, row);
    if (once) CHECK(recoded(place, *once) == once);
    if (!once) return 0;
  }
  CHECK(!recoded({in, "project-2"}, row));
  CHECK(!recoded({in == family::meta ? family::counters : family::meta, place_key}, row));
  char& byte = row[choice / 8 % row.size()];
  byte = static_cast<char>(byte ^ 1 << choice % 8);
  CHECK(!recoded(place, row));
  return 0;
}
