// Which files a confined process reaches.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "app/sandbox/sandbox.hpp"
#include "tests/unit/app/confined_child.hpp"

namespace tacit::app {

BOOST_AUTO_TEST_SUITE(sandbox_files)

BOOST_AUTO_TEST_CASE(a_confined_process_sees_no_file_outside_its_folder) {
  places const place;
  std::vector<attempt> const attempts{
      {"read", [&] { return open_and_close(place.outside("file"), O_RDONLY); }},
      {"write", [&] { return open_and_close(place.outside("file"), O_WRONLY); }},
      {"truncate", [&] { return errno_unless(truncate(place.outside("file").c_str(), 0) == 0); }},
      {"create", [&] { return open_and_close(place.outside("new"), O_WRONLY | O_CREAT); }},
      {"list", [&] { return open_and_close(place.outside(""), O_RDONLY | O_DIRECTORY); }},
      {"mkdir", [&] { return errno_unless(mkdir(place.outside("folder").c_str(), 0700) == 0); }},
      {"by symlink", [&] { return open_and_close(place.inside("way-out"), O_RDONLY); }},
      {"by dots", [&] { return open_and_close(place.inside("../outside/file"), O_RDONLY); }},
      {"etc", [] { return open_and_close("/etc/passwd", O_RDONLY); }},
      {"proc", [] { return open_and_close("/proc/self/status", O_RDONLY); }},
      {"move out and back",
       [&] {
         std::string const there = place.outside("moved");
         if (rename(place.inside("file").c_str(), there.c_str()) != 0) return errno;
         return errno_unless(rename(there.c_str(), place.inside("file").c_str()) == 0);
       }},
      {"remove", [&] { return errno_unless(unlink(place.outside("new").c_str()) == 0); }},
  };
  auto const renew = [&] {
    std::ofstream(place.outside("new")) << "";
    std::filesystem::remove(place.outside("folder"));
  };
  for (attempt const& each : attempts) {
    check_refused(each, [&] { confine(process_role::api, place.inside("")); }, renew);
    // Not only because of the system calls that the role has.
    auto const files_only = [&] {
      drop_capabilities();
      restrict_files(process_role::api, place.inside(""));
    };
    check_refused(each, files_only, renew);
  }
}

BOOST_AUTO_TEST_CASE(a_confined_keeper_reads_and_removes_in_its_folder_and_writes_nothing) {
  places const place;
  auto const confinement = [&] { confine(process_role::keeper, place.inside("")); };
  std::vector<attempt> const attempts{
      {"write", [&] { return open_and_close(place.inside("file"), O_WRONLY); }},
      {"create", [&] { return open_and_close(place.inside("new"), O_RDONLY | O_CREAT); }},
      {"mkdir", [&] { return errno_unless(mkdir(place.inside("folder").c_str(), 0700) == 0); }},
      {"truncate", [&] { return errno_unless(truncate(place.inside("file").c_str(), 0) == 0); }},
      {"unnamed file", [&] { return open_and_close(place.inside(""), O_TMPFILE | O_RDWR); }},
      {"rename",
       [&] {
         std::string const there = place.inside("renamed");
         if (rename(place.inside("file").c_str(), there.c_str()) != 0) return errno;
         return errno_unless(rename(there.c_str(), place.inside("file").c_str()) == 0);
       }},
  };
  auto const renew = [&] {
    for (char const* made : {"folder", "new"}) std::filesystem::remove(place.inside(made));
  };
  for (attempt const& each : attempts) check_refused(each, confinement, renew);
  check_works({"read", [&] { return open_and_close(place.inside("file"), O_RDONLY); }},
              confinement);
  check_works({"list", [&] { return open_and_close(place.inside(""), O_RDONLY | O_DIRECTORY); }},
              confinement);
  check_works({"remove", [&] { return errno_unless(unlink(place.inside("file").c_str()) == 0); }},
              confinement);
  check_works({"threads", run_thread}, confinement);
}

BOOST_AUTO_TEST_CASE(what_is_named_readable_can_be_read_and_not_written) {
  places const place;
  auto const confinement = [&] {
    confine(process_role::api, place.inside(""), {place.outside("file")});
  };
  check_works({"read", [&] { return open_and_close(place.outside("file"), O_RDONLY); }},
              confinement);
  check_refused({"write", [&] { return open_and_close(place.outside("file"), O_WRONLY); }},
                confinement);
  check_refused({"list", [&] { return open_and_close(place.outside(""), O_RDONLY); }}, confinement);

  // And nothing can be written, without a folder of its own.
  auto const no_folder = [&] { confine(process_role::api, "", {place.outside("")}); };
  check_works({"read", [&] { return open_and_close(place.outside("file"), O_RDONLY); }}, no_folder);
  check_refused({"write", [&] { return open_and_close(place.outside("file"), O_WRONLY); }},
                no_folder);
  check_refused({"read elsewhere", [&] { return open_and_close(place.inside("file"), O_RDONLY); }},
                no_folder);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace tacit::app
