// The finite works around a run, and the checks that they share with the scenarios.
#include <algorithm>

#include "app/cli/output.hpp"
#include "bench/work.hpp"

namespace tacit::bench {

namespace {

class chore_work final : public work {
 public:
  chore_work(chore what, chore_parts const& parts, std::atomic<std::uint64_t>& taken)
      : what_(what), parts_(parts), taken_(taken), random_(parts.data.secrets_of_all()) {
    switch (what) {
      case chore::make_first_project:
        total_ = 1;
        break;
      case chore::make_projects:
      case chore::verify:
        total_ = parts.data.size().projects;
        break;
      case chore::fill:
        total_ = parts.data.secrets_of_all();
        break;
      case chore::delete_projects:
        total_ = parts.doomed.size();
        break;
    }
  }

  bool next(operation& at, std::string& out) override {
    std::uint64_t const mine = taken_.fetch_add(1, std::memory_order_relaxed);
    if (mine >= total_) return false;
    std::uint64_t const each = what_ == chore::fill ? parts_.data.size().secrets : 1;
    at.kind = request_kind::manage;
    at.project = what_ == chore::delete_projects ? parts_.doomed[static_cast<std::size_t>(mine)]
                                                 : static_cast<std::uint32_t>(mine / each);
    at.secret = static_cast<std::uint32_t>(mine % each);
    project_.clear();
    parts_.data.append_project(project_, at.project);
    switch (what_) {
      case chore::make_first_project:
      case chore::make_projects:
        make_project(out);
        break;
      case chore::fill:
        fill(at, out);
        break;
      case chore::verify:
        parts_.form.get_list(out, project_);
        break;
      case chore::delete_projects:
        parts_.form.delete_project(out, project_);
        break;
    }
    return true;
  }

  std::string check(operation const& at, answer const& got) override {
    switch (what_) {
      case chore::make_first_project:
        if (got.limit > 0 && got.limit < writes_needed()) return limiter_advice;
        return got.status == 201 ? "" : unexpected_status(got, 201);
      case chore::make_projects:
        return got.status == 201 ? "" : unexpected_status(got, 201);
      case chore::fill:
        return check_fill(at, got);
      case chore::verify:
        if (got.status != 200) return unexpected_status(got, 200);
        return fault_of_list(got.body, {parts_.data, at.project, parts_.data.has_versions()},
                             parts_.left);
      case chore::delete_projects:
        return got.status == 200 || got.status == 404 ? "" : unexpected_status(got, 200);
    }
    return "";
  }

  std::string refused(operation const& at) override {
    if (what_ != chore::delete_projects) return limiter_advice;
    parts_.refused.push_back(at.project);
    return "";
  }

 private:
  [[nodiscard]] std::uint64_t writes_needed() const noexcept {
    return parts_.data.size().projects + parts_.data.secrets_of_all();
  }

  void make_project(std::string& out) {
    body_.assign(R"({"name":")").append(project_).append(R"(","id":")").append(project_);
    body_.append("\"");
    if (parts_.secret_limit > 0) {
      body_.append(R"(,"secretLimit":)").append(std::to_string(parts_.secret_limit));
    }
    parts_.form.post_project(out, body_.append("}"));
  }

  void fill(operation& at, std::string& out) {
    at.tag = static_cast<std::uint32_t>(random_.next() >> (64 - tag_bits));
    body_.assign(R"({"key":")");
    population::append_secret(body_, at.secret);
    body_.append(R"(","value":")");
    parts_.data.append_value(body_, at.project, at.secret, at.tag);
    parts_.form.post_secret(out, project_, body_.append("\"}"));
  }

  std::string check_fill(operation const& at, answer const& got) {
    body_.clear();
    population::append_secret(body_, at.secret);
    std::string fault = fault_of_write(got, parts_.data, body_, at.tag);
    if (fault.empty()) parts_.data.note_write(at.project, at.secret, at.tag, got.version);
    return fault;
  }

  chore what_;
  chore_parts parts_;
  std::atomic<std::uint64_t>& taken_;
  std::uint64_t total_ = 0;
  random_source random_;
  std::string project_;
  std::string body_;
};

std::string quoted(std::string_view text) {
  constexpr std::size_t shown_chars_max = 64;
  return "'" + app::shown(text.substr(0, shown_chars_max)) + "'";
}

bool before(left_entry const& a, left_entry const& b) {
  return a.project != b.project ? a.project < b.project : a.lane < b.lane;
}

}  // namespace

std::unique_ptr<work> make_chore(chore what, chore_parts const& parts,
                                 std::atomic<std::uint64_t>& taken) {
  return std::make_unique<chore_work>(what, parts, taken);
}

// LANE_ names come before SECRET_ names, both with their numbers padded: the order of a list.
std::string fault_of_list(std::string_view body, list_expectation const& expected,
                          std::vector<left_entry> const& left) {
  population const& data = expected.data;
  auto lane =
      std::lower_bound(left.begin(), left.end(), left_entry{expected.project, 0, 0}, before);
  std::uint32_t secret = 0;
  std::string project;
  data.append_project(project, expected.project);
  std::string fault;
  std::string key;
  auto const visit = [&](shown_secret const& found) {
    bool const is_lane = lane != left.end() && lane->project == expected.project;
    if (!is_lane && secret == data.size().secrets) {
      fault = "the list of " + project + " has " + quoted(found.key) + ", which was not written";
      return false;
    }
    key.clear();
    is_lane ? population::append_lane(key, lane->lane) : population::append_secret(key, secret);
    std::uint32_t const tag = is_lane ? lane->tag : data.newest_tag(expected.project, secret);
    if (found.key != key) {
      fault = "the list of " + project + " has " + quoted(found.key) + " where " + key + " belongs";
      return false;
    }
    bool const known = is_lane || expected.with_tags;
    if (known && !data.shows(found.last_four, tag)) {
      fault = "the list of " + project + " shows for " + key + " the lastFour of another write";
      return false;
    }
    is_lane ? static_cast<void>(++lane) : static_cast<void>(++secret);
    return true;
  };
  bool const understood = read_list(body, visit);
  if (!fault.empty()) return fault;
  if (!understood) return "the list of " + project + " has not the contract's shape";
  if (lane != left.end() && lane->project == expected.project) {
    population::append_lane(key = "", lane->lane);
    return "the list of " + project + " lacks " + key;
  }
  if (secret == data.size().secrets) return "";
  return "the list of " + project + " has " + std::to_string(secret) + " secrets instead of " +
         std::to_string(data.size().secrets);
}

std::string fault_of_write(answer const& got, population const& data, std::string_view key,
                           std::uint32_t tag) {
  if (got.status != 200) return unexpected_status(got, 200);
  auto const shown = read_secret(got.body);
  if (!shown) return "the answer to a write has not the contract's shape";
  if (shown->key != key) {
    return "the answer to a write of " + std::string(key) + " names " + quoted(shown->key);
  }
  if (data.shows(shown->last_four, tag)) return "";
  return "the answer to a write of " + std::string(key) + " has not the lastFour of its value";
}

std::string unexpected_status(answer const& got, unsigned wanted) {
  auto const code = read_error_code(got.body);
  return "answered " + std::to_string(got.status) + (code ? " " + app::shown(*code) : "") +
         " instead of " + std::to_string(wanted);
}

}  // namespace tacit::bench
