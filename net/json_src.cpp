// The body of Boost.JSON: Debian packages no compiled library for Boost 1.81.
#include <boost/json/src.hpp>
