// What the tests of confinement share. It holds for good, so each case runs in a child process:
// once confined, where it must be refused, and once as a control that is not, where the same must
// get through.
#pragma once

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <thread>

namespace tacit::app {

// Exit codes of a child beside 0 (got through) and an errno (stopped by it).
constexpr int confinement_threw = 200;

// Runs the work in a child process. The answer is its exit code, or minus the signal that ended it.
inline int in_child(std::function<int()> const& work) {
  pid_t const child = fork();
  BOOST_REQUIRE(child >= 0);
  if (child == 0) {
    int code = confinement_threw;
    try {
      code = work();
    } catch (std::exception const& error) {
      std::fprintf(stderr, "child: %s\n", error.what());
    }
    _exit(code);
  }
  int status = 0;
  BOOST_REQUIRE(waitpid(child, &status, 0) == child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

inline int errno_unless(bool got_through) { return got_through ? 0 : errno; }

// A folder `inside`, which children are confined to, and one `outside`, with a file in each.
class places {
 public:
  places() {
    std::string pattern = std::filesystem::temp_directory_path() / "tacit-sandbox-XXXXXX";
    BOOST_REQUIRE(mkdtemp(pattern.data()) != nullptr);
    root_ = pattern;
    for (std::string const& folder : {inside(""), outside("")}) {
      std::filesystem::create_directories(folder);
      std::ofstream(folder + "file") << "text";
    }
    std::filesystem::create_symlink(outside("file"), inside("way-out"));
  }
  places(places const&) = delete;
  places& operator=(places const&) = delete;
  ~places() {
    std::error_code ignored;
    std::filesystem::remove_all(root_, ignored);
  }

  [[nodiscard]] std::string inside(std::string const& name) const {
    return root_ + "/inside/" + name;
  }
  [[nodiscard]] std::string outside(std::string const& name) const {
    return root_ + "/outside/" + name;
  }

 private:
  std::string root_;
};

inline int open_and_close(std::string const& path, int flags) {
  int const file = open(path.c_str(), flags | O_CLOEXEC, 0600);
  if (file < 0) return errno;
  close(file);
  return 0;
}

inline int run_thread() {
  int seen = 0;
  std::thread([&] { seen = gettid() != getpid() ? 1 : 0; }).join();
  return seen == 1 ? 0 : ECHILD;
}

struct attempt {
  char const* name;
  std::function<int()> attack;
};

// `renew` comes before either child, since what one does stays done.
inline void check_refused(
    attempt const& each, std::function<void()> const& confinement,
    std::function<void()> const& renew = [] {}) {
  renew();
  int const unconfined = in_child(each.attack);
  BOOST_CHECK_MESSAGE(unconfined == 0, each.name << " of the control: " << unconfined);
  renew();
  int const confined = in_child([&] {
    confinement();
    return each.attack();
  });
  BOOST_CHECK_MESSAGE(confined == EPERM || confined == EACCES || confined == EXDEV,
                      each.name << " when confined: " << confined);
}

inline void check_works(attempt const& each, std::function<void()> const& confinement) {
  int const confined = in_child([&] {
    confinement();
    return each.attack();
  });
  BOOST_CHECK_MESSAGE(confined == 0, each.name << " when confined: " << confined);
}

}  // namespace tacit::app
