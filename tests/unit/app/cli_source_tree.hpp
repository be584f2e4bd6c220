// Files of the source tree that the tests hold to the code. They are looked for above the test's
// program, which is built below the tree; TACIT_SOURCE_DIR names the tree when it is elsewhere.
#pragma once

#include <boost/test/unit_test.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace tacit::app {

inline std::string read_source_file(std::string const& path) {
  namespace fs = std::filesystem;
  char const* const given = std::getenv("TACIT_SOURCE_DIR");
  fs::path tree = given != nullptr ? fs::path(given) : fs::read_symlink("/proc/self/exe");
  while (!fs::exists(tree / path) && tree.has_relative_path()) tree = tree.parent_path();
  BOOST_REQUIRE_MESSAGE(fs::exists(tree / path), path << " is not above the test's program");
  std::ifstream file(tree / path);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

}  // namespace tacit::app
