// Request bodies: which are taken, and what each of the others is told.
#include "net/json_body.hpp"

#include <boost/test/unit_test.hpp>

#include "tests/unit/core/samples.hpp"

namespace tacit::net {
namespace {

// One member of each kind; all but the text are optional.
struct sample {
  std::string text;
  core::secret_buffer secret{64};
  std::uint64_t number = 0;
  text_or_list either;
  std::array<body_member, 4> members{
      body_member{"text", &text}, body_member{"secret", &secret, false},
      body_member{"number", &number, false}, body_member{"either", &either, false}};

  // "" when it is taken, else the field and what is wrong with it.
  std::string read(std::string_view body) {
    auto const problem = read_json_body(body, members, 16);
    if (!problem) return "";
    return std::string(problem->field) + " " + std::string(problem->issue);
  }
};

std::string verdict(std::string_view body) { return sample().read(body); }

struct refusal {
  std::string_view body;
  std::string_view told;
};

constexpr std::string_view not_an_object = "body must be a JSON object";
constexpr std::string_view not_one_object = "body must be one JSON object";

constexpr refusal refused[] = {
    // Not one object.
    {"", not_one_object},
    {" ", not_one_object},
    {"{", not_one_object},
    {"}", not_one_object},
    {"{}{}", not_one_object},
    {R"({"text":"a"}{"text":"a"})", not_one_object},
    {R"({"text":"a"} x)", not_one_object},
    {R"({"text":"a"},)", not_one_object},
    {R"({"text":"a",})", not_one_object},
    {R"({,"text":"a"})", not_one_object},
    {R"({"text" "a"})", not_one_object},
    {R"({"text":})", not_one_object},
    {R"({text:"a"})", not_one_object},
    {R"({'text':'a'})", not_one_object},
    {R"({"text":"a")", not_one_object},
    {R"({"text":"a)", not_one_object},
    {R"({"text":"a"} // end)", not_one_object},
    {R"(/**/{"text":"a"})", not_one_object},
    {R"({"text":NaN})", not_one_object},
    {R"({"text":tru})", not_one_object},
    {"\xEF\xBB\xBF{\"text\":\"a\"}", not_one_object},
    {"null", not_an_object},
    {"true", not_an_object},
    {"1", not_an_object},
    {"1.5", not_an_object},
    {"-1", not_an_object},
    {R"("text")", not_an_object},
    {"[]", not_an_object},
    {R"([{"text":"a"}])", not_an_object},
    // Members.
    {"{}", "text is required"},
    {R"({"number":1})", "text is required"},
    {R"({"text":"a","text":"a"})", "text must not be given twice"},
    {R"({"text":"a","te\u0078t":"b"})", "text must not be given twice"},
    {R"({"text":"a","number":1,"number":1})", "number must not be given twice"},
    {R"({"text":"a","other":1})", "body has an unknown member"},
    {R"({"text":"a","Text":1})", "body has an unknown member"},
    {R"({"text":"a","":1})", "body has an unknown member"},
    {R"({"text":"a","tex":1})", "body has an unknown member"},
    {R"({"text":"a","text\u0000":1})", "body has an unknown member"},
    {R"({"text":"a","texttexttexttexttexttexttexttexttexttext":1})", "body has an unknown member"},
    // Types.
    {R"({"text":1})", "text has the wrong type"},
    {R"({"text":null})", "text has the wrong type"},
    {R"({"text":true})", "text has the wrong type"},
    {R"({"text":["a"]})", "text has the wrong type"},
    {R"({"text":{}})", "text has the wrong type"},
    {R"({"text":{"text":"a"}})", "text has the wrong type"},
    {R"({"text":"a","secret":1})", "secret has the wrong type"},
    {R"({"text":"a","secret":null})", "secret has the wrong type"},
    {R"({"text":"a","secret":false})", "secret has the wrong type"},
    {R"({"text":"a","secret":["a"]})", "secret has the wrong type"},
    {R"({"text":"a","secret":{"a":"b"}})", "secret has the wrong type"},
    {R"({"text":"a","number":"1"})", "number has the wrong type"},
    {R"({"text":"a","number":null})", "number has the wrong type"},
    {R"({"text":"a","number":true})", "number has the wrong type"},
    {R"({"text":"a","number":-1})", "number has the wrong type"},
    {R"({"text":"a","number":1.0})", "number has the wrong type"},
    {R"({"text":"a","number":1e2})", "number has the wrong type"},
    {R"({"text":"a","number":18446744073709551616})", "number has the wrong type"},
    {R"({"text":"a","number":[1]})", "number has the wrong type"},
    {R"({"text":"a","number":{}})", "number has the wrong type"},
    {R"({"text":"a","either":1})", "either has the wrong type"},
    {R"({"text":"a","either":null})", "either has the wrong type"},
    {R"({"text":"a","either":true})", "either has the wrong type"},
    {R"({"text":"a","either":{}})", "either has the wrong type"},
    {R"({"text":"a","either":[1]})", "either has the wrong type"},
    {R"({"text":"a","either":[null]})", "either has the wrong type"},
    {R"({"text":"a","either":["a",true]})", "either has the wrong type"},
    {R"({"text":"a","either":[["a"]]})", "either has the wrong type"},
    {R"({"text":"a","either":[{"text":"a"}]})", "either has the wrong type"},
    // Texts.
    {R"({"text":"12345678901234567"})", "text is too long"},
    {R"({"text":"a","either":"12345678901234567"})", "either is too long"},
    {R"({"text":"a","either":["b","12345678901234567"]})", "either is too long"},
    {"{\"text\":\"a\nb\"}", not_one_object},
    {"{\"text\":\"\x01\"}", not_one_object},
    {"{\"text\":\"\xFF\"}", not_one_object},
    {"{\"text\":\"\xC0\x80\"}", not_one_object},
    {"{\"text\":\"\xC3\"}", not_one_object},
    {"{\"text\":\"\xED\xA0\x80\"}", not_one_object},
    {"{\"text\":\"\xF4\x90\x80\x80\"}", not_one_object},
    {"{\"te\xFFxt\":\"a\"}", not_one_object},
    {R"({"text":"\ud83d"})", not_one_object},
    {R"({"text":"\ud83dx"})", not_one_object},
    {R"({"text":"\ud83d\u0041"})", not_one_object},
    {R"({"text":"\udd11"})", not_one_object},
    {R"({"text":"\udd11\ud83d"})", not_one_object},
    {R"({"text":"\x41"})", not_one_object},
    {R"({"text":"\u12"})", not_one_object},
    {R"({"text":"\u12G4"})", not_one_object},
    {R"({"text":"\"})", not_one_object},
};

struct acceptance {
  std::string_view body;
  std::string_view text;
};

constexpr acceptance accepted[] = {
    {R"({"text":"a"})", "a"},
    {" \t\r\n{ \"text\" \n:\t\"a\" }\r\n ", "a"},
    {R"({"text":""})", ""},
    {R"({"te\u0078t":"a"})", "a"},
    {R"({"text":"1234567890123456"})", "1234567890123456"},
    {R"({"text":"\"\\\/\b\f\n\r\t"})", "\"\\/\b\f\n\r\t"},
    {R"({"text":"\u0041\u00e9\u20AC"})", "A\xC3\xA9\xE2\x82\xAC"},
    {R"({"text":"\ud83d\udd11"})", "\xF0\x9F\x94\x91"},
    {"{\"text\":\"\xF0\x9F\x94\x91\x7F\"}", "\xF0\x9F\x94\x91\x7F"},
    {R"({"text":"\ufeff"})", "\xEF\xBB\xBF"},
};

}  // namespace

