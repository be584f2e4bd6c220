"""`tacit run` watching over a command is as if the command had been started itself."""
import fcntl
import os
import pty
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time

import pytest

from harness import (ORDINARY, ROOT, TACIT, Server, as_user, clean_environment, for_everybody,
                     is_alive, wait_until)
from running import SIGNALS, Run, children_of

needs_root = pytest.mark.skipif(not ROOT, reason="makes namespaces")
FOLLOW = ("--on-change", "restart")
MASK = ("--mask",)
HEAR_ALL = """
import os, signal, sys, time
def heard(number, _):
    print(number, flush=True)
for number in map(int, sys.argv[1].split(",")):
    signal.signal(number, heard)
print("up", flush=True)
while True:
    signal.pause()
"""


@pytest.fixture(scope="module")
def server():
    with Server() as one:
        one.make_project("p")
        one.put("p", "A", "a-delivered-value")
        yield one


@pytest.mark.parametrize("options", [FOLLOW, MASK])
def test_every_signal_reaches_the_command_once(server, options):
    numbers = ",".join(str(int(one)) for one in SIGNALS)
    with Run(server, *options, command=[sys.executable, "-c", HEAR_ALL, numbers]) as run:
        assert run.line() == "up"
        for one in SIGNALS:
            run.signal(one)
            assert run.line() == str(int(one))
        assert run.says_nothing_for(0.2)


@pytest.mark.parametrize("options", [FOLLOW, MASK])
def test_the_status_is_the_commands(server, options):
    for status in (0, 1, 2, 42, 126, 127, 255):
        with Run(server, *options, command=["sh", "-c", "exit %d" % status]) as run:
            assert run.end() == (status, "", "")
    for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT, signal.SIGPIPE):
        with Run(server, *options, command=["sh", "-c", "kill -%d $$" % number]) as run:
            assert run.end()[0] == -number
    with Run(server, *options, command=["/nonexistent"]) as run:
        assert run.end() == (127, "", "tacit: cannot run /nonexistent: No such file or directory\n")
    with Run(server, *options, command=["/etc/passwd"]) as run:
        assert run.end()[0] == 126


def test_the_command_has_the_signal_mask_and_dispositions_that_run_was_given(server):
    show = ["grep", "-E", "^Sig(Blk|Ign|Cgt)", "/proc/self/status"]
    # nohup: one signal ignored; and an ignored SIGCHLD, which must not lose the status either.
    script = ("import signal, os, sys; signal.signal(signal.SIGHUP, signal.SIG_IGN); "
              "signal.signal(signal.SIGCHLD, signal.SIG_IGN); "
              "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2]); "
              "os.execv(sys.argv[1], sys.argv[1:])")

    def shown(*words):
        return subprocess.run([sys.executable, "-c", script, *words], capture_output=True,
                              env=clean_environment(TACIT_DATA_DIR=server.data), timeout=60)
    plain = shown(shutil.which("grep"), *show[1:])
    for options in (FOLLOW, MASK):
        under = shown(TACIT, "run", "--project", "p", *options, "--", *show)
        assert (under.returncode, under.stdout) == (0, plain.stdout), under.stderr
    assert shown(TACIT, "run", "--project", "p", *FOLLOW, "--", "sh", "-c",
                 "exit 5").returncode == 5


def test_stdin_and_descriptors_are_passed_on(server):
    with Run(server, *FOLLOW, command=["sh", "-c", "cat; ls /proc/self/fd | wc -l"],
             stdin=subprocess.PIPE) as run:
        run.process.stdin.write(b"over stdin\n")
        run.process.stdin.close()
        status, out, _ = run.end()
        assert status == 0 and out.splitlines()[0] == "over stdin"
        assert out.splitlines()[1] == "4"  # 0, 1, 2 and ls's own


@needs_root
@pytest.mark.parametrize("options", [(), FOLLOW, MASK])
@pytest.mark.parametrize("closed, left", [("<&-", "12"), (">&-", "02"), ("2>&-", "01"),
                                          (">&- 2>&-", "0"), ("<&- >&- 2>&-", "")])
