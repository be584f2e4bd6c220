"""`tacit run` that follows changes: acts once for a burst, not at all for the same values, and
keeps the command running whatever the keeper answers."""
import contextlib
import os
import signal
import subprocess
import time

import pytest

from harness import ROOT, Server, is_alive, wait_until
from running import Run, children_of

needs_root = pytest.mark.skipif(not ROOT, reason="changes its user")
# Says its values and then waits, also for what it started.
SHOW = ["sh", "-c", 'echo "$$ A=$A B=$B"; exec sleep 1000']
# Says each signal that it gets.
HEAR = ["sh", "-c", 'trap "echo heard" USR1; echo up; while :; do sleep 0.02; done']
SOON = ("--debounce", "50ms")


@pytest.fixture(scope="module")
def shared():
    with Server() as one:
        yield one


@pytest.fixture
def server(shared):
    """The server with a fresh project p."""
    shared.owner("DELETE", "/projects/p")
    shared.make_project("p")
    shared.put("p", "A", "first")
    return shared


# --- a change ---

def test_restart_with_the_new_values(server):
    with Run(server, "--on-change", "restart", *SOON, command=SHOW) as run:
        first = run.line().split()
        assert first[1:] == ["A=first", "B="]
        server.put("p", "A", "second")
        second = run.line().split()
        assert second[1:] == ["A=second", "B="] and second[0] != first[0]
        assert not is_alive(int(first[0]))
        server.put("p", "B", "more")
        assert run.line().split()[1:] == ["A=second", "B=more"]
        server.owner("DELETE", "/projects/p/secrets/A")
        assert run.line().split()[1:] == ["A=", "B=more"]
        status, _, said = run.end(signal.SIGTERM)
        assert status == -signal.SIGTERM
        assert said == 3 * ("tacit: the project's secrets have changed: restarting the command\n")


def test_a_signal_and_the_command_goes_on(server):
    with Run(server, "--on-change", "signal:USR1", *SOON, command=HEAR) as run:
        assert run.line() == "up"
        command = children_of(run.process.pid)
        for value in ("second", "third"):
            server.put("p", "A", value)
            assert run.line() == "heard"
        assert children_of(run.process.pid) == command
        assert run.end(signal.SIGTERM)[0] == -signal.SIGTERM


def test_what_the_command_was_told_of_is_what_the_next_set_is_compared_with(server):
    with Run(server, "--on-change", "signal:USR1", *SOON, command=HEAR) as run:
        assert run.line() == "up"
        for value in ("second", "first"):
            server.put("p", "A", value)
            assert run.line() == "heard"
        server.put("p", "A", "first")
        assert run.says_nothing_for(0.5)


def test_the_same_values_are_no_change(server):
    with Run(server, "--on-change", "signal:USR1", *SOON, command=HEAR) as run:
        assert run.line() == "up"
        for _ in range(3):
            server.put("p", "A", "first")  # a new revision each time
        server.put("p", "NODE_OPTIONS", "withheld: not delivered")
        assert run.says_nothing_for(0.5)
        server.put("p", "A", "other")
        assert run.line() == "heard"


def test_a_change_that_is_taken_back_in_time_is_none(server):
    with Run(server, "--on-change", "signal:USR1", "--debounce", "700ms", command=HEAR) as run:
        assert run.line() == "up"
        server.put("p", "A", "other")
        server.put("p", "A", "first")
        assert run.says_nothing_for(1.5)
        server.put("p", "A", "other")
        assert run.line() == "heard"


def test_a_burst_is_acted_on_once_and_with_its_last_values(server):
    with Run(server, "--on-change", "restart", "--debounce", "600ms", command=SHOW) as run:
        run.line()
        for i in range(20):
            server.put("p", "A", "value %d" % i)
            server.put("p", "B", "value %d" % i)
        assert run.line().endswith("A=value 19 B=value 19")
        assert run.says_nothing_for(1)


