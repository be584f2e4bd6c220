// Receipts: what adds up, what waits within its bounds, and stored against delivered.
#include "core/receipt.hpp"

#include <boost/test/unit_test.hpp>

#include "core/limits.hpp"
#include "tests/unit/core/samples.hpp"

namespace tacit::core {
namespace {

using given = std::vector<delivered_secret>;

delivered_secret one(std::string_view name, std::uint64_t version, std::int64_t at = 5) {
  return {test::secret(name), version, timestamp{at}};
}

consumer web(std::string_view unit = "web.service") { return consumer::process(1000, unit, "box"); }

receipt whole(given secrets, std::int64_t at = 5, consumer to = web()) {
  return {test::project("p"), std::move(to), timestamp{at}, delivery_extent::whole,
          std::move(secrets)};
}
receipt part(given secrets, std::int64_t at = 5, consumer to = web()) {
  return {test::project("p"), std::move(to), timestamp{at}, delivery_extent::part,
          std::move(secrets)};
}

delivery_records records(std::vector<std::pair<std::string_view, std::uint64_t>> const& stored,
                         std::vector<receipt> receipts) {
  delivery_records made;
  for (auto const& [name, version] : stored) made.stored.emplace_back(test::secret(name), version);
  made.receipts = std::move(receipts);
  return made;
}

// "A current 3/3 web.service, …"
std::string text_of(delivery_report const& report) {
  constexpr char const* words[] = {"current", "stale", "never", "removed"};
  std::string text;
  for (delivery_line const& line : report.lines) {
    auto const number = [](std::optional<std::uint64_t> version) {
      return version ? std::to_string(*version) : "-";
    };
    text.append(line.name.text()).append(" ").append(words[static_cast<int>(line.state)]);
    text.append(" " + number(line.delivered) + "/" + number(line.stored) + " ");
    text.append(line.to == nullptr ? "nobody" : line.to->unit).append(", ");
    BOOST_TEST(line.at.has_value() == line.delivered.has_value());
  }
  return text;
}

std::string compared(delivery_records const& known) {
  return text_of(compare_deliveries(known, 1000));
}

}  // namespace

BOOST_AUTO_TEST_SUITE(receipts)

BOOST_AUTO_TEST_CASE(a_consumer_is_its_texts_in_printable_ascii_and_bounded) {
  consumer const odd = consumer::process(7, "a b\n\x1b[31m\xC3\xBC.service", std::string(300, 'h'));
  BOOST_TEST(odd.unit == "a?b??[31m??.service");
  BOOST_TEST(odd.host == std::string(limits::consumer_text_bytes_max, 'h'));
  BOOST_TEST((odd.uid == 7u));
  consumer const remote = consumer::remote("edge-1", "far");
  BOOST_TEST(!remote.uid.has_value());
  BOOST_TEST(remote.runtime == "edge-1");
  BOOST_TEST((web() == web()));
  BOOST_TEST((web() != web("other.service")));
  BOOST_TEST((consumer::process(1, "", "h") != consumer::process(2, "", "h")));
  BOOST_TEST((consumer::process(1, "", "h") != consumer::process(1, "", "i")));
}

BOOST_AUTO_TEST_CASE(a_whole_receipt_replaces_and_a_part_is_added) {
  receipt known = whole({one("A", 1), one("B", 2)}, 5);
  add_later(known, part({one("B", 4, 6), one("C", 3, 6)}, 6));
  BOOST_TEST((known.secrets == given{one("A", 1), one("B", 4, 6), one("C", 3, 6)}));
  BOOST_TEST((known.extent == delivery_extent::whole));
  BOOST_TEST(known.at.unix_milliseconds == 6);
  add_later(known, whole({one("C", 3, 7)}, 7));
  BOOST_TEST((known.secrets == given{one("C", 3, 7)}));
  add_later(known, part({one("A", 9, 8)}, 8));
  add_later(known, part({one("A", 9, 9)}, 9));
  BOOST_TEST((known.secrets == given{one("A", 9, 9), one("C", 3, 7)}));
}

BOOST_AUTO_TEST_CASE(a_version_that_went_back_is_what_was_delivered_last) {
  receipt known = whole({one("A", 9)});
  add_later(known, part({one("A", 3, 6)}, 6));
  BOOST_TEST((known.secrets == given{one("A", 3, 6)}));
}

BOOST_AUTO_TEST_CASE(many_deliveries_of_one_consumer_wait_as_one) {
  receipt_book book;
  BOOST_TEST(book.empty());
  for (std::int64_t i = 1; i <= 5000; ++i) {
    book.add(whole({one("A", static_cast<std::uint64_t>(i), i)}, i));
  }
  auto const taken = book.take_all();
  BOOST_REQUIRE(taken.size() == 1u);
  BOOST_TEST((taken[0].secrets == given{one("A", 5000, 5000)}));
  BOOST_TEST(book.dropped() == 0u);
  BOOST_TEST(book.empty());
  BOOST_TEST(book.take_all().empty());
}

BOOST_AUTO_TEST_CASE(consumers_and_projects_wait_apart_oldest_first) {
  receipt_book book;
  book.add(whole({one("A", 1)}, 1, web("a")));
  book.add(whole({one("A", 1)}, 2, web("b")));
  receipt elsewhere = whole({one("A", 1)}, 3, web("a"));
  elsewhere.project = test::project("q");
  book.add(elsewhere);
  book.add(part({one("B", 2)}, 4, web("a")));  // the first again: the latest now
  auto const taken = book.take_all();
  BOOST_REQUIRE(taken.size() == 3u);
  BOOST_TEST(taken[0].to.unit == "b");
  BOOST_TEST(taken[1].project.text() == "q");
  BOOST_TEST(taken[2].to.unit == "a");
  BOOST_TEST(taken[2].secrets.size() == 2u);
}

BOOST_AUTO_TEST_CASE(beyond_the_bound_on_consumers_the_oldest_are_dropped_and_counted) {
  receipt_book book;
  for (std::size_t i = 0; i < limits::receipts_waiting_max; ++i) {
    book.add(whole({one("A", 1)}, 1, web(std::to_string(i))));
  }
  book.add(whole({one("A", 2)}, 2, web("0")));  // no new one, and not the oldest any more
  BOOST_TEST(book.dropped() == 0u);
  book.add(whole({one("A", 1)}, 3, web("new")));
  BOOST_TEST(book.dropped() == 1u);
  auto const taken = book.take_all();
  BOOST_REQUIRE(taken.size() == limits::receipts_waiting_max);
  BOOST_TEST(taken.front().to.unit == "2");
  BOOST_TEST(taken.back().to.unit == "new");
}

BOOST_AUTO_TEST_CASE(beyond_the_bound_on_secrets_the_oldest_are_dropped) {
  given many;
  for (std::size_t i = 0; i < limits::receipt_secrets_waiting_max / 2; ++i) {
    many.push_back(one("K" + std::to_string(1'000'000 + i), 1));
  }
  receipt_book book;
  book.add(whole(many, 1, web("a")));
  book.add(whole(many, 2, web("b")));
  BOOST_TEST(book.dropped() == 0u);
  book.add(whole(many, 3, web("b")));  // replaced, not added up
  BOOST_TEST(book.dropped() == 0u);
  book.add(whole({one("A", 1)}, 4, web("c")));
  BOOST_TEST(book.dropped() == 1u);
  BOOST_TEST(book.take_all().size() == 2u);
  book.add(whole(many, 5, web("a")));  // nothing of what was taken counts
  book.add(whole(many, 6, web("b")));
  BOOST_TEST(book.dropped() == 1u);
}

BOOST_AUTO_TEST_CASE(stored_is_shown_against_delivered) {
  BOOST_TEST(compared(records({}, {})) == "");
  BOOST_TEST(compared(records({{"A", 1}, {"B", 2}}, {})) ==
             "A never -/1 nobody, B never -/2 nobody, ");
  BOOST_TEST(compared(records({{"A", 1}}, {whole({one("A", 1)})})) ==
             "A current 1/1 web.service, ");
  BOOST_TEST(compared(records({{"A", 7}}, {whole({one("A", 1)})})) == "A stale 1/7 web.service, ");
  BOOST_TEST(compared(records({}, {whole({one("A", 1)})})) == "A removed 1/- web.service, ");
  BOOST_TEST(compared(records({{"B", 3}}, {whole({one("A", 1), one("C", 2)})})) ==
             "A removed 1/- web.service, B never -/3 web.service, C removed 2/- web.service, ");
  BOOST_TEST(compared(records({{"A", 3}}, {whole({})})) == "A never -/3 web.service, ");
}

BOOST_AUTO_TEST_CASE(a_version_from_the_future_is_stale_too) {
  // A store that was put back: the process has what is stored no more.
  BOOST_TEST(compared(records({{"A", 3}}, {whole({one("A", 9)})})) == "A stale 9/3 web.service, ");
}

BOOST_AUTO_TEST_CASE(who_takes_single_secrets_is_not_said_to_lack_the_others) {
  BOOST_TEST(compared(records({{"A", 1}, {"B", 2}, {"C", 3}}, {part({one("B", 2)})})) ==
             "A never -/1 nobody, B current 2/2 web.service, C never -/3 nobody, ");
  BOOST_TEST(
      compared(records({{"A", 1}, {"B", 2}}, {part({one("B", 2)}), whole({}, 5, web("z"))})) ==
      "A never -/1 z, B current 2/2 web.service, B never -/2 z, ");
}

BOOST_AUTO_TEST_CASE(lines_stand_by_name_then_by_consumer) {
  BOOST_TEST(compared(records({{"A", 1}, {"B", 2}}, {whole({one("A", 1), one("B", 1)}, 9, web("z")),
                                                     whole({one("A", 1)}, 1, web("a"))})) ==
             "A current 1/1 a, A current 1/1 z, B never -/2 a, B stale 1/2 z, ");
}

BOOST_AUTO_TEST_CASE(too_many_lines_leave_out_the_consumers_of_the_oldest_deliveries) {
  auto const known =
      records({{"A", 1}, {"B", 2}, {"C", 3}},
              {whole({one("A", 1)}, 10, web("old")), whole({one("A", 1)}, 30, web("new")),
               whole({one("A", 1)}, 20, web("mid"))});
  auto const consumers = [&](std::size_t lines_max) {
    auto const report = compare_deliveries(known, lines_max);
    std::string text =
        std::to_string(report.lines.size()) + "+" + std::to_string(report.consumers_left_out);
    for (auto const& line : report.lines) {
      if (line.name.text() == "A") text.append(" ").append(line.to->unit);
    }
    return text;
  };
  BOOST_TEST(consumers(9) == "9+0 mid new old");
  BOOST_TEST(consumers(8) == "6+1 mid new");
  BOOST_TEST(consumers(6) == "6+1 mid new");
  BOOST_TEST(consumers(5) == "3+2 new");
  BOOST_TEST(consumers(0) == "3+2 new");  // the newest always
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace tacit::core
