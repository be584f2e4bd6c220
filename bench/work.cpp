#include "bench/work.hpp"

#include <algorithm>

#include "core/api_key.hpp"

namespace tacit::bench {

namespace {

constexpr std::uint32_t no_project = ~0u;

// What all scenarios share: choosing, texts that are made again and again, hashes of right bodies.
class scenario_work : public work {
 public:
  scenario_work(work_parts const& parts, std::uint32_t thread)
      : parts_(parts), random_(parts.asked.seed * 1'000'003 + thread) {}

 protected:
  std::uint32_t choose_project() { return parts_.choice.choose(random_); }
  std::uint32_t choose_secret() { return random_.below(parts_.data.size().secrets); }
  std::uint32_t choose_tag() {
    return static_cast<std::uint32_t>(random_.next() >> (64 - tag_bits));
  }
  random_source& random() noexcept { return random_; }
  work_parts const& parts() const noexcept { return parts_; }

  std::string_view project_text(std::uint32_t project) {
    project_.clear();
    parts_.data.append_project(project_, project);
    return project_;
  }

  // {"key":KEY,"value":VALUE} with the value of that secret and tag.
  std::string_view secret_body(std::string_view key, operation const& at) {
    body_.assign(R"({"key":")").append(key).append(R"(","value":")");
    parts_.data.append_value(body_, at.project, at.secret, at.tag);
    body_.append("\"}");
    return body_;
  }

  // Whether a body of this project was seen and found right; a new one is, once `remember`ed.
  bool was_right(std::uint32_t project, std::uint64_t hash) {
    if (right_.empty()) right_.resize(parts_.data.size().projects);
    return right_[project] == hash;
  }
  void remember(std::uint32_t project, std::uint64_t hash) { right_[project] = hash; }

  void ask_list(operation& at, std::string& out) {
    at.kind = request_kind::list;
    at.project = choose_project();
    parts_.form.get_list(out, project_text(at.project));
  }

  std::string check_list(operation const& at, answer const& got, bool with_tags) {
    if (got.status != 200) return unexpected_status(got, 200);
    std::uint64_t const hash = hash_of(got.body);
    if (was_right(at.project, hash)) return "";
    std::string fault = fault_of_list(got.body, {parts_.data, at.project, with_tags}, {});
    if (fault.empty()) remember(at.project, hash);
    return fault;
  }

  void ask_upsert(operation& at, std::string& out) {
    at.kind = request_kind::upsert;
    at.project = choose_project();
    at.secret = choose_secret();
    at.tag = choose_tag();
    key_.clear();
    population::append_secret(key_, at.secret);
    parts_.form.post_secret(out, project_text(at.project), secret_body(key_, at));
  }

  std::string check_upsert(operation const& at, answer const& got) {
    key_.clear();
    population::append_secret(key_, at.secret);
    std::string fault = fault_of_write(got, parts_.data, key_, at.tag);
    if (fault.empty()) parts_.data.note_write(at.project, at.secret, at.tag, got.version);
    return fault;
  }

  std::string key_;

 private:
  work_parts parts_;
  random_source random_;
  std::string project_;
  std::string body_;
  std::vector<std::uint64_t> right_;  // by project
};

// list (nothing changes), upsert and mixed: a share of upserts, the rest lists.
class upserts_and_lists final : public scenario_work {
 public:
  upserts_and_lists(work_parts const& parts, std::uint32_t thread, std::uint32_t writes_percent)
      : scenario_work(parts, thread), writes_percent_(writes_percent) {}

  bool next(operation& at, std::string& out) override {
    bool const writes = writes_percent_ > 0 && random().below(100) < writes_percent_;
    writes ? ask_upsert(at, out) : ask_list(at, out);
    return true;
  }
  std::string check(operation const& at, answer const& got) override {
    if (at.kind == request_kind::upsert) return check_upsert(at, got);
    return check_list(at, got, writes_percent_ == 0);
  }

 private:
  std::uint32_t writes_percent_;
};

// Each lane adds a secret of its own name to some project, then deletes it, and so on.
class inserts_and_deletes final : public scenario_work {
 public:
  inserts_and_deletes(work_parts const& parts, std::uint32_t thread, lane_range lanes)
      : scenario_work(parts, thread), first_lane_(lanes.first) {
    lanes_.resize(lanes.count);
    for (std::uint32_t i = 0; i < lanes.count; ++i) {
      lanes_[i] = {no_project, first_lane_ + i, 0};
    }
  }

