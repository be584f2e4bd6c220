// The bodies of Asio and Beast, compiled once here (BOOST_ASIO_SEPARATE_COMPILATION and its like
// are set for every file) instead of in each file that uses them.
#include <boost/asio/impl/src.hpp>

#include <boost/beast/src.hpp>