def test_a_stream_that_run_lacks_the_command_lacks_too(server, options, closed, left, tmp_path):
    found = tmp_path / "found"
    look = 'for n in 0 1 2; do [ -e /proc/$$/fd/$n ] && o=$o$n; done; printf %s "$o" >"$0"; exit 5'
    command = [TACIT, "run", "--project", "p", *options, "--", "dash", "-c", look, str(found)]
    done = subprocess.run(["dash", "-c", 'exec "$@" ' + closed, "dash", *command], timeout=60,
                          env=clean_environment(TACIT_DATA_DIR=server.data), capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (5, b"", b"")
    assert found.read_text() == left


def test_run_itself_leaves_no_core_and_cannot_be_read_by_its_user(server):
    """As an ordinary user: what is not dumpable belongs to root in /proc (proc(5))."""
    with Server(user=ORDINARY) as own:
        own.make_project("p")
        process = subprocess.Popen(
            as_user(ORDINARY) + [for_everybody(TACIT), "run", "--project", "p", *FOLLOW, "--",
                                 "sh", "-c", "echo up; exec sleep 1000"], cwd="/",
            stdout=subprocess.PIPE, env=clean_environment(
                TACIT_RUN_DIR=os.path.dirname(own.keeper_socket)))
        try:
            assert process.stdout.readline() == b"up\n"
            assert os.stat("/proc/%d/mem" % process.pid).st_uid == 0
            # What the command left behind is found all the same.
            command = children_of(process.pid)[0]
            assert os.stat("/proc/%d/mem" % command).st_uid == int(ORDINARY)
        finally:
            process.terminate()
            assert process.wait(60) == -signal.SIGTERM
            process.stdout.close()


# --- PID 1 ---

def as_pid_1(server, *options, command, **popen):
    return subprocess.Popen(
        ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child", TACIT, "run", "--project",
         "p", *options, "--", *command],
        env=clean_environment(TACIT_DATA_DIR=server.data), stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, **popen)


@needs_root
def test_as_pid_1_it_reaps_what_is_left_to_it(server):
    # 20 orphans that end at once; then no zombie is there.
    script = ('for i in 1 2 3 4 5 6 7 8 9 10; do (sleep 0 & sleep 0 &) ; done; sleep 0.5; '
              'grep -l "^State:.Z" /proc/[0-9]*/status 2>/dev/null | wc -l; '
              'grep PPid /proc/self/status | tr -d "\\t"; echo $PPID')
    done = as_pid_1(server, *FOLLOW, command=["sh", "-c", script])
    out, err = done.communicate(timeout=60)
    assert done.returncode == 0, err
    assert out.decode().splitlines()[0] == "0" and out.decode().splitlines()[2] == "1"


@needs_root
def test_as_pid_1_signals_reach_the_command_and_a_signals_status_is_128_and_more(server):
    process = as_pid_1(server, *FOLLOW, command=["sh", "-c", "echo up; exec sleep 1000"])
    assert process.stdout.readline() == b"up\n"
    run = children_of(process.pid)[0]
    os.kill(run, signal.SIGTERM)
    assert process.wait(60) == 128 + signal.SIGTERM
    process.stdout.close()
    process.stderr.close()


# --- terminals ---

def state_of(pid):
    with open("/proc/%d/stat" % pid) as stat:
        return stat.read().rsplit(")", 1)[1].split()[0]


class Terminal:
    """A shell-like parent on a terminal of its own: what it runs is the foreground job."""

    def __init__(self, server, command):
        self.pid, self.master = pty.fork()
        if self.pid == 0:
            environment = clean_environment(TACIT_DATA_DIR=server.data)
            os.execvpe(command[0], command, environment)
        self.seen = b""

    def read_until(self, text, seconds=60):
        end = time.monotonic() + seconds
        while text not in self.seen:
            left = end - time.monotonic()
            assert left > 0 and select.select([self.master], [], [], left)[0], self.seen
            try:
                got = os.read(self.master, 4096)
            except OSError:
                got = b""
            assert got, self.seen
            self.seen += got
        before, self.seen = self.seen.split(text, 1)
        return before

    def says_nothing_for(self, seconds):
        """Nor has said anything beyond what was read."""
        return not self.seen and not select.select([self.master], [], [], seconds)[0]

    def type(self, text):
        os.write(self.master, text)

    def status(self):
        _, status = os.waitpid(self.pid, 0)
        self.pid = None
        return os.waitstatus_to_exitcode(status)

    def end(self):
        """Also when the test has failed."""
        if self.pid is not None:
            os.kill(self.pid, signal.SIGKILL)
            self.status()
        os.close(self.master)


@pytest.fixture
def on_terminal(server):
    opened = []

    def run(command):
        opened.append(Terminal(server, command))
        return opened[-1]
    yield run
    for one in opened:
        one.end()


