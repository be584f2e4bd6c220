#include "net/delivery_answer.hpp"

#include "core/sealing.hpp"
#include "net/json_writer.hpp"

namespace tacit::net {

using core::errc;
using core::result;

namespace {

// Counts what would be written, so that the real buffer has the size that is needed.
struct counting_sink {
  std::size_t bytes = 0;
  void append(std::string_view text) { bytes += text.size(); }
};

struct buffer_sink {
  core::secret_buffer& out;
  void append(std::string_view text) { CHECK(out.append(text)); }
};

template <typename Sink>
void write_body(Sink& out, core::delivery_policy const& policy, core::project_id const& project,
                sealed_set const& set, opened_set const& opened) {
  out.append(R"({"data":{"project":)");
  append_json_text(out, project.text());
  out.append(R"(,"revision":)");
  out.append(std::to_string(set.revision));
  out.append(R"(,"env":{)");
  std::string_view comma = "";
  for (auto const& [name, value] : opened.entries) {
    out.append(comma);
    append_json_text(out, name);
    out.append(":");
    append_json_text(out, value);
    comma = ",";
  }
  out.append(R"(},"withheld":[)");
  comma = "";
  for (core::record_message const& record : set.records) {
    if (!policy.withholds(record.name.text())) continue;
    out.append(comma);
    append_json_text(out, record.name.text());
    comma = ",";
  }
  out.append("]}}");
}

}  // namespace

result<opened_set> open_set(core::keeper_share const& keys, core::delivery_policy const& policy,
                            core::project_id const& project, sealed_set const& set) {
  std::size_t sealed_bytes = 0;
  for (core::record_message const& record : set.records) sealed_bytes += record.sealed.size();
  opened_set opened{core::secret_buffer(sealed_bytes), {}};
  core::value_opener opener(keys);
  for (core::record_message const& record : set.records) {
    if (policy.withholds(record.name.text())) continue;
    std::size_t const from = opened.bytes.size();
    core::value_place const place{project, record.name, record.record_id};
    if (!opener.open(record.sealed, place, opened.bytes)) return errc::corrupt;
    opened.entries.emplace_back(record.name.text(), opened.bytes.reveal().substr(from));
  }
  return opened;
}

result<core::secret_buffer> make_delivery_body(core::keeper_share const& keys,
                                               core::delivery_policy const& policy,
                                               core::project_id const& project,
                                               sealed_set const& set) {
  auto const opened = open_set(keys, policy, project, set);
  if (!opened) return opened.error();
  counting_sink count;
  write_body(count, policy, project, set, *opened);
  core::secret_buffer body(count.bytes);
  buffer_sink sink{body};
  write_body(sink, policy, project, set, *opened);
  return body;
}

}  // namespace tacit::net
