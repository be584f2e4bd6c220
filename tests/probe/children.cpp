// What tacit-probe is told by its environment, its children are told too; tacit's have none. Every
// execve of the program goes here (ld --wrap, tests/CMakeLists.txt).
#include <unistd.h>

#include <array>
#include <string_view>

namespace tacit::probe {

int original_execve(char const*, char* const*, char* const*) noexcept __asm__("__real_execve");
int execute(char const*, char* const*, char* const*) noexcept __asm__("__wrap_execve");
// Between fork and exec: system calls only.
int execute(char const* path, char* const* arguments, char* const* environment) noexcept {
  std::array<char*, 64> told{};  // ends with a null pointer
  auto end = told.begin();
  auto const add = [&](char* one) {
    if (end != told.end() - 1) *end++ = one;
  };
  for (char* const* one = environment; *one != nullptr; ++one) add(*one);
  for (char** one = environ; *one != nullptr; ++one) {
    if (std::string_view(*one).starts_with("PROBE_")) add(*one);
  }
  return original_execve(path, arguments, told.data());
}

}  // namespace tacit::probe
