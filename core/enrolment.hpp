// Enrolments: which runtime on another machine, known by its public key, may read which project,
// and until when. The keeper alone keeps the book of them; nobody else makes or checks its tag.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/crypto.hpp"
#include "core/error.hpp"
#include "core/limits.hpp"
#include "core/name.hpp"
#include "core/timestamp.hpp"

namespace tacit::core {

struct enrolment {
  runtime_id id;
  project_id project;
  exchange_public_key key;
  timestamp created;
  timestamp expires;  // from then on it is not valid

  friend bool operator==(enrolment const&, enrolment const&) = default;
};

// What a key may do now. A key without a valid enrolment is a stranger's, whatever it was.
enum class standing : std::uint8_t { stranger, of_another_project, enrolled };

class enrolment_book {
 public:
  // Raised by each change: two books of one root key with the same epoch are the same.
  [[nodiscard]] std::uint64_t epoch() const noexcept { return epoch_; }
  [[nodiscard]] std::vector<enrolment> const& all() const noexcept { return all_; }  // by id

  [[nodiscard]] bool has_valid(exchange_public_key const& key, timestamp now) const noexcept;
  [[nodiscard]] standing of(exchange_public_key const& key, project_id const& project,
                            timestamp now) const noexcept;
  // Null unless it is enrolled.
  [[nodiscard]] enrolment const* find(exchange_public_key const& key, project_id const& project,
                                      timestamp now) const noexcept;

  // errc::conflict when the id is taken, or the key is enrolled for the project already; both only
  // while the older one is valid, else that goes. errc::secret_limit_exceeded when there are
  // limits::enrolments_max that are valid.
  [[nodiscard]] result<void> add(enrolment const& made, timestamp now);
  // errc::not_found.
  [[nodiscard]] result<void> remove(runtime_id const& id);
  // Removes all. The epoch is above `seen` then.
  void remove_all(std::uint64_t seen) noexcept;

  friend bool operator==(enrolment_book const&, enrolment_book const&) = default;

 private:
  friend std::string encode_book(runtime_book_key const& key, enrolment_book const& book);
  friend result<enrolment_book> decode_book(runtime_book_key const& key, std::string_view bytes);

  std::uint64_t epoch_ = 0;
  std::vector<enrolment> all_;
};

// errc::corrupt for what this root key's keeper did not encode.
[[nodiscard]] std::string encode_book(runtime_book_key const& key, enrolment_book const& book);
[[nodiscard]] result<enrolment_book> decode_book(runtime_book_key const& key,
                                                 std::string_view bytes);
inline constexpr std::size_t book_bytes_max =
    1 + 8 + 2 + limits::enrolments_max * (2 * (1 + limits::name_chars_max) + key_bytes + 16) + 32;

// What the keeper has the store keep, so that it notices a book that is older than the store.
[[nodiscard]] std::string encode_epoch_mark(runtime_book_key const& key, std::uint64_t epoch);
[[nodiscard]] result<std::uint64_t> decode_epoch_mark(runtime_book_key const& key,
                                                      std::string_view bytes);
inline constexpr std::size_t epoch_mark_bytes = 8 + 32;

}  // namespace tacit::core
