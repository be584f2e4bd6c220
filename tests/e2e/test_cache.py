"""`tacit run` and `tacit env` when the server is down: the four answers, with a cache and not."""
import contextlib
import os
import re
import shutil
import socket
import stat
import subprocess
import threading
import time

import harness
import pytest
from harness import ORDINARY, ROOT, Server, as_user, clean_environment, for_everybody

VALUE = "a value of the cache test"


@pytest.fixture(name="server")
def fixture_server():
    with Server() as server:
        server.make_project("p")
        server.put("p", "A", VALUE)
        server.put("p", "NODE_OPTIONS", "--withheld")
        yield server


@pytest.fixture(name="cache")
def fixture_cache(tmp_path):
    return str(tmp_path / "cache")


def env(server, *arguments, project="p", wait="0", fmt="shell"):
    return server.cli("env", "--project", project, "--format", fmt, "--wait", wait, *arguments)


def good(done, text="export A='%s'\n" % VALUE, *said):
    assert (done.returncode, done.stdout.decode()) == (0, text), done.stderr
    for part in said:
        assert part in done.stderr.decode(), done.stderr
    return done.stderr.decode()


def bad(done, *said):
    assert (done.returncode, done.stdout) == (1, b""), done
    for part in said:
        assert part in done.stderr.decode(), done.stderr
    assert VALUE not in done.stderr.decode()


class StubKeeper:
    """Answers every connection on run/keeper.sock with the same bytes."""

    def __init__(self, data, answer):
        os.makedirs(os.path.join(data, "run"), exist_ok=True)
        self.path = os.path.join(data, "run", "keeper.sock")
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path)
        self.answer, self.asked = answer, 0
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(self.path)
        os.chmod(self.path, 0o666)
        self.socket.listen(16)
        self.thread = threading.Thread(target=self.serve)

    def serve(self):
        while True:
            with contextlib.suppress(OSError):
                peer, _ = self.socket.accept()
                with peer:
                    got = peer.recv(65536)
                    if got == b"":
                        return
                    self.asked += 1
                    peer.sendall(self.answer)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        with socket.socket(socket.AF_UNIX) as last:  # ends the thread: nothing is sent
            last.connect(self.path)
        self.thread.join()
        self.socket.close()
        os.unlink(self.path)


def http_answer(status, body, more=b""):
    return b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n%s\r\n%s" % (
        status, len(body), more, body)


def error(status, code, more=b""):
    return http_answer(status, b'{"error":{"code":"%s","message":"m"}}' % code, more)


# --- available, unavailable, absent, refused, empty ---

def test_a_set_is_kept_and_used_when_nobody_answers(server, cache):
    began = time.monotonic()
    said = good(env(server, "--cache", cache))
    assert "cache" not in said
    server.stop()
    said = good(env(server, "--cache", cache), "export A='%s'\n" % VALUE,
                "unavailable: cannot reach the keeper", "using the cached set, ",
                "NODE_OPTIONS")
    age = re.search(r"delivered (\d+) s ago", said)
    assert age and int(age[1]) <= time.monotonic() - began + 1, said
    assert len(said.splitlines()) == 2
    done = server.cli("run", "--project", "p", "--cache", cache, "--", "sh", "-c",
                      'printf %s "$A${NODE_OPTIONS-}"')
    good(done, VALUE, "using the cached set")
    bad(env(server), "unavailable: cannot reach the keeper")


def test_what_lies_in_the_folder(server, cache):
    good(env(server, "--cache", cache))
    assert sorted(os.listdir(cache)) == ["key", "p.set"]
    for name, mode in (("", 0o700), ("key", 0o600), ("p.set", 0o600)):
        about = os.stat(os.path.join(cache, name))
        assert stat.S_IMODE(about.st_mode) == mode
    assert harness.files_with(cache, VALUE.encode()) == []
    before = os.stat(os.path.join(cache, "p.set")).st_ino
    good(env(server, "--cache", cache))
    assert os.stat(os.path.join(cache, "p.set")).st_ino != before  # replaced, not written over


def test_the_newest_set_is_the_one_kept(server, cache):
    good(env(server, "--cache", cache))
    server.put("p", "A", "newer")
    good(env(server, "--cache", cache), "export A='newer'\n")
    server.stop()
    good(env(server, "--cache", cache), "export A='newer'\n")


def test_absent_removes_the_cached_set(server, cache):
    good(env(server, "--cache", cache))
    server.owner("DELETE", "/projects/p")
    bad(env(server, "--cache", cache), "no such project: p", "removed the set of project p")
    assert os.listdir(cache) == ["key"]
    bad(env(server), "no such project: p")
    server.stop()
    bad(env(server, "--cache", cache), "unavailable", "it has no set of this project")