def test_what_a_terminal_sends_reaches_the_command_once(on_terminal):
    numbers = ",".join(str(int(one)) for one in (signal.SIGINT, signal.SIGQUIT, signal.SIGWINCH))
    terminal = on_terminal([TACIT, "run", "--project", "p", *FOLLOW, "--", sys.executable, "-c",
                            HEAR_ALL, numbers])
    terminal.read_until(b"up\r\n")
    larger = struct.pack("HHHH", 50, 100, 0, 0)
    for number, send in ((signal.SIGINT, lambda: terminal.type(b"\x03")),
                         (signal.SIGQUIT, lambda: terminal.type(b"\x1c")),
                         (signal.SIGWINCH, lambda: fcntl.ioctl(terminal.master,
                                                               termios.TIOCSWINSZ, larger))):
        # run comes late: two of a kind that come together would be one.
        os.kill(terminal.pid, signal.SIGSTOP)
        wait_until(lambda: state_of(terminal.pid) == "T")
        send()
        terminal.read_until(b"%d\r\n" % number)
        os.kill(terminal.pid, signal.SIGCONT)
        wait_until(lambda: state_of(terminal.pid) != "T")
        assert terminal.says_nothing_for(0.3), "heard twice"


def test_on_a_terminal_a_signal_of_another_process_is_passed_on(on_terminal):
    terminal = on_terminal([TACIT, "run", "--project", "p", *FOLLOW, "--", sys.executable, "-c",
                            HEAR_ALL, str(int(signal.SIGINT))])
    terminal.read_until(b"up\r\n")
    end = time.monotonic() + 30
    heard = []
    while not heard:  # again: pause() misses one that comes just before it
        os.kill(terminal.pid, signal.SIGINT)
        heard = select.select([terminal.master], [], [], 1)[0]
        assert time.monotonic() < end, "it never came"
    terminal.read_until(b"%d\r\n" % signal.SIGINT)


def test_ctrl_c_ends_both_as_if_the_command_stood_alone(on_terminal):
    terminal = on_terminal([TACIT, "run", "--project", "p", *FOLLOW, "--", "sh", "-c",
                            "echo up; exec sleep 1000"])
    terminal.read_until(b"up\r\n")
    terminal.type(b"\x03")
    assert terminal.status() == -signal.SIGINT


def test_job_control_of_a_shell(on_terminal):
    """Ctrl-Z stops the job, fg goes on with it, and the command reads from the terminal."""
    terminal = on_terminal(["bash", "--norc", "-i"])
    terminal.type(b"PS1='ready> '\r")
    terminal.read_until(b"ready> ")
    terminal.read_until(b"ready> ")
    terminal.type(b"%s run --project p --on-change restart -- sh -c 'echo u\"\"p; read x; echo "
                  b"\"got $x\"; exit 7'\r" % TACIT.encode())
    terminal.read_until(b"up\r\n")
    terminal.type(b"\x1a")
    terminal.read_until(b"Stopped")
    terminal.read_until(b"ready> ")
    terminal.type(b"fg\r")
    time.sleep(0.3)
    terminal.type(b"typed\r")
    terminal.read_until(b"got typed\r\n")
    terminal.type(b"echo status=$?\r")
    terminal.read_until(b"status=7\r\n")
    terminal.type(b"exit\r")
    assert terminal.status() == 0


# --- which secrets ---

def test_required_names_are_all_named_and_nothing_is_started(server, tmp_path):
    marker = tmp_path / "started"
    for options in ((), FOLLOW, MASK):
        with Run(server, "--require", "ZZ,A,NOPE", *options, command=["touch", str(marker)]) as run:
            status, out, said = run.end()
        assert (status, out) == (1, "") and not marker.exists()
        assert said == ("tacit: not started: project p does not deliver NOPE, ZZ, which --require "
                        "or the file tacit.required asks for; see what it has with: tacit secret "
                        "list --project p\n")


def test_the_file_tacit_required(server, tmp_path):
    file = tmp_path / "tacit.required"

    def run(text, *options):
        file.write_text(text)
        with Run(server, *options, command=["echo", "started"], cwd=str(tmp_path)) as one:
            return one.end()
    assert run("# what the bot needs\n\nA\n  A  \r\n") == (0, "started\n", "")
    status, out, said = run("A\nB_2\n", "--require", "C3")
    assert (status, out) == (1, "") and "does not deliver B_2, C3, which" in said
    assert run("", "--only", "A")[0] == 0
    status, out, said = run("A\nnot a name\n")
    assert (status, out) == (1, "")
    assert said == "tacit: tacit.required, line 2: not the name of a secret, as DB_PASSWORD\n"
    file.unlink()
    file.mkdir()
    with Run(server, command=["echo", "started"], cwd=str(tmp_path)) as one:
        assert one.end()[:2] == (1, "")


