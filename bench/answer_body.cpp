#include <array>
#include <cstring>

#include "bench/answer.hpp"

namespace tacit::bench {

namespace {

// Goes through JSON from left to right. Each step is false when something else stands there.
class cursor {
 public:
  explicit cursor(std::string_view text) : rest_(text) {}

  bool take(char wanted) noexcept {
    skip_spaces();
    if (rest_.empty() || rest_.front() != wanted) return false;
    rest_.remove_prefix(1);
    return true;
  }

  bool word(std::string_view wanted) noexcept {
    skip_spaces();
    if (!rest_.starts_with(wanted)) return false;
    rest_.remove_prefix(wanted.size());
    return true;
  }

  bool text(std::string_view& found) noexcept {
    if (!take('"')) return false;
    std::size_t end = 0;
    while (true) {
      auto const* const quote =
          static_cast<char const*>(memchr(rest_.data() + end, '"', rest_.size() - end));
      if (quote == nullptr) return false;
      end = static_cast<std::size_t>(quote - rest_.data());
      std::size_t slashes = 0;
      while (slashes < end && rest_[end - 1 - slashes] == '\\') ++slashes;
      if (slashes % 2 == 0) break;
      ++end;
    }
    found = rest_.substr(0, end);
    rest_.remove_prefix(end + 1);
    return true;
  }

  // A text or a plain word (a number, true, false, null).
  bool scalar(std::string_view& found) noexcept {
    skip_spaces();
    if (rest_.starts_with('"')) return text(found);
    std::size_t const end = rest_.find_first_of(",]} \t\r\n");
    if (end == 0 || end == rest_.npos) return false;
    found = rest_.substr(0, end);
    rest_.remove_prefix(end);
    return true;
  }

  bool member(std::string_view& name) noexcept { return text(name) && take(':'); }
  bool member_named(std::string_view wanted) noexcept {
    std::string_view name;
    return member(name) && name == wanted;
  }

  bool at_end() noexcept {
    skip_spaces();
    return rest_.empty();
  }

 private:
  void skip_spaces() noexcept {
    while (!rest_.empty() && (rest_.front() == ' ' || rest_.front() == '\n' ||
                              rest_.front() == '\r' || rest_.front() == '\t')) {
      rest_.remove_prefix(1);
    }
  }

  std::string_view rest_;
};

bool take_secret(cursor& at, shown_secret& found) noexcept {
  std::array<std::pair<std::string_view, std::string_view*>, 4> const members{
      {{"key", &found.key},
       {"lastFour", &found.last_four},
       {"createdAt", &found.created},
       {"updatedAt", &found.updated}}};
  found = {};
  unsigned seen = 0;
  if (!at.take('{')) return false;
  for (std::size_t count = 0; count < members.size(); ++count) {
    std::string_view name;
    if ((count > 0 && !at.take(',')) || !at.member(name)) return false;
    for (std::size_t i = 0; i < members.size(); ++i) {
      if (name != members[i].first) continue;
      if (!at.text(*members[i].second)) return false;
      seen |= 1u << i;
    }
  }
  // "2026-04-18T09:12:44.000Z": as texts they are in the order of time.
  constexpr std::size_t time_chars = 24;
  return seen == 15 && at.take('}') && found.created.size() == time_chars &&
         found.updated.size() == time_chars && found.created <= found.updated;
}

bool is_end(cursor& at, int objects) noexcept {
  for (int i = 0; i < objects; ++i) {
    if (!at.take('}')) return false;
  }
  return at.at_end();
}

bool begin_data(cursor& at) noexcept { return at.take('{') && at.member_named("data"); }

bool take_values(cursor& at, std::function<bool(std::string_view, std::string_view)> const& visit) {
  if (!at.take('{')) return false;
  if (at.take('}')) return true;
  do {
    std::string_view name;
    std::string_view value;
    if (!at.member(name) || !at.text(value) || !visit(name, value)) return false;
  } while (at.take(','));
  return at.take('}');
}

}  // namespace

bool read_list(std::string_view body, std::function<bool(shown_secret const&)> const& visit) {
  cursor at(body);
  if (!begin_data(at) || !at.take('{') || !at.member_named("secrets") || !at.take('[')) {
    return false;
  }
  if (at.take(']')) return is_end(at, 2);
  do {
    shown_secret found;
    if (!take_secret(at, found) || !visit(found)) return false;
  } while (at.take(','));
  return at.take(']') && is_end(at, 2);
}

std::optional<shown_secret> read_secret(std::string_view body) {
  cursor at(body);
  shown_secret found;
  bool const right = begin_data(at) && at.take('{') && at.member_named("secret") &&
                     take_secret(at, found) && is_end(at, 2);
  return right ? std::optional(found) : std::nullopt;
}

std::optional<bool> read_removed(std::string_view body) {
  cursor at(body);
  if (!begin_data(at) || !at.take('{')) return std::nullopt;
  bool success = false;
  std::optional<bool> existed;
  do {
    std::string_view name;
    std::string_view value;
    if (!at.member(name) || !at.scalar(value)) return std::nullopt;
    if (name == "success") success = value == "true";
    if (name == "existed") existed = value == "true";
  } while (at.take(','));
  return success && is_end(at, 2) ? existed : std::nullopt;
}

std::optional<std::string_view> read_error_code(std::string_view body) {
  cursor at(body);
  if (!at.take('{') || !at.member_named("error") || !at.take('{')) return std::nullopt;
  do {
    std::string_view name;
    std::string_view value;
    if (!at.member(name) || !at.text(value)) return std::nullopt;
    if (name == "code") return value;
  } while (at.take(','));
  return std::nullopt;
}

bool read_delivery(std::string_view body, std::string_view project,
                   std::function<bool(std::string_view, std::string_view)> const& visit) {
  cursor at(body);
  if (!begin_data(at) || !at.take('{')) return false;
  unsigned seen = 0;
  do {
    std::string_view name;
    std::string_view value;
    if (!at.member(name)) return false;
    if (name == "project") {
      if (!at.text(value) || value != project) return false;
      seen |= 1;
    } else if (name == "env") {
      if (!take_values(at, visit)) return false;
      seen |= 2;
    } else if (name == "withheld") {
      if (!at.take('[') || !at.take(']')) return false;
      seen |= 4;
    } else if (!at.scalar(value)) {
      return false;
    }
  } while (at.take(','));
  return seen == 7 && is_end(at, 2);
}

}  // namespace tacit::bench