@pytest.mark.skipif(not ROOT, reason="changes its user")
def test_refused_removes_the_cached_set(tmp_path):
    # The first server lets the user in, the second does not: an entry was taken away.
    config = tmp_path / "allow.toml"
    config.write_text('[[delivery.allow]]\nproject = "p"\nuid = %s\n' % ORDINARY)
    with Server(arguments=["--config", str(config)]) as server:
        server.make_project("p")
        server.put("p", "A", VALUE)
        cache = os.path.join(server.own_folder, "cache")
        command = as_user(ORDINARY) + [
            for_everybody(server.binary), "env", "--project", "p", "--format", "shell", "--wait",
            "0", "--run-dir", os.path.join(server.data, "run")]

        def ask(*more):
            return subprocess.run(command + list(more), capture_output=True,
                                  env=clean_environment())
        good(ask("--cache", cache))
        config.write_text("")
        server.restart()
        bad(ask(), "refused: ")
        assert sorted(os.listdir(cache)) == ["key", "p.set"]
        bad(ask("--cache", cache), "refused: ", "removed the set of project p")
        assert os.listdir(cache) == ["key"]
        server.stop()
        bad(ask("--cache", cache), "unavailable", "it has no set of this project")


def test_empty_is_kept_as_empty(server, cache):
    good(env(server, "--cache", cache))
    for name in ("A", "NODE_OPTIONS"):
        server.owner("DELETE", "/projects/p/secrets/" + name)
    good(env(server, "--cache", cache), "")
    good(env(server), "")
    server.stop()
    good(env(server, "--cache", cache), "", "using the cached set")


# --- answers that are no answers ---

@pytest.mark.parametrize("answer", [
    error(b"503 Service Unavailable", b"SERVICE_UNAVAILABLE"), b"",
    b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"data\":{\"project\":\"p\""])
def test_a_503_and_a_cut_answer_are_unavailable(server, cache, answer):
    good(env(server, "--cache", cache))
    server.stop()
    with StubKeeper(server.data, answer):
        good(env(server, "--cache", cache), "export A='%s'\n" % VALUE, "using the cached set")
        bad(env(server), "unavailable")


@pytest.mark.parametrize("answer", [
    error(b"404 Not Found", b"OTHER"), http_answer(b"404 Not Found", b"<html>"),
    http_answer(b"403 Forbidden", b""), error(b"401 Unauthorized", b"UNAUTHORIZED"),
    http_answer(b"200 OK", b'{"data":{"project":"q","revision":1,"env":{},"withheld":[]}}'),
    http_answer(b"200 OK", b'{"data":{"project":"p"}}'), http_answer(b"200 OK", b""),
    error(b"500 Internal Server Error", b"INTERNAL_ERROR"), b"hello\r\n\r\n"])
def test_who_is_no_keeper_neither_removes_nor_opens_the_cache(server, cache, answer):
    good(env(server, "--cache", cache))
    server.stop()
    with StubKeeper(server.data, answer) as stub:
        bad(env(server, "--cache", cache, wait="10s"), "unavailable: ")
        assert stub.asked == 1  # asking again would not help
    assert sorted(os.listdir(cache)) == ["key", "p.set"]
    good(env(server, "--cache", cache))


# --- a cached set that is not to be used ---

def change(path, how):
    with open(path, "rb") as file:
        old = file.read()
    with open(path, "wb") as file:
        file.write(how(old))


@pytest.mark.parametrize("how", [
    lambda old: old[:40] + bytes([old[40] ^ 1]) + old[41:], lambda old: bytes([2]) + old[1:],
    lambda old: old[:-1] + bytes([old[-1] ^ 0x80]), lambda old: old[:-1], lambda old: old + b"x",
    lambda _: b"", lambda old: old[:10]])
def test_a_damaged_set(server, cache, how):
    good(env(server, "--cache", cache))
    server.stop()
    change(os.path.join(cache, "p.set"), how)
    bad(env(server, "--cache", cache), "p.set does not open: it is damaged")
    server.start()
    good(env(server, "--cache", cache))  # and is mended by the next delivery
    server.stop()
    good(env(server, "--cache", cache))


def test_a_stale_set(server, cache):
    good(env(server, "--cache", cache))
    server.stop()
    bad(env(server, "--cache", cache, "--cache-max-age", "0"), "older than --cache-max-age (0s)")
    good(env(server, "--cache", cache, "--cache-max-age", "10m"))