BOOST_AUTO_TEST_SUITE(json_body)

BOOST_AUTO_TEST_CASE(what_is_not_as_described_is_refused_with_its_reason) {
  for (refusal const& one : refused) {
    BOOST_TEST_CONTEXT("body " << &one - refused) { BOOST_TEST(verdict(one.body) == one.told); }
  }
}

BOOST_AUTO_TEST_CASE(texts_come_out_as_they_were_meant) {
  for (acceptance const& one : accepted) {
    BOOST_TEST_CONTEXT("body " << &one - accepted) {
      sample body;
      BOOST_TEST(body.read(one.body) == "");
      BOOST_CHECK(body.text == one.text);
    }
  }
  sample zero;
  BOOST_TEST(zero.read(R"({"text":"\u0000"})") == "");
  BOOST_CHECK(zero.text == std::string(1, '\0'));  // whoever takes a value refuses it
}

BOOST_AUTO_TEST_CASE(members_of_each_kind_come_out_in_any_order) {
  sample body;
  BOOST_TEST(body.read(R"({"either":["x","","zz"],"number":42,"secret":"s\n","text":"t"})") == "");
  BOOST_TEST(body.text == "t");
  BOOST_CHECK(body.secret.reveal() == "s\n");
  BOOST_TEST(body.number == 42u);
  BOOST_TEST(!body.either.text.has_value());
  BOOST_TEST(body.either.list == (std::vector<std::string>{"x", "", "zz"}),
             boost::test_tools::per_element());
  for (body_member const& member : body.members) BOOST_TEST(member.seen);

  sample other;
  BOOST_TEST(other.read(R"({"text":"t","either":"*"})") == "");
  BOOST_TEST(other.either.text.value() == "*");
  BOOST_TEST(other.either.list.empty());
  BOOST_TEST(other.members[3].seen);
  BOOST_TEST(!other.members[1].seen);

  sample empty;
  BOOST_TEST(empty.read(R"({"text":"t","either":[]})") == "");
  BOOST_TEST(!empty.either.text.has_value());
  BOOST_TEST(empty.members[3].seen);
}

