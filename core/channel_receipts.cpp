// Receipts in messages; the grammar stands in channel.cpp.
#include <algorithm>

#include "core/channel.hpp"
#include "core/channel_bytes.hpp"
#include "core/limits.hpp"

namespace tacit::core {

namespace {

constexpr std::size_t secret_bytes_max = 1 + limits::name_chars_max + 8 + 8;

// Up to and without the count.
std::string receipt_head(receipt const& one, delivery_extent extent) {
  std::string head;
  wire_writer to(head);
  to.short_text(one.project.text());
  to.number(to_byte(one.to.uid.has_value()));
  to.number(one.to.uid.value_or(0));
  to.short_text(one.to.unit);
  to.short_text(one.to.runtime);
  to.short_text(one.to.host);
  to.number(one.at.unix_milliseconds);
  to.number(to_byte(extent == delivery_extent::whole));
  return head;
}

// Fills messages with receipts, one after the other.
class batch_packer {
 public:
  batch_packer() { begin(); }

  void add(receipt const& one) {
    delivery_extent extent = one.extent;
    std::size_t at = 0;
    do {
      std::string const head = receipt_head(one, extent);
      std::size_t const least = head.size() + sizeof(std::uint16_t) + secret_bytes_max;
      if (current().size() + least > limits::channel_message_bytes_max) begin();
      at = append(head, one, at);
      extent = delivery_extent::part;
    } while (at < one.secrets.size());
  }

  std::vector<std::string> finish() && {
    current()[1] = 1;
    return std::move(messages_);
  }

 private:
  std::string& current() { return messages_.back(); }
  void begin() { messages_.push_back(message_of(message_kind::receipts) + '\0'); }

  // As many of the secrets from `at` on as fit. Returns the first that does not.
  std::size_t append(std::string const& head, receipt const& one, std::size_t at) {
    std::string& out = current();
    std::size_t const room =
        limits::channel_message_bytes_max - out.size() - head.size() - sizeof(std::uint16_t);
    std::size_t const left = one.secrets.size() - at;
    auto const count = static_cast<std::uint16_t>(std::min(left, room / secret_bytes_max));
    wire_writer to(out);
    out.append(head);
    to.number(count);
    for (std::size_t const end = at + count; at < end; ++at) {
      to.short_text(one.secrets[at].name.text());
      to.number(one.secrets[at].version);
      to.number(one.secrets[at].at.unix_milliseconds);
    }
    return at;
  }

  std::vector<std::string> messages_;
};

}  // namespace

result<receipt> decode_receipt(wire_reader& from) {
  auto const project = project_id::parse(from.short_text());
  if (!project) return errc::corrupt;
  consumer to;
  bool const has_uid = from.number<std::uint8_t>() != 0;
  auto const uid = from.number<std::uint32_t>();
  if (has_uid) to.uid = uid;
  to.unit = from.short_text();
  to.runtime = from.short_text();
  to.host = from.short_text();
  timestamp const at{from.number<std::int64_t>()};
  bool const whole = from.number<std::uint8_t>() != 0;
  receipt one{
      *project, std::move(to), at, whole ? delivery_extent::whole : delivery_extent::part, {}};
  auto const count = from.number<std::uint16_t>();
  for (std::size_t i = 0; i < count; ++i) {
    auto const name = secret_name::parse(from.short_text());
    auto const version = from.number<std::uint64_t>();
    timestamp const given{from.number<std::int64_t>()};
    if (!name || !from.ok()) return errc::corrupt;
    if (!one.secrets.empty() && !(one.secrets.back().name < *name)) return errc::corrupt;
    one.secrets.push_back({*name, version, given});
  }
  if (!from.ok()) return errc::corrupt;
  return one;
}

std::vector<std::string> encode_batch(std::vector<receipt> const& receipts) {
  if (receipts.empty()) return {};
  batch_packer packer;
  for (receipt const& one : receipts) packer.add(one);
  return std::move(packer).finish();
}

}  // namespace tacit::core