def test_only_and_pristine(server):
    server.make_project("many")
    for name in ("A", "B", "C"):
        server.put("many", name, "value of " + name)
    for options in ((), FOLLOW, MASK):
        with Run(server, "--only", "A,C,NONE", "--pristine", *options, command=["/usr/bin/env"],
                 project="many") as run:
            status, out, said = run.end()
        assert status == 0 and said == ""
        assert sorted(out.splitlines()) == (
            ["A=***", "C=***"] if options == MASK else ["A=value of A", "C=value of C"])
    with Run(server, "--only", "A", command=["env"], project="many",
             environment={"KEPT": "yes", "B": "own"}) as run:
        lines = run.end()[1].splitlines()
    assert "KEPT=yes" in lines and "B=own" in lines and "A=value of A" in lines


def test_a_delivered_value_takes_the_place_of_the_environments_own(server):
    for options in ((), FOLLOW):
        with Run(server, *options, command=["env"], environment={"A": "own", "AB": "own"}) as run:
            lines = run.end()[1].splitlines()
        assert [one for one in lines if one.startswith("A=")] == ["A=a-delivered-value"]
        assert "AB=own" in lines


def test_wrong_usage(server):
    for options in (("--on-change", "reload"), ("--on-change", "signal:KILL"), ("--debounce", "2"),
                    ("--debounce", "2h"), ("--stop-signal", "9"), ("--stop-timeout", "-1s"),
                    ("--only", "a"), ("--require", ""), ("--only", "A,")):
        with Run(server, *options, command=["true"]) as run:
            status, out, said = run.end()
        assert (status, out) == (2, "") and said.startswith("tacit: " + options[0] + " takes "), (
            options, said)


# --- masking ---

VALUE = "a-delivered-value"


def masked(server, script, *options, **popen):
    with Run(server, "--mask", *options, command=["sh", "-c", script], **popen) as run:
        return run.end()


def test_values_in_the_output_are_replaced(server):
    status, out, err = masked(server, 'echo "out $A."; echo "err $A." >&2; echo "$A$A"')
    assert (status, out, err) == (0, "out ***.\n******\n", "err ***.\n")


def test_across_writes_however_they_are_timed(server):
    halves = 'printf %s a-deliv; sleep {0}; printf %s ered-va; sleep {0}; printf %s "lue!"'
    assert masked(server, halves.format("0")) == (0, "***!", "")
    assert masked(server, halves.format("0.5")) == (0, "***!", "")
    slowly = 'for c in a - d e l i v e r e d - v a l u e; do printf %s "$c"; sleep 0.25; done'
    status, out, _ = masked(server, slowly)
    assert status == 0 and out == "a-de***"


def test_ordinary_output_is_not_held_up(server):
    with Run(server, "--mask", command=["sh", "-c", 'printf "name? a"; read x; echo "$x"'],
             stdin=subprocess.PIPE) as run:
        end = time.monotonic() + 60
        while run.held[1] != b"name? a":  # also the last character, which the value begins with
            assert time.monotonic() < end and run._read(1, 1) != b"", run.held
        run.process.stdin.write(b"bo\n")
        run.process.stdin.close()
        assert run.end()[1] == "name? abo\n"


def test_large_output_of_any_bytes_comes_through_whole(server):
    size = 3_000_000
    script = "import os,sys; sys.stdout.buffer.write(bytes(i %% 251 for i in range(%d)))" % size
    process = subprocess.run([TACIT, "run", "--project", "p", "--mask", "--", sys.executable, "-c",
                              script], env=clean_environment(TACIT_DATA_DIR=server.data),
                             capture_output=True, timeout=60)
    assert process.stdout == bytes(i % 251 for i in range(size)) and process.returncode == 0


def test_what_is_written_at_the_end_is_not_lost_and_a_daemon_holds_nothing_up(server):
    began = time.monotonic()
    status, out, _ = masked(server, 'setsid sleep 30 & echo "last $A"; printf a-deliv; exit 3')
    assert (status, out) == (3, "last ***\na-deliv")
    assert time.monotonic() - began < 25