BOOST_AUTO_TEST_CASE(whole_numbers_come_out_to_the_largest) {
  for (std::uint64_t const number :
       {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{25}, ~std::uint64_t{0} >> 1,
        (~std::uint64_t{0} >> 1) + 1, ~std::uint64_t{0}}) {
    sample body;
    BOOST_TEST(body.read(R"({"text":"t","number":)" + std::to_string(number) + "}") == "");
    BOOST_TEST(body.number == number);
  }
  BOOST_TEST(verdict(R"({"text":"t","number":01})") == not_one_object);
  BOOST_TEST(verdict(R"({"text":"t","number":+1})") == not_one_object);
}

BOOST_AUTO_TEST_CASE(a_secret_that_fills_its_buffer_is_taken_and_a_longer_one_refused) {
  for (std::string const& character : {std::string("v"), std::string("\\u0076")}) {
    std::string text;
    for (int i = 0; i < 64; ++i) text += character;
    sample full;
    BOOST_TEST(full.read(R"({"text":"t","secret":")" + text + "\"}") == "");
    BOOST_CHECK(full.secret.reveal() == std::string(64, 'v'));
    BOOST_TEST(verdict(R"({"text":"t","secret":")" + text + character + "\"}") ==
               "secret is too long");
  }
}

BOOST_AUTO_TEST_CASE(a_long_secret_of_every_kind_of_character_comes_out_whole) {
  std::string escaped;
  std::string plain;
  for (int i = 0; i < 4096; ++i) {
    escaped += R"(\ud83d\udd11)";
    plain += "\xF0\x9F\x94\x91";
  }
  for (std::string const& text : {escaped, plain}) {
    core::secret_buffer secret(plain.size());
    body_member member{"value", &secret};
    std::string const body = R"({"value":")" + text + "\"}";
    BOOST_TEST(!read_json_body(body, std::span(&member, 1), 16).has_value());
    BOOST_CHECK(secret.reveal() == plain);
  }
}

BOOST_AUTO_TEST_CASE(a_list_has_at_most_its_items) {
  auto const list_of = [](std::size_t items) {
    std::string body = R"({"text":"t","either":[)";
    for (std::size_t i = 0; i < items; ++i) body += i == 0 ? R"("a")" : R"(,"a")";
    return body + "]}";
  };
  sample full;
  BOOST_TEST(full.read(list_of(list_items_max)) == "");
  BOOST_TEST(full.either.list.size() == list_items_max);
  BOOST_TEST(verdict(list_of(list_items_max + 1)) == "either has too many items");
}

BOOST_AUTO_TEST_CASE(every_prefix_of_a_body_is_refused) {
  std::string const body = R"({"text":"t\u00e9","secret":"s","number":12,"either":["a","b"]})";
  BOOST_TEST(verdict(body) == "");
  for (std::size_t bytes = 0; bytes < body.size(); ++bytes) {
    BOOST_TEST(verdict(body.substr(0, bytes)) == not_one_object);
  }
}

BOOST_AUTO_TEST_CASE(deep_nesting_is_refused_at_its_first_level) {
  BOOST_TEST(verdict(R"({"text":)" + std::string(60'000, '[')) == "text has the wrong type");
  BOOST_TEST(verdict(std::string(60'000, '[')) == not_an_object);
  std::string objects;
  for (int i = 0; i < 10'000; ++i) objects += R"({"text":)";
  BOOST_TEST(verdict(objects) == "text has the wrong type");
}

BOOST_AUTO_TEST_CASE(no_problem_repeats_a_piece_of_the_body) {
  for (char const* body :
       {R"({"text":"t","s3cr3t":"s3cr3t"})", R"({"text":"s3cr3t s3cr3t s3cr3t"})",
        R"({"text":"t","number":"s3cr3t"})", R"({"text":"t","secret":"s3cr3t)"}) {
    std::string const told = verdict(body);
    BOOST_TEST(told != "");
    BOOST_TEST(told.find("s3cr3t") == std::string::npos);
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace tacit::net
