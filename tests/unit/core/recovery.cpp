// What the two processes of `tacit recover` say to each other: the opener takes a question that is
// exactly one, and nothing else.
#include "core/recovery.hpp"

#include <boost/test/unit_test.hpp>

#include "tests/unit/core/samples.hpp"

namespace tacit::core {
namespace {

project_id const shop = test::project("shop");
secret_name const key = *secret_name::parse("KEY");

}  // namespace

BOOST_AUTO_TEST_SUITE(recovery_messages)

BOOST_AUTO_TEST_CASE(what_is_sent_is_what_comes) {
  recovery_start start;
  start.store = "/data/store";
  start.into = "/data/store.new";
  start.change_user = true;
  start.user = 65534;
  start.group = 65533;
  start.confine = false;
  start.check[3] = 7;
  start.keys.label = test::counting_key<label_key>(1);
  start.keys.row = test::counting_key<row_key>(2);
  secret_buffer const sent = encode_recovery(start);
  auto const came = decode_recovery_start(sent.reveal());
  BOOST_REQUIRE(came.has_value());
  BOOST_TEST(came->store == start.store);
  BOOST_TEST(came->into == start.into);
  BOOST_TEST(came->change_user);
  BOOST_TEST(came->user == 65534u);
  BOOST_TEST(came->group == 65533u);
  BOOST_TEST(!came->confine);
  BOOST_TEST(came->check == start.check);
  BOOST_TEST(std::ranges::equal(came->keys.label.reveal(), start.keys.label.reveal()));
  BOOST_TEST(std::ranges::equal(came->keys.row.reveal(), start.keys.row.reveal()));

  std::string const sealed(sealed_value_bytes_max, 's');
  std::string const question = encode_recovery({shop, key, 42}, sealed);
  auto const asked = decode_recovery_question(question);
  BOOST_REQUIRE(asked.has_value());
  BOOST_TEST((asked->project == shop && asked->name == key));
  BOOST_TEST(asked->record_id == 42u);
  BOOST_TEST(asked->sealed == sealed);

  for (bool const opens : {false, true})
    BOOST_TEST(*decode_verdict(encode_verdict(opens)) == opens);
}

BOOST_AUTO_TEST_CASE(the_longest_question_is_as_long_as_is_said) {
  auto const longest = test::project(std::string(limits::name_chars_max, 'p'));
  auto const name = *secret_name::parse(std::string(limits::name_chars_max, 'N'));
  std::string const question =
      encode_recovery({longest, name, 1}, std::string(sealed_value_bytes_max, 's'));
  BOOST_TEST(question.size() == recovery_question_bytes_max);
  BOOST_TEST(decode_recovery_question(question).has_value());
  BOOST_TEST(!decode_recovery_question(question + "s").has_value());
}

BOOST_AUTO_TEST_CASE(nothing_else_is_a_question) {
  std::string const whole = encode_recovery({shop, key, 42}, "");
  for (std::size_t bytes = 0; bytes < whole.size(); ++bytes) {
    BOOST_TEST(!decode_recovery_question(whole.substr(0, bytes)).has_value(), bytes);
  }
  std::string const other_name = [&] {
    std::string changed = whole;
    changed[changed.find("KEY")] = 'k';
    return changed;
  }();
  std::string const other_project = [&] {
    std::string changed = whole;
    changed[changed.find("shop")] = '/';
    return changed;
  }();
  for (std::string const& no :
       {other_name, other_project, encode_verdict(true), std::string("\x01"), std::string("\xff"),
        std::string("\x02\xff"), std::string("\x02\x00\x03KEY........", 14)}) {
    BOOST_TEST(!decode_recovery_question(no).has_value());
  }
}

BOOST_AUTO_TEST_CASE(a_verdict_is_yes_or_no) {
  for (std::string const& no : {std::string(), std::string("\x03"), std::string("\x03\x02"),
                                std::string("\x03\x01\x01"), std::string("\x02\x01")}) {
    BOOST_TEST(!decode_verdict(no).has_value());
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace tacit::core