  bool next(operation& at, std::string& out) override {
    left_entry const& held = lanes_[at.lane - first_lane_];
    key_.clear();
    population::append_lane(key_, at.lane);
    if (held.project == no_project) {
      at.kind = request_kind::insert;
      at.project = choose_project();
      at.secret = at.lane;
      at.tag = choose_tag();
      parts().form.post_secret(out, project_text(at.project), secret_body(key_, at));
    } else {
      at.kind = request_kind::remove;
      at.project = held.project;
      parts().form.delete_secret(out, project_text(at.project), key_);
    }
    return true;
  }

  std::string check(operation const& at, answer const& got) override {
    left_entry& held = lanes_[at.lane - first_lane_];
    key_.clear();
    population::append_lane(key_, at.lane);
    if (at.kind == request_kind::insert) {
      held = {at.project, at.lane, at.tag};
      return fault_of_write(got, parts().data, key_, at.tag);
    }
    held.project = no_project;
    if (got.status != 200) return unexpected_status(got, 200);
    auto const existed = read_removed(got.body);
    if (!existed) return "the answer to a DELETE has not the contract's shape";
    return *existed ? "" : "deleting " + key_ + ", which was added, says that it did not exist";
  }

  std::vector<left_entry> const& lanes() const noexcept { return lanes_; }

 private:
  std::uint32_t first_lane_;
  std::vector<left_entry> lanes_;  // project is no_project while the lane has no secret
};

// The right form, nobody's: so that the server must look it up.
class bad_keys final : public scenario_work {
 public:
  bad_keys(work_parts const& parts, std::uint32_t thread) : scenario_work(parts, thread) {}

  bool next(operation& at, std::string& out) override {
    ask_list(at, out);
    at.kind = request_kind::bad_key;
    return true;
  }
  std::string check(operation const&, answer const& got) override {
    if (got.status != 401) return unexpected_status(got, 401);
    auto const code = read_error_code(got.body);
    return code == "UNAUTHORIZED" ? "" : "the code of a 401 is not UNAUTHORIZED";
  }
};

class deliveries final : public scenario_work {
 public:
  deliveries(work_parts const& parts, std::uint32_t thread) : scenario_work(parts, thread) {}

  bool next(operation& at, std::string& out) override {
    at.kind = request_kind::deliver;
    at.project = choose_project();
    parts().form.get_values(out, project_text(at.project));
    return true;
  }

  std::string check(operation const& at, answer const& got) override {
    if (got.status != 200) return unexpected_status(got, 200);
    std::uint64_t const hash = hash_of(got.body);
    if (was_right(at.project, hash)) return "";
    population const& data = parts().data;
    std::uint32_t seen = 0;
    bool const right = read_delivery(
        got.body, project_text(at.project), [&](std::string_view key, std::string_view value) {
          if (seen == data.size().secrets) return false;
          key_.clear();
          value_.clear();
          population::append_secret(key_, seen);
          data.append_value(value_, at.project, seen, data.newest_tag(at.project, seen));
          ++seen;
          return key == key_ && value == value_;
        });
    if (!right || seen != data.size().secrets) {
      return "the delivered values of " + std::string(project_text(at.project)) +
             " are not those that were written";  // and are not shown
    }
    remember(at.project, hash);
    return "";
  }

 private:
  std::string value_;
};

}  // namespace

char const* name_of(request_kind kind) noexcept {
  switch (kind) {
    case request_kind::list:
      return "list";
    case request_kind::upsert:
      return "upsert";
    case request_kind::insert:
      return "insert";
    case request_kind::remove:
      return "delete";
    case request_kind::bad_key:
      return "bad key";
    case request_kind::deliver:
      return "deliver";
    case request_kind::manage:
      return "manage";
  }
  return "";
}

std::unique_ptr<work> make_scenario(work_parts const& parts, std::uint32_t thread,
                                    lane_range lanes) {
  switch (parts.asked.what) {
    case scenario::list:
      return std::make_unique<upserts_and_lists>(parts, thread, 0);
    case scenario::upsert:
      return std::make_unique<upserts_and_lists>(parts, thread, 100);
    case scenario::mixed:
      return std::make_unique<upserts_and_lists>(parts, thread, parts.asked.writes_percent);
    case scenario::insert_delete:
      return std::make_unique<inserts_and_deletes>(parts, thread, lanes);
    case scenario::auth_fail:
      return std::make_unique<bad_keys>(parts, thread);
    case scenario::delivery:
      return std::make_unique<deliveries>(parts, thread);
  }
  return nullptr;
}

void collect_left(work const& one, std::vector<left_entry>& into) {
  auto const* const lanes = dynamic_cast<inserts_and_deletes const*>(&one);
  if (lanes == nullptr) return;
  std::copy_if(lanes->lanes().begin(), lanes->lanes().end(), std::back_inserter(into),
               [](left_entry const& held) { return held.project != no_project; });
}

}  // namespace tacit::bench
