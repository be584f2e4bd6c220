#include <signal.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "app/cli/error.hpp"
#include "app/cli/value.hpp"

namespace tacit::app {

namespace {

constexpr std::array caught_signals{SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP};

volatile sig_atomic_t arrived = 0;

void note_signal(int number) { arrived = number; }

// The terminal without echo and without line editing, from make to unmake.
class hidden_terminal {
 public:
  hidden_terminal() {
    if (tcgetattr(STDIN_FILENO, &before_) != 0) {
      throw cli_error(exit_failed,
                      std::string("cannot turn the echo off: ") + std::strerror(errno));
    }
    struct sigaction catching{};
    catching.sa_handler = note_signal;  // no SA_RESTART: a read must come back
    for (std::size_t i = 0; i < caught_signals.size(); ++i) {
      sigaction(caught_signals[i], &catching, &actions_[i]);
    }
    hide();
  }
  hidden_terminal(hidden_terminal const&) = delete;
  hidden_terminal& operator=(hidden_terminal const&) = delete;
  ~hidden_terminal() { restore(); }

  // As the signal would have done without us, with the terminal as it was; comes back from a stop.
  void deliver(int number) {
    restore();
    raise(number);
    struct sigaction catching{};
    catching.sa_handler = note_signal;
    for (int const caught : caught_signals) sigaction(caught, &catching, nullptr);
    hide();
  }

  [[nodiscard]] bool is(std::size_t control, char typed) const {
    return static_cast<unsigned char>(typed) == before_.c_cc[control];
  }

 private:
  void hide() {
    termios silent = before_;
    silent.c_lflag &= ~static_cast<tcflag_t>(ECHO | ECHONL | ICANON);
    silent.c_cc[VMIN] = 1;
    silent.c_cc[VTIME] = 0;
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
  }

  void restore() {
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &before_);
    for (std::size_t i = 0; i < caught_signals.size(); ++i) {
      sigaction(caught_signals[i], &actions_[i], nullptr);
    }
  }

  termios before_{};
  std::array<struct sigaction, caught_signals.size()> actions_{};
};

// Drops the last character, all of its bytes.
void erase_last(core::secret_buffer& text) {
  std::string_view const bytes = text.reveal();
  std::size_t size = bytes.size();
  while (size > 0 && (static_cast<unsigned char>(bytes[--size]) & 0xC0u) == 0x80u) {
  }
  text.resize(size);
}

}  // namespace

bool read_hidden(core::secret_buffer& into) {
  hidden_terminal terminal;
  core::secret_buffer typed(1);
  for (;;) {
    ssize_t const count = read(STDIN_FILENO, typed.reveal_storage().data(), 1);
    if (int const number = arrived; number != 0) {
      arrived = 0;
      terminal.deliver(number);
      if (count < 0) continue;
    }
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw cli_error(exit_failed, "cannot read the terminal");
    if (count == 0) return true;
    typed.resize(1);
    char const c = typed.reveal().front();
    if (terminal.is(VEOF, c)) return true;
    if (terminal.is(VERASE, c)) {
      erase_last(into);
    } else if (terminal.is(VKILL, c)) {
      into.clear();
    } else if (!into.append(typed.reveal())) {
      return false;
    }
  }
}

}  // namespace tacit::app