def test_it_asks_once_for_each_change_and_from_the_set_that_it_has():
    with Server() as server:
        server.make_project("p")
        server.put("p", "A", "first")

        def answers():
            return server.log().count('"event":"delivery"')
        with Run(server, "--on-change", "signal:USR1", *SOON, command=HEAR) as run:
            assert run.line() == "up" and run.says_nothing_for(0.5)
            assert answers() == 1
            for asked, value in enumerate(("second", "third"), 2):
                server.put("p", "A", value)
                assert run.line() == "heard" and run.says_nothing_for(0.5)
                assert answers() == asked


def test_a_secret_that_only_leaves_out_is_no_change(server):
    with Run(server, "--only", "A", "--on-change", "signal:USR1", *SOON, command=HEAR) as run:
        assert run.line() == "up"
        server.put("p", "B", "not for it")
        assert run.says_nothing_for(0.5)
        server.put("p", "A", "for it")
        assert run.line() == "heard"


def test_a_set_that_lacks_a_required_one_is_not_taken(server):
    with Run(server, "--require", "A", "--on-change", "restart", *SOON, command=SHOW) as run:
        pid = int(run.line().split()[0])
        server.owner("DELETE", "/projects/p/secrets/A")
        assert run.line(2) == ("tacit: the project's secrets have changed, but lack what the "
                               "command requires: A; it keeps running with what it has")
        assert is_alive(pid)
        server.put("p", "A", "again")
        assert run.line().endswith("A=again B=")


def test_without_on_change_the_process_becomes_the_command(server):
    with Run(server, command=["sh", "-c", "echo $$; read x"], stdin=subprocess.PIPE) as run:
        assert int(run.line()) == run.process.pid
        run.process.stdin.close()


# --- stopping for a restart ---

def test_the_stop_signal_is_the_one_that_is_named(server):
    command = ["sh", "-c", 'trap "echo bye; exit 0" QUIT; trap "echo wrong" TERM; echo "A=$A"; '
                           'while :; do sleep 0.02; done']
    with Run(server, "--on-change", "restart", "--stop-signal", "QUIT", *SOON,
             command=command) as run:
        assert run.line() == "A=first"
        server.put("p", "A", "second")
        assert [run.line(), run.line()] == ["bye", "A=second"]


def test_one_that_does_not_stop_is_killed_and_one_that_is_stopped_too(server):
    command = ["sh", "-c", 'trap "echo no" TERM; echo "$$ A=$A"; while :; do sleep 0.02; done']
    with Run(server, "--on-change", "restart", "--stop-timeout", "300ms", *SOON,
             command=command) as run:
        pid = int(run.line().split()[0])
        server.put("p", "A", "second")
        assert run.line() == "no"
        pid, value = run.line().split()
        assert value == "A=second"
        os.kill(int(pid), signal.SIGSTOP)
        server.put("p", "A", "third")
        lines = [run.line()]
        while not lines[-1].endswith("third"):
            lines.append(run.line())


def test_who_is_stopped_hears_that_it_is_to_end(server):
    """The command and what it left behind, long before anything is killed."""
    command = ["sh", "-c", 'sleep 1000 & echo "$! $$ A=$A"; wait']
    with Run(server, "--on-change", "restart", "--stop-timeout", "30m", *SOON,
             command=command) as run:
        left, pid, _ = run.line().split()
        os.kill(int(left), signal.SIGSTOP)
        os.kill(int(pid), signal.SIGSTOP)
        server.put("p", "A", "second")
        assert run.line().endswith("A=second")
        assert not is_alive(int(left)) and not is_alive(int(pid))


# Stops when the file is there; says when it is asked to.
RELUCTANT = ('trap "echo stopping" TERM; echo "A=$A"; '
             'while ! [ -e "$0" ]; do sleep 0.02; done; rm "$0"')


def sockets(server):
    folder = "/proc/%d/fd" % server.pid
    found = set()
    for name in os.listdir(folder):
        with contextlib.suppress(FileNotFoundError):
            found.add(os.readlink(os.path.join(folder, name)))
    return found