def test_one_order_when_both_streams_are_one(server):
    done = subprocess.run([TACIT, "run", "--project", "p", "--mask", "--", "sh", "-c",
                           'for i in 1 2 3 4 5; do echo "out $A"; echo "err $A" >&2; done'],
                          env=clean_environment(TACIT_DATA_DIR=server.data), timeout=60,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.stdout == b"out ***\nerr ***\n" * 5


def test_one_order_also_when_much_is_read_at_once(server):
    script = 'for i in 1 2 3 4 5; do echo "out $A"; echo "err $A" >&2; done; : > "$0"; read x'
    with tempfile.TemporaryDirectory() as folder:
        done = os.path.join(folder, "done")
        with Run(server, "--mask", command=["sh", "-c", 'read x; ' + script, done],
                 stdin=subprocess.PIPE, merge=True) as run:
            wait_until(lambda: children_of(run.process.pid))
            run.signal(signal.SIGSTOP)  # so that all of it waits
            run.process.stdin.write(b"go\n")
            wait_until(lambda: os.path.exists(done))
            run.signal(signal.SIGCONT)
            assert [run.line() for _ in range(10)] == ["out ***", "err ***"] * 5
            run.process.stdin.close()
            run.end()


def test_the_command_has_a_process_group_of_its_own_without_a_terminal(server):
    with Run(server, "--mask", command=["sleep", "1000"], start_new_session=True) as run:
        wait_until(lambda: children_of(run.process.pid))
        command = children_of(run.process.pid)[0]
        wait_until(lambda: os.getpgid(command) == command)


def test_a_reader_that_goes_does_not_end_a_command_that_goes_on(server):
    """What it writes goes nowhere; its status is its own."""
    script = 'trap "" PIPE; echo up; read x; echo more; echo more; exit 7'
    with Run(server, "--mask", command=["sh", "-c", script], stdin=subprocess.PIPE) as run:
        assert run.line() == "up"
        run.process.stdout.close()
        run.process.stdin.write(b"go\n")
        assert run.process.wait(60) == 7
        run.process.stdin.close()
        run.process.stdout = open(os.devnull, "rb")


def test_a_reader_that_goes_ends_the_writer(server):
    process = subprocess.Popen([TACIT, "run", "--project", "p", "--mask", "--", "yes", "line"],
                               env=clean_environment(TACIT_DATA_DIR=server.data),
                               stdout=subprocess.PIPE)
    process.stdout.read(100)
    process.stdout.close()
    assert process.wait(60) == -signal.SIGPIPE


def test_a_reader_that_is_slow_holds_no_signal_up(server):
    with Run(server, "--mask", command=["sh", "-c", 'trap "exit 6" TERM; yes "$A" & wait']) as run:
        wait_until(lambda: select.select([run.process.stdout], [], [], 0)[0])
        time.sleep(0.3)  # the pipes are full by now
        run.signal(signal.SIGTERM)
        time.sleep(0.3)
        run.signal(signal.SIGTERM)  # and nobody reads what is left: the second ends it
        assert run.process.wait(60) == 6
        assert VALUE.encode() not in run.process.stdout.read()


def test_a_restart_waits_for_the_last_words(server):
    """More than the pipes hold, and a reader that takes its time."""
    server.make_project("last")
    server.put("last", "V", "first-value")
    script = ('trap "head -c 100000 /dev/zero | tr \'\\\\0\' x; echo; exit" TERM; echo "up $$"; '
              'while :; do sleep 0.02; done')
    with Run(server, "--mask", "--on-change", "restart", "--debounce", "50ms", "--stop-timeout",
             "30m", project="last", command=["sh", "-c", script]) as run:
        pid = int(run.line().split()[1])
        server.put("last", "V", "second-value")
        wait_until(lambda: not is_alive(pid))
        time.sleep(0.3)  # it could start again, if it did not wait
        assert run.line() == "x" * 100000
        assert run.line().startswith("up ")


def test_masking_goes_on_with_the_new_values_after_a_restart(server):
    server.make_project("turn")
    server.put("turn", "V", "the-old-value")
    with Run(server, "--mask", "--on-change", "restart", "--debounce", "50ms", project="turn",
             command=["sh", "-c", 'echo "is $V"; exec sleep 1000']) as run:
        assert run.line() == "is ***"
        server.put("turn", "V", "the-new-value")
        assert run.line() == "is ***"
        assert run.end(signal.SIGTERM)[0] == -signal.SIGTERM
