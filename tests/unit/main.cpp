// The start of every unit test program; main() is Boost.Test's. The function that BOOST_TEST_MODULE
// would make is written out, since that macro does nothing once the header is precompiled.
#include <boost/test/unit_test.hpp>

boost::unit_test::test_suite* init_unit_test_suite(int /*argc*/, char* /*argv*/[]) {
  boost::unit_test::framework::master_test_suite().p_name.value = "tacit";
  return nullptr;
}