def test_it_starts_again_with_the_newest_set(server, tmp_path):
    """Also when that came while the command was still stopping."""
    leave = tmp_path / "leave"
    with Run(server, "--on-change", "restart", "--stop-timeout", "30m", *SOON,
             command=["sh", "-c", RELUCTANT, str(leave)]) as run:
        assert run.line() == "A=first"
        server.put("p", "A", "second")
        assert run.line() == "stopping"
        before = sockets(server)
        answers = server.log().count('"event":"delivery"')
        server.put("p", "A", "third")
        wait_until(lambda: server.log().count('"event":"delivery"') > answers)
        wait_until(lambda: sockets(server) - before)  # it has the answer, and asks on
        leave.touch()
        assert run.line() == "A=third"


def test_a_set_that_lacks_a_required_one_while_it_stops_is_not_taken(server, tmp_path):
    leave = tmp_path / "leave"
    with Run(server, "--on-change", "restart", "--stop-timeout", "30m", "--require", "A", *SOON,
             command=["sh", "-c", RELUCTANT, str(leave)]) as run:
        assert run.line() == "A=first"
        server.put("p", "A", "second")
        assert run.line() == "stopping"
        server.owner("DELETE", "/projects/p/secrets/A")
        while "lack what the command requires" not in run.line(2):
            pass
        leave.touch()
        assert run.line() == "A=second"


def test_what_the_command_left_behind_is_ended_before_it_starts_again(server):
    """A grandchild that ignores the stop signal, in a session of its own, and one that does not."""
    command = ["sh", "-c", 'setsid sh -c \'trap "" TERM; echo "left $$"; exec sleep 1000\' & '
                           'sleep 1000 & echo "left $!"; sleep 0.3; echo "$$ A=$A"; wait']
    with Run(server, "--on-change", "restart", "--stop-timeout", "500ms", *SOON,
             command=command) as run:
        left = [int(run.line().split()[1]) for _ in range(2)]
        pid = int(run.line().split()[0])
        assert all(is_alive(one) for one in left + [pid])
        server.put("p", "A", "second")
        assert run.line().startswith("left ")
        assert not any(is_alive(one) for one in left + [pid])


def test_what_the_command_left_behind_has_the_time_to_stop(server):
    command = ["sh", "-c", 'setsid sh -c \'trap "sleep 0.3; echo bye; exit" TERM; echo ready; '
                           'while :; do sleep 0.02; done\' & trap exit TERM; wait']
    with Run(server, "--on-change", "restart", "--stop-timeout", "30m", *SOON,
             command=command) as run:
        assert run.line() == "ready"
        server.put("p", "A", "second")
        assert [run.line(), run.line()] == ["bye", "ready"]


def test_a_request_to_end_during_a_restart_ends_it(server):
    command = ["sh", "-c", 'trap "echo stopping" TERM; trap "exit 9" INT; echo "A=$A"; '
                           'while :; do sleep 0.02; done']
    with Run(server, "--on-change", "restart", "--stop-timeout", "60s", *SOON,
             command=command) as run:
        assert run.line() == "A=first"
        server.put("p", "A", "second")
        assert run.line() == "stopping"
        status, out, _ = run.end(signal.SIGINT)
        assert (status, out) == (9, "")


def test_a_request_to_end_while_only_what_was_left_behind_is_waited_for(server):
    command = ["sh", "-c", 'setsid sh -c \'trap "" TERM; exec sleep 1000\' & '
                           'trap "exit 9" TERM; echo "$$ A=$A"; wait']
    with Run(server, "--on-change", "restart", "--stop-timeout", "30m", *SOON,
             command=command) as run:
        pid = int(run.line().split()[0])
        server.put("p", "A", "second")
        wait_until(lambda: not is_alive(pid) and children_of(run.process.pid) != [])
        run.signal(signal.SIGTERM)
        assert run.process.wait(60) == 9