def test_the_time_counts_that_was_sealed_not_the_files(server, cache):
    good(env(server, "--cache", cache))
    server.stop()
    file = os.path.join(cache, "p.set")
    os.utime(file, (1, 1))
    good(env(server, "--cache", cache))
    time.sleep(0.01)
    os.utime(file, (time.time() + 3600,) * 2)
    bad(env(server, "--cache", cache, "--cache-max-age", "5ms"), "older than --cache-max-age")


def test_a_set_of_another_project_or_server(server, cache):
    server.make_project("q")
    server.put("q", "A", "value of q")
    good(env(server, "--cache", cache))
    good(env(server, "--cache", cache, project="q"), "export A='value of q'\n")
    server.stop()
    os.rename(os.path.join(cache, "q.set"), os.path.join(cache, "p.set"))
    bad(env(server, "--cache", cache), "or of another project, server or key")
    with Server() as other:
        other.make_project("p")
        other.put("p", "A", "of another server")
        good(env(other, "--cache", cache), "export A='of another server'\n")
    bad(env(server, "--cache", cache), "or of another project, server or key")


def test_a_file_that_others_could_have_written(server, cache):
    good(env(server, "--cache", cache))
    server.stop()
    file = os.path.join(cache, "p.set")
    os.chmod(file, 0o640)
    bad(env(server, "--cache", cache), "p.set can be reached by others")
    os.chmod(file, 0o600)
    shutil.move(file, cache + "-elsewhere")
    os.symlink(cache + "-elsewhere", file)
    bad(env(server, "--cache", cache), "p.set cannot be opened")
    os.unlink(file)
    os.mkfifo(file, 0o600)
    bad(env(server, "--cache", cache), "p.set is not a file")
    os.unlink(file)
    shutil.move(cache + "-elsewhere", file)
    good(env(server, "--cache", cache))
    if ROOT:
        os.chown(file, int(ORDINARY), 0)
        bad(env(server, "--cache", cache), "p.set belongs to another user")


# --- folder and key ---

def test_a_folder_that_others_can_reach(server, cache):
    os.mkdir(cache, 0o755)
    bad(env(server, "--cache", cache), "can be reached by others", "mode 0700")
    assert os.listdir(cache) == []
    os.rmdir(cache)
    os.mkdir(cache + "-real", 0o700)
    os.symlink(cache + "-real", cache)
    for name in (cache, cache + "/"):
        bad(env(server, "--cache", name), "symbolic link")
    assert os.listdir(cache + "-real") == []
    bad(env(server, "--cache", cache + "-none/deeper"), "cannot make the cache folder")
    if ROOT:
        os.chown(cache + "-real", int(ORDINARY), 0)
        bad(env(server, "--cache", cache + "-real"), "belongs to another user")


def test_a_full_disk_does_not_withhold_the_set(server, cache):
    good(env(server, "--cache", cache))
    os.unlink(os.path.join(cache, "p.set"))
    os.makedirs(os.path.join(cache, "p.set", "in the way"))
    said = good(env(server, "--cache", cache))
    assert "was not kept in the cache" in said
    assert sorted(os.listdir(cache)) == ["key", "p.set"]


def make_key(path, size=32, mode=0o600):
    with open(path, "wb") as file:
        file.write(os.urandom(size))
    os.chmod(path, mode)
    return str(path)


def test_a_key_file(server, cache, tmp_path):
    key, other = make_key(tmp_path / "key"), make_key(tmp_path / "other")
    good(env(server, "--cache", cache, "--cache-key-file", key))
    assert os.listdir(cache) == ["p.set"]
    server.stop()
    good(env(server, "--cache", cache, "--cache-key-file", key))
    bad(env(server, "--cache", cache, "--cache-key-file", other), "or of another project")
    bad(env(server, "--cache", cache), "or of another project")  # the one bound to the machine
    for size in (0, 31, 33):
        bad(env(server, "--cache", cache, "--cache-key-file", make_key(tmp_path / "bad", size)),
            "has not 32 bytes")
    bad(env(server, "--cache", cache, "--cache-key-file",
            make_key(tmp_path / "bad", 32, 0o644)), "others can reach the cache key")
    bad(env(server, "--cache", cache, "--cache-key-file", str(tmp_path)), "is not a file")
    bad(env(server, "--cache", cache, "--cache-key-file", str(tmp_path / "none")),
        "cannot open the cache key")


def test_the_machines_key_needs_its_own_half(server, cache):
    good(env(server, "--cache", cache))
    server.stop()
    key = os.path.join(cache, "key")
    change(key, lambda old: bytes([old[0] ^ 1]) + old[1:])
    bad(env(server, "--cache", cache), "does not open")
    change(key, lambda old: old[:-1])
    bad(env(server, "--cache", cache), "has not 32 bytes")


