"""The cache of a `tacit run` that follows changes: it holds the last set that was delivered, also
when that came while the command was running, and no set that the server says is not to be had."""
import os
import signal
import subprocess

import pytest

from harness import ROOT, TACIT, Server, as_user, clean_environment, for_everybody, wait_until
from running import Run

HEAR = ["sh", "-c", 'trap "echo heard" USR1; echo up; while :; do sleep 0.02; done']
STRANGER = "12345"
ALLOW = '[[delivery.allow]]\nproject = "p"\nuid = %s\n' % STRANGER


@pytest.fixture
def server():
    with Server() as one:
        one.make_project("p")
        one.put("p", "A", "first")
        yield one


@pytest.fixture
def cache(tmp_path):
    return str(tmp_path / "cache")


def kept(cache):
    return os.path.join(cache, "p.set")


def follow(server, cache):
    return Run(server, "--cache", cache, "--on-change", "signal:USR1", "--debounce", "50ms",
               command=HEAR)


def from_cache(server, cache):
    done = server.cli("env", "--project", "p", "--format", "shell", "--wait", "0",
                      "--cache", cache)
    assert b"using the cached set" in done.stderr, done.stderr
    return done.stdout.decode()


def test_a_set_that_comes_while_the_command_runs_is_kept(server, cache):
    with follow(server, cache) as run:
        assert run.line() == "up"
        server.put("p", "A", "second")
        assert run.line() == "heard"
        server.kill()
        assert run.line(2).startswith("tacit: unavailable")  # which removes nothing
        assert from_cache(server, cache) == "export A='second'\n"


def test_one_that_is_no_change_for_the_command_is_kept_too(server, cache):
    """What is left out of its environment today may be asked for at the next start."""
    with follow(server, cache) as run:
        assert run.line() == "up"
        before = os.stat(kept(cache)).st_ino
        server.put("p", "NODE_OPTIONS", "--withheld")
        wait_until(lambda: os.stat(kept(cache)).st_ino != before)
        assert run.says_nothing_for(0.3)
        server.kill()
        assert from_cache(server, cache) == "export A='first'\n"


def test_a_project_that_is_deleted_while_the_command_runs_ends_its_set(server, cache):
    with follow(server, cache) as run:
        assert run.line() == "up"
        assert os.path.exists(kept(cache))
        server.owner("DELETE", "/projects/p")
        assert run.line(2) == "tacit: removed the set of project p from the cache " + cache
        assert run.line(2).startswith("tacit: no such project: p at ")
        assert not os.path.exists(kept(cache))


@pytest.mark.skipif(not ROOT, reason="changes its user")
def test_a_right_that_is_taken_away_while_the_command_runs_ends_its_set(tmp_path):
    config = tmp_path / "settings.toml"
    config.write_text(ALLOW)
    with Server(arguments=["--config", str(config)]) as server:
        server.make_project("p")
        server.put("p", "A", "first")
        home = os.path.join(server.own_folder, "of-the-stranger")
        os.mkdir(home)
        os.chown(home, int(STRANGER), int(STRANGER))
        cache = os.path.join(home, "cache")
        command = as_user(STRANGER) + [for_everybody(TACIT), "run", "--project", "p", "--cache",
                                       cache, "--on-change", "restart", "--", *HEAR]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd="/",
            env=clean_environment(TACIT_RUN_DIR=os.path.dirname(server.keeper_socket)))
        try:
            assert process.stdout.readline() == b"up\n"
            assert os.path.exists(kept(cache))
            config.write_text("")  # nobody is allowed
            server.restart()
            lines = [process.stderr.readline()]
            while b"refused: " not in lines[-1]:
                assert lines[-1], "it has ended"
                lines.append(process.stderr.readline())
            assert any(b"removed the set of project p" in line for line in lines), lines
            assert not os.path.exists(kept(cache))
            assert process.poll() is None
        finally:
            process.terminate()
            assert process.wait(60) == -signal.SIGTERM
            process.stdout.close()
            process.stderr.close()