def test_a_command_that_cannot_be_started_again(server, tmp_path):
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\necho up\nexec sleep 1000\n")
    program.chmod(0o755)
    with Run(server, "--on-change", "restart", *SOON, command=[str(program)]) as run:
        assert run.line() == "up"
        program.unlink()
        server.put("p", "A", "second")
        status, _, said = run.end()
        assert status == 127 and said.endswith("program: No such file or directory\n")


def test_a_command_that_ends_by_itself_ends_run(server):
    with Run(server, "--on-change", "restart", command=["sh", "-c", "exit 42"]) as run:
        assert run.end() == (42, "", "")


# --- whatever the keeper answers, the command keeps running ---

def follow(server, *more):
    run = Run(server, "--on-change", "signal:USR1", *SOON, *more, command=HEAR)
    assert run.line() == "up"
    return run


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_the_keeper_goes_and_comes_back(how):
    with Server() as server:
        server.make_project("p")
        server.put("p", "A", "first")
        with follow(server) as run:
            server.stop(signal.SIGTERM) if how == signal.SIGTERM else server.kill()
            assert "; the command keeps running with what it has" in run.line(2)
            time.sleep(1)  # several tries, and not a word of them
            assert run.process.poll() is None and run.says_nothing_for(0.1, 2)
            server.start()
            assert run.line(2) == "tacit: the keeper answers again: changes are followed"
            assert run.says_nothing_for(0.3)  # the same values
            server.put("p", "A", "second")
            assert run.line() == "heard"
            server.restart()
            server.put("p", "A", "missed")
            assert run.line() == "heard"
            assert run.end(signal.SIGTERM)[0] == -signal.SIGTERM


def test_a_project_that_is_deleted(server):
    with follow(server) as run:
        server.owner("DELETE", "/projects/p")
        line = run.line(2)
        assert line.startswith("tacit: no such project: p at ")
        assert line.endswith("; the command keeps running with what it has, and changes are asked "
                             "for again")
        assert run.says_nothing_for(0.5)
        server.make_project("p")
        server.put("p", "A", "first")
        assert run.line(2) == "tacit: the keeper answers again: changes are followed"
        assert run.says_nothing_for(0.5)
        server.put("p", "A", "second")
        assert run.line() == "heard"


@needs_root
def test_a_right_that_is_taken_away():
    from test_delivery import STRANGER, with_allow
    from harness import TACIT, as_user, clean_environment, for_everybody
    allow = '[[delivery.allow]]\nproject = "p"\nuid = %d\n' % STRANGER
    with with_allow(allow) as server:
        server.make_project("p")
        server.put("p", "A", "first")
        process = subprocess.Popen(
            as_user(str(STRANGER)) + [for_everybody(TACIT), "run", "--project", "p",
                                      "--on-change", "restart", "--", "sh", "-c",
                                      "echo up; exec sleep 1000"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd="/",
            env=clean_environment(TACIT_RUN_DIR=os.path.dirname(server.keeper_socket)))
        try:
            assert process.stdout.readline() == b"up\n"
            with open(server.kept_file.name, "w"):
                pass  # nobody is allowed
            server.restart()
            lines = [process.stderr.readline()]
            while b"refused: " not in lines[-1]:
                assert lines[-1].startswith(b"tacit: unavailable"), lines
                lines.append(process.stderr.readline())
            assert b"may not read project p" in lines[-1] and b"keeps running" in lines[-1]
            assert process.poll() is None
        finally:
            process.terminate()
            assert process.wait(60) == -signal.SIGTERM
            process.stdout.close()
            process.stderr.close()


def test_run_holds_no_values_in_its_arguments_or_environment(server):
    with Run(server, "--on-change", "restart", command=SHOW) as run:
        run.line()
        for file in ("cmdline", "environ"):
            with open("/proc/%d/%s" % (run.process.pid, file), "rb") as about:
                assert b"first" not in about.read()


def test_killing_run_kills_the_command(server):
    with Run(server, "--on-change", "restart", command=SHOW) as run:
        pid = int(run.line().split()[0])
        run.process.kill()
        run.process.wait()
        wait_until(lambda: not is_alive(pid))