@pytest.mark.skipif(not ROOT, reason="mounts over /etc/machine-id")
def test_the_machines_key_is_of_this_machine(server, cache, tmp_path):
    good(env(server, "--cache", cache))
    server.stop()

    def on_machine(identity):
        file = tmp_path / "machine-id"
        file.write_text(identity)
        script = 'mount --bind "$1" /etc/machine-id && shift && exec "$@"'
        return subprocess.run(
            ["unshare", "--mount", "sh", "-c", script, "sh", str(file), server.binary, "env",
             "--project", "p", "--format", "shell", "--wait", "0", "--cache", cache],
            capture_output=True, env=clean_environment(TACIT_DATA_DIR=server.data))
    with open("/etc/machine-id", encoding="ascii") as file:
        own = file.read()
    good(on_machine(own))
    bad(on_machine("0123456789abcdef" * 2 + "\n"), "does not open")
    for wrong in ("", "uninitialized\n", own.strip()[:-1] + "\n", own.strip() + "0\n"):
        bad(on_machine(wrong), "has no id in /etc/machine-id", "--cache-key-file")


def test_many_at_once(server, cache):
    """Each run keeps its set; none sees half a file, and the key is made once."""
    command = [server.binary, "env", "--project", "p", "--format", "shell", "--cache", cache,
               "--wait", "0"]
    surroundings = clean_environment(TACIT_DATA_DIR=server.data)

    def all_at_once():
        started = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                    env=surroundings) for _ in range(12)]
        return [(one.communicate(), one.returncode) for one in started]
    for (out, said), status in all_at_once():
        assert (status, out.decode()) == (0, "export A='%s'\n" % VALUE), said
        assert b"cache" not in said
    assert sorted(os.listdir(cache)) == ["key", "p.set"]
    server.stop()
    for (out, said), status in all_at_once():
        assert (status, out.decode()) == (0, "export A='%s'\n" % VALUE), said


# --- waiting ---

def test_it_waits_for_a_server_that_comes(server):
    server.stop()
    waiting = subprocess.Popen(
        [server.binary, "run", "--project", "p", "--wait", "60s", "--", "sh", "-c",
         'printf %s "$A"'], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=clean_environment(TACIT_DATA_DIR=server.data))
    line = waiting.stderr.readline().decode()
    assert "unavailable: cannot reach the keeper" in line
    assert line.endswith("; asking again for up to 1m\n")
    server.start()
    out, said = waiting.communicate()
    assert (waiting.returncode, out.decode()) == (0, VALUE), said


def test_the_wait_ends(server):
    server.stop()
    began = time.monotonic()
    done = env(server, wait="300ms")
    assert time.monotonic() - began >= 0.3
    bad(done, "asking again for up to 300ms", "is the server running?")
    assert len(done.stderr.decode().splitlines()) == 2
    done = server.cli("run", "--project", "p", "--", "true")  # the default
    bad(done, "asking again for up to 5s")
    done = env(server)
    bad(done)
    assert len(done.stderr.decode().splitlines()) == 1


def test_it_asks_again_after_a_503_and_not_after_an_answer(server):
    server.stop()
    with StubKeeper(server.data, error(b"503 Service Unavailable", b"SERVICE_UNAVAILABLE")) as stub:
        bad(env(server, wait="1s"), "cannot read values now")
        assert stub.asked >= 3
    late = error(b"503 Service Unavailable", b"SERVICE_UNAVAILABLE", b"Retry-After: 3600\r\n")
    with StubKeeper(server.data, late) as stub:
        bad(env(server, wait="300ms"), "try again in 3600 s")
        assert stub.asked == 2  # at once and at the end
    for answer in (error(b"404 Not Found", b"NOT_FOUND"), error(b"403 Forbidden", b"FORBIDDEN")):
        with StubKeeper(server.data, answer) as stub:
            bad(env(server, wait="10s"))
            assert stub.asked == 1


def test_a_usable_cache_is_not_waited_for(server, cache):
    good(env(server, "--cache", cache))
    server.stop()
    said = good(env(server, "--cache", cache, wait="600s"))
    assert "asking again" not in said
    os.unlink(os.path.join(cache, "p.set"))
    bad(env(server, "--cache", cache, wait="200ms"), "asking again", "it has no set")


@pytest.mark.parametrize("flags", [["--cache-max-age", "1h"], ["--cache-key-file", "k"],
                                   ["--wait", "5"], ["--wait", "-1s"], ["--wait", ""],
                                   ["--cache", "c", "--cache-max-age", "1 day"]])
def test_wrong_usage(flags):
    done = subprocess.run([harness.TACIT, "env", "--project", "p", "--format", "json", *flags],
                          capture_output=True, env=clean_environment())
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.decode().count("\n") == 1 and "--help" in done.stderr.decode()
