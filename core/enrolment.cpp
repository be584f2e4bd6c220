// The book, little-endian; a short text has one byte of length before it:
//
//   book       format(1) = 1 epoch(8) count(2) { enrolment } tag(32)
//   enrolment  short text(id) short text(project) key(32) created(8) expires(8), ascending by id
//   mark       epoch(8) tag(32)
//
// A tag is keyed BLAKE2b of "book" or "mark" and all that stands before it. Never change a value.
#include "core/enrolment.hpp"

#include <algorithm>
#include <array>

#include "core/wire.hpp"

namespace tacit::core {

namespace {

constexpr std::uint8_t book_format = 1;
constexpr std::size_t tag_bytes = 32;
using tag = std::array<unsigned char, tag_bytes>;

tag make_tag(runtime_book_key const& key, std::string_view what, std::string_view bytes) {
  tag made;
  keyed_hash(key.reveal(), {as_bytes(what), as_bytes(bytes)}, made);
  return made;
}

void append_tag(runtime_book_key const& key, std::string_view what, std::string& to) {
  tag const made = make_tag(key, what, to);
  wire_writer(to).bytes(made);
}

// What stands before the tag.
result<std::string_view> check_tag(runtime_book_key const& key, std::string_view what,
                                   std::string_view bytes) {
  if (bytes.size() < tag_bytes) return errc::corrupt;
  std::string_view const before = bytes.substr(0, bytes.size() - tag_bytes);
  bytes_view const given = as_bytes(bytes.substr(before.size()));
  if (!equal_in_constant_time(make_tag(key, what, before), given)) return errc::corrupt;
  return before;
}

bool is_valid(enrolment const& one, timestamp now) noexcept { return now < one.expires; }

result<enrolment> decode_enrolment(wire_reader& from) {
  auto const id = runtime_id::parse(from.short_text());
  auto const project = project_id::parse(from.short_text());
  exchange_public_key key;
  from.bytes(std::span(key.bytes));
  timestamp const created{from.number<std::int64_t>()};
  timestamp const expires{from.number<std::int64_t>()};
  if (!from.ok() || !id || !project) return errc::corrupt;
  return enrolment{*id, *project, key, created, expires};
}

}  // namespace

bool enrolment_book::has_valid(exchange_public_key const& key, timestamp now) const noexcept {
  return std::any_of(all_.begin(), all_.end(),
                     [&](enrolment const& one) { return one.key == key && is_valid(one, now); });
}

enrolment const* enrolment_book::find(exchange_public_key const& key, project_id const& project,
                                      timestamp now) const noexcept {
  auto const found = std::find_if(all_.begin(), all_.end(), [&](enrolment const& one) {
    return one.key == key && one.project == project && is_valid(one, now);
  });
  return found == all_.end() ? nullptr : &*found;
}

standing enrolment_book::of(exchange_public_key const& key, project_id const& project,
                            timestamp now) const noexcept {
  if (!has_valid(key, now)) return standing::stranger;
  return find(key, project, now) == nullptr ? standing::of_another_project : standing::enrolled;
}

result<void> enrolment_book::add(enrolment const& made, timestamp now) {
  auto const in_the_way = [&](enrolment const& one) {
    return one.id == made.id || (one.key == made.key && one.project == made.project);
  };
  auto const valid_in_the_way = [&](enrolment const& one) {
    return in_the_way(one) && is_valid(one, now);
  };
  if (std::any_of(all_.begin(), all_.end(), valid_in_the_way)) return errc::conflict;
  bool const full = all_.size() >= limits::enrolments_max;
  auto const goes = [&](enrolment const& one) {
    return in_the_way(one) || (full && !is_valid(one, now));
  };
  std::vector<enrolment> kept;
  std::remove_copy_if(all_.begin(), all_.end(), std::back_inserter(kept), goes);
  if (kept.size() >= limits::enrolments_max) return errc::secret_limit_exceeded;
  auto const by_id = [](enrolment const& a, enrolment const& b) { return a.id < b.id; };
  kept.insert(std::upper_bound(kept.begin(), kept.end(), made, by_id), made);
  all_ = std::move(kept);
  ++epoch_;
  return {};
}

result<void> enrolment_book::remove(runtime_id const& id) {
  auto const removed = std::erase_if(all_, [&](enrolment const& one) { return one.id == id; });
  if (removed == 0) return errc::not_found;
  ++epoch_;
  return {};
}

void enrolment_book::remove_all(std::uint64_t seen) noexcept {
  all_.clear();
  epoch_ = std::max(epoch_, seen) + 1;
}

std::string encode_book(runtime_book_key const& key, enrolment_book const& book) {
  std::string out;
  wire_writer to(out);
  to.number(book_format);
  to.number(book.epoch_);
  to.number(static_cast<std::uint16_t>(book.all_.size()));
  for (enrolment const& one : book.all_) {
    to.short_text(one.id.text());
    to.short_text(one.project.text());
    to.bytes(one.key.bytes);
    to.number(one.created.unix_milliseconds);
    to.number(one.expires.unix_milliseconds);
  }
  append_tag(key, "book", out);
  return out;
}

result<enrolment_book> decode_book(runtime_book_key const& key, std::string_view bytes) {
  auto const authentic = check_tag(key, "book", bytes);
  if (!authentic) return authentic.error();
  wire_reader from(*authentic);
  if (from.number<std::uint8_t>() != book_format) return errc::corrupt;
  enrolment_book book;
  book.epoch_ = from.number<std::uint64_t>();
  auto const count = from.number<std::uint16_t>();
  if (count > limits::enrolments_max) return errc::corrupt;
  for (unsigned i = 0; i < count; ++i) {
    auto const one = decode_enrolment(from);
    if (!one) return errc::corrupt;
    if (!book.all_.empty() && !(book.all_.back().id < one->id)) return errc::corrupt;
    book.all_.push_back(*one);
  }
  if (!from.done()) return errc::corrupt;
  return book;
}

std::string encode_epoch_mark(runtime_book_key const& key, std::uint64_t epoch) {
  std::string out;
  wire_writer(out).number(epoch);
  append_tag(key, "mark", out);
  return out;
}

result<std::uint64_t> decode_epoch_mark(runtime_book_key const& key, std::string_view bytes) {
  auto const authentic = check_tag(key, "mark", bytes);
  if (!authentic) return authentic.error();
  wire_reader from(*authentic);
  auto const epoch = from.number<std::uint64_t>();
  if (!from.done()) return errc::corrupt;
  return epoch;
}

}  // namespace tacit::core
