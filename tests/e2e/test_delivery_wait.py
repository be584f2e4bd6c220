"""Every way out gives each of the four answers as it is, also when it waits, and whatever stands
between: refused, absent, unavailable, empty. No answer turns into another."""
import contextlib
import json
import os
import re
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

import pytest

from harness import (ORDINARY, ROOT, TACIT, Server, UnixConnection, as_user, clean_environment,
                     exchange, for_everybody, wait_until)
from rawhttp import over_unix, request
from running import Run
from test_delivery import GRANTS, STRANGER, with_allow

needs_root = pytest.mark.skipif(not ROOT, reason="changes its user")
LARGE = "\U0001f511" * 4096


@pytest.fixture(scope="module")
def server():
    with with_allow(GRANTS) as one:
        one.idle = connections(one)
        for project in ("full", "empty"):
            one.make_project(project)
        one.put("full", "A", "canary-value")
        yield one


def wait_on(server, project, tag, seconds=60):
    with contextlib.closing(UnixConnection(server.keeper_socket)) as connection:
        return exchange(connection, "GET", "/v1/projects/%s/env?wait=%s" % (project, seconds), None,
                        {"If-None-Match": tag})


def held(server, project, tag, count=1):
    """Threads that wait, and what they got."""
    got = []

    threads = [threading.Thread(target=lambda: got.append(wait_on(server, project, tag)))
               for _ in range(count)]
    wait_until(lambda: connections(server) <= server.idle)  # the keeper has seen earlier ones end
    for thread in threads:
        thread.start()
    wait_until(lambda: connections(server) >= server.idle + count)
    time.sleep(0.3)  # the requests are in; were one not held, its answer would be too early
    assert not got, got
    return threads, got


def connections(server):
    return len(os.listdir("/proc/%d/fd" % server.pid))


def joined(threads, got):
    for thread in threads:
        thread.join()
    return got


# --- the four answers, on each way out ---

def ways(server, project, user=None):
    """(way, answer as one of 200, 403, 404, 503 and its body) for each way out."""
    before = as_user(user) if user else []
    environment = clean_environment(TACIT_RUN_DIR=os.path.dirname(server.keeper_socket))
    binary = for_everybody(TACIT)

    def call(*command):
        return subprocess.run(before + list(command), capture_output=True, timeout=60, cwd="/",
                              env=environment)
    for query, fields in (("", []), ("?wait=60", []), ("?wait=1", ["-H", 'If-None-Match: "0"']),
                          ("?wait=0", ["-H", "If-None-Match: *"])):
        done = call("curl", "-sS", "-w", "\n%{http_code}", *fields, "--unix-socket",
                    server.keeper_socket, "http://localhost/v1/projects/%s/env%s" % (project, query))
        body, _, status = done.stdout.decode().rpartition("\n")
        if done.returncode != 0:
            status = "no answer"
        yield "curl " + query, status, body
    said = {"refused:": "403", "no such project:": "404", "unavailable:": "503"}
    for way in (("env", "--format", "json"), ("run", "--", "env"),
                ("run", "--on-change", "restart", "--", "env"), ("run", "--mask", "--", "env")):
        done = call(binary, way[0], "--project", project, *way[1:])
        text = done.stderr.decode()
        status = "200" if done.returncode == 0 else next(
            (status for line, status in said.items() if text.startswith("tacit: " + line)), text)
        assert (done.returncode == 0) == (text == "") and done.returncode in (0, 1)
        assert status == "200" or done.stdout == b""
        yield " ".join(way), status, done.stdout.decode()


def test_full_and_empty_are_200(server):
    for way, status, body in ways(server, "full"):
        if way == "curl ?wait=0":
            assert (status, body) == ("304", ""), way
            continue
        assert status == "200", (way, status)
        assert ("A=***" if "mask" in way else "canary-value") in body, (way, body)
    for way, status, body in ways(server, "empty"):
        assert status == ("304" if way == "curl ?wait=0" else "200"), (way, status)
        if way.startswith("curl") and status == "200":
            assert json.loads(body)["data"]["env"] == {}, way
        assert "canary" not in body


def test_absent_is_404(server):
    for way, status, body in ways(server, "none"):
        assert status == "404", (way, status, body)


@needs_root
def test_refused_is_403_at_once_whether_it_exists_or_not(server):
    for user in (ORDINARY, str(STRANGER)):  # who may read nothing, and who may read another project
        for project in ("full", "empty", "none"):
            began = time.monotonic()
            for way, status, body in ways(server, project, user):
                assert status == "403" and "canary" not in body, (user, project, way, status, body)
            assert time.monotonic() - began < 40


def test_unavailable_is_503():
    with Server() as server:
        server.make_project("full")
        server.put("full", "A", "canary-value")
        os.kill(server.api_pid(), signal.SIGSTOP)
        # In parallel: each takes as long as the keeper waits for the api.
        commands = [("curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", "--unix-socket",
                     server.keeper_socket,
                     "http://localhost/v1/projects/%s/env%s" % (project, query))
                    for project in ("full", "none") for query in ("", "?wait=60")]
        commands += [(TACIT, *way) for way in (
            ("env", "--project", "full", "--format", "json"),
            ("run", "--project", "full", "--", "echo", "started"),
            ("run", "--project", "none", "--on-change", "restart", "--", "echo", "started"))]
        running = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                    env=clean_environment(TACIT_DATA_DIR=server.data))
                   for command in commands]
        for command, process in zip(commands, running):
            out, err = process.communicate(timeout=60)
            if command[0] == "curl":
                assert out == b"503", command
            else:
                assert (process.returncode, out) == (1, b""), command
                assert err.startswith(b"tacit: unavailable:"), err
        os.kill(server.api_pid(), signal.SIGCONT)
        server.stop()
        for way, status, body in ways(server, "full"):
            assert status in ("503", "no answer") and body == "", (way, status)


# --- waiting ---

def test_a_wait_ends_with_the_change_and_only_then(server):
    server.make_project("w")
    server.make_project("other")
    server.put("w", "A", "1")
    tag = server.deliver("w").headers["ETag"]
    threads, got = held(server, "w", tag, 20)
    server.put("other", "A", "not theirs")
    time.sleep(0.2)
    assert not got
    server.put("w", "A", "2")
    for answer in joined(threads, got):
        assert answer.status == 200 and answer.data()["env"] == {"A": "2"}
        assert answer.headers["ETag"] == '"%d"' % answer.data()["revision"] != tag
    tag = server.deliver("w").headers["ETag"]
    threads, got = held(server, "w", tag)
    server.owner("DELETE", "/projects/w/secrets/A")
    assert joined(threads, got)[0].data()["env"] == {}
    threads, got = held(server, "w", server.deliver("w").headers["ETag"])
    server.owner("DELETE", "/projects/w")
    assert joined(threads, got)[0].status == 404
    server.owner("DELETE", "/projects/other")


def test_the_time_is_up(server):
    tag = server.deliver("full").headers["ETag"]
    began = time.monotonic()
    answer = wait_on(server, "full", tag, 1)
    assert (answer.status, answer.body, answer.headers["ETag"]) == (304, b"", tag)
    assert time.monotonic() - began >= 1
    for seconds in ("-1", "301", "1.5", "1s", "", " ", "99999999999", "+1", "0x1"):
        data = request("GET", "/v1/projects/full/env?wait=" + seconds.replace(" ", "%20"),
                       [("If-None-Match", tag)])
        with over_unix(server.keeper_socket) as wire:
            answer = wire.send(data).answer()
            assert (answer.status, answer.code()) == (400, "VALIDATION_ERROR"), seconds
    assert wait_on(server, "full", '"0"', 60).status == 200
    assert wait_on(server, "none", tag, 60).status == 404


def test_a_stop_ends_every_wait_with_503():
    with Server() as server:
        server.idle = connections(server)
        server.make_project("p")
        threads, got = held(server, "p", server.deliver("p").headers["ETag"], 20)
        began = time.monotonic()
        assert server.stop() == 0
        for answer in joined(threads, got):
            assert answer.status == 503 and answer.code() == "SERVICE_UNAVAILABLE"
            assert answer.headers["Retry-After"] == "1"
        assert time.monotonic() - began < 20


def test_the_end_of_the_api_ends_every_wait_with_503():
    with Server() as server:
        server.idle = connections(server)
        server.make_project("p")
        threads, got = held(server, "p", server.deliver("p").headers["ETag"], 5)
        assert server.kill_api() == 4
        for answer in joined(threads, got):
            assert answer.status == 503


def test_an_api_that_hangs_is_503_and_never_304_when_the_time_is_up():
    with Server() as server:
        server.idle = connections(server)
        server.make_project("p")
        tag = server.deliver("p").headers["ETag"]
        got = []
        threads = [threading.Thread(target=lambda: got.append(wait_on(server, "p", tag, 2)))]
        wait_until(lambda: connections(server) <= server.idle)
        threads[0].start()
        wait_until(lambda: connections(server) > server.idle)
        time.sleep(0.5)
        os.kill(server.api_pid(), signal.SIGSTOP)
        threads[0].join()
        os.kill(server.api_pid(), signal.SIGCONT)
        assert got[0].status == 503


def test_who_waits_keeps_nobody_out():
    """More that wait than a user may have connections; more than that are told so."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 12000), hard))
    waiting = []
    try:
        with Server() as server:
            server.make_project("p")
            server.put("p", "A", "1")
            tag = server.deliver("p").headers["ETag"]
            asked = request("GET", "/v1/projects/p/env?wait=300", [("If-None-Match", tag)])
            memory = resident(server.pid)
            for i in range(2500):
                waiting.append(over_unix(server.keeper_socket).send(asked))
                if i % 200 == 0:
                    assert server.deliver("p").status == 200
            for _ in range(20):
                assert server.deliver("p").status == 200
            if os.environ.get("TACIT_BUILD") == "release":
                assert (resident(server.pid) - memory) / len(waiting) < 16, "KB each"
            server.put("p", "A", "2")
            for wire in waiting:
                answer = wire.answer()
                assert answer.status == 200 and answer.json["data"]["env"] == {"A": "2"}
    finally:
        for wire in waiting:
            wire.raw.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def resident(pid):
    with open("/proc/%d/status" % pid) as status:
        return int(re.search(r"VmRSS:\s+(\d+) kB", status.read()).group(1))


def test_who_left_while_it_waited_leaves_its_place(server):
    tag = server.deliver("full").headers["ETag"]
    wait_until(lambda: connections(server) <= server.idle)
    for how in ("close", "half"):
        tag = server.deliver("full").headers["ETag"]
        wires = []
        for _ in range(50):
            wire = over_unix(server.keeper_socket)
            wires.append(wire.send(request("GET", "/v1/projects/full/env?wait=300",
                                           [("If-None-Match", tag)])))
        wait_until(lambda: connections(server) >= server.idle + 50)
        time.sleep(0.1)
        for wire in wires:
            if how == "half":
                wire.raw.shutdown(socket.SHUT_WR)  # it still listens
            else:
                wire.raw.close()
        if how == "half":
            time.sleep(0.3)
            assert connections(server) >= server.idle + 50
            server.put("full", "B", "canary-two")
            assert all(wire.answer().status == 200 for wire in wires)
            for wire in wires:
                wire.raw.close()
            server.owner("DELETE", "/projects/full/secrets/B")
        wait_until(lambda: connections(server) <= server.idle)


def test_several_waits_on_one_connection_and_requests_behind_one_that_waits(server):
    tag = server.deliver("full").headers["ETag"]
    fields = [("If-None-Match", tag)]
    with over_unix(server.keeper_socket) as wire:
        wire.send(request("GET", "/v1/projects/full/env?wait=1", fields) * 2
                  + request("GET", "/v1/projects/full/env"))
        assert [wire.answer().status for _ in range(3)] == [304, 304, 200]


# --- what stands between ---

def test_the_keeper_is_killed_in_the_middle_of_a_delivery():
    """A cut-off answer is no answer: nothing is started, nothing written, nothing acted on."""
    with Server(limits_secrets_per_project=300) as server:
        server.make_project("large")
        for i in range(300):
            server.put("large", "K%d" % i, LARGE)
        with over_unix(server.keeper_socket) as wire:
            wire.send(request("GET", "/v1/projects/large/env"))
            first = wire.raw.recv(100_000)
            server.kill()
            rest = b""
            with contextlib.suppress(ConnectionResetError):
                while got := wire.raw.recv(1 << 20):
                    rest += got
        size = int(re.search(rb"Content-Length: (\d+)", first).group(1))
        assert len(first) + len(rest) < size


class FakeKeeper:
    """Answers each connection with the next bytes, then closes; counts what it was asked."""

    def __init__(self, folder, *answers):
        self.folder, self.answers, self.asked = str(folder), list(answers), []
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(os.path.join(self.folder, "keeper.sock"))
        self.listener.listen(16)
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while True:
            one, _ = self.listener.accept()
            self.asked.append(one.recv(65536))
            answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
            with contextlib.suppress(OSError):
                for piece in answer if isinstance(answer, list) else [answer]:
                    one.sendall(piece) if isinstance(piece, bytes) else time.sleep(piece)
            one.close()

    def environment(self):
        return {"TACIT_RUN_DIR": self.folder}


def answer_of(status, body):
    lines = ["HTTP/1.1 %d X" % status, "Content-Length: %d" % len(body)]
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


def set_of(revision, **env):
    return answer_of(200, json.dumps({"data": {"project": "p", "revision": revision, "env": env,
                                               "withheld": []}}))


ERROR = '{"error":{"code":"%s","message":"x"}}'
BROKEN = {
    "cut in the body": set_of(2, A="new")[:-3],
    "cut in the head": set_of(2, A="new")[:20],
    "nothing": b"",
    "no HTTP": b"ok\n",
    "403 of another": answer_of(403, "<html>forbidden</html>"),
    "404 of another": answer_of(404, "not here"),
    "403": answer_of(403, ERROR % "FORBIDDEN"),
    "404": answer_of(404, ERROR % "NOT_FOUND"),
    "503": answer_of(503, ERROR % "SERVICE_UNAVAILABLE"),
    "500": answer_of(500, ERROR % "INTERNAL_ERROR"),
    "400": answer_of(400, ERROR % "VALIDATION_ERROR"),
    "another project": set_of(2, A="new").replace(b'"p"', b'"q"'),
    "no JSON": answer_of(200, '{"data":{"project":"p","revision":2,"env":{"A":"new"}'),
    "a number as value": set_of(2, A=5),
    "a NUL in a value": set_of(2, A="a\0b"),
    "a name that is none": set_of(2, **{"a=b": "c"}),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_answer_starts_nothing_and_writes_nothing(tmp_path, what):
    fake = FakeKeeper(tmp_path, BROKEN[what])
    for command in (("env", "--project", "p", "--format", "json", "--wait", "0"),
                    ("run", "--project", "p", "--wait", "0", "--", "echo", "started"),
                    ("run", "--project", "p", "--wait", "0", "--on-change", "restart", "--", "echo",
                     "started")):
        done = subprocess.run([TACIT, *command], capture_output=True, timeout=60,
                              env=clean_environment(**fake.environment()))
        assert (done.returncode, done.stdout) == (1, b""), (command, done)
        expected = {"403": b"refused:", "404": b"no such project:"}.get(what, b"unavailable:")
        assert done.stderr.startswith(b"tacit: " + expected), done.stderr
        assert done.stderr.count(b"\n") == 1


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_answer_while_following_changes_nothing(tmp_path, what):
    """And a right one after it is taken."""
    fake = FakeKeeper(tmp_path, set_of(1, A="old"), BROKEN[what], set_of(2, A="new"),
                      [300, b""])
    with Run(None, "--on-change", "restart", "--debounce", "0", environment=fake.environment(),
             command=["sh", "-c", 'echo "A=$A"; exec sleep 1000']) as run:
        assert run.line() == "A=old"
        assert "; the command keeps running" in run.line(2)
        assert run.line() == "A=new"
        assert b'If-None-Match: "1"' in fake.asked[1] and b'If-None-Match: "1"' in fake.asked[2]
        assert b"?wait=300 " in fake.asked[1] and b"?wait=0 " in fake.asked[2]
        assert run.end(signal.SIGTERM)[0] == -signal.SIGTERM


def test_an_answer_of_one_byte_a_second_holds_no_signal_up(tmp_path):
    slow = [piece for byte in set_of(2, A="new") for piece in (bytes([byte]), 1)]
    fake = FakeKeeper(tmp_path, set_of(1, A="old"), slow)
    with Run(None, "--on-change", "restart", environment=fake.environment(),
             command=["sh", "-c", "echo up; exec sleep 1000"]) as run:
        assert run.line() == "up"
        wait_until(lambda: len(fake.asked) == 2)
        began = time.monotonic()
        assert run.end(signal.SIGTERM)[0] == -signal.SIGTERM
        assert time.monotonic() - began < 20


def test_a_server_that_does_not_hold_is_not_asked_all_the_time(tmp_path):
    fake = FakeKeeper(tmp_path, set_of(1, A="old"), b"HTTP/1.1 304 Not Modified\r\n\r\n")
    with Run(None, "--on-change", "restart", environment=fake.environment(),
             command=["sh", "-c", "echo up; exec sleep 1000"]) as run:
        assert run.line() == "up"
        time.sleep(1.5)
        assert len(fake.asked) == 2


def test_peers_that_read_one_byte_a_second_hold_nobody_up(server):
    tag = server.deliver("full").headers["ETag"]
    slow = [over_unix(server.keeper_socket).send(
        request("GET", "/v1/projects/full/env?wait=60", [("If-None-Match", tag)]))
        for _ in range(20)]
    stop = threading.Event()

    def read_slowly():
        while not stop.wait(1):
            for wire in slow:
                wire.raw.recv(1)
    server.put("full", "A", "canary-value-2")
    reader = threading.Thread(target=read_slowly)
    reader.start()
    try:
        for i in range(20):
            began = time.monotonic()
            server.put("full", "A", "canary-value-%d" % i)
            assert server.values("full") == {"A": "canary-value-%d" % i}
            assert time.monotonic() - began < 5
    finally:
        stop.set()
        reader.join()
        for wire in slow:
            wire.raw.close()
        server.put("full", "A", "canary-value")


# --- a socket that is not the keeper's ---

IMPOSTOR = """
import socket, sys
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen(16)
print("up", flush=True)
while True:
    one, _ = listener.accept()
    try:
        one.recv(65536)
        one.sendall(sys.argv[2].encode())
    except OSError:
        pass  # it left at once
    one.close()
"""


@needs_root
def test_a_link_to_a_socket_of_another_user_is_not_taken_for_the_keeper(tmp_path):
    """Who waits for its secrets would get another's environment, or give an API key away."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)
        theirs, ours = os.path.join(folder, "theirs"), os.path.join(folder, "run")
        os.mkdir(theirs)
        os.chown(theirs, STRANGER, STRANGER)
        os.mkdir(ours, 0o755)
        os.chown(ours, int(ORDINARY), int(ORDINARY))
        impostor = subprocess.Popen(
            as_user(str(STRANGER)) + [sys.executable, "-S", "-c", IMPOSTOR, theirs + "/s",
                                      set_of(1, A="planted").decode()],
            stdout=subprocess.PIPE, cwd="/")
        try:
            assert impostor.stdout.readline() == b"up\n"
            os.chmod(theirs + "/s", 0o666)
            os.symlink(theirs + "/s", ours + "/keeper.sock")
            for before in ([], as_user(ORDINARY)):
                for command in (("env", "--project", "p", "--format", "json"),
                                ("run", "--project", "p", "--on-change", "restart", "--", "env")):
                    done = subprocess.run(before + [for_everybody(TACIT), *command], cwd="/",
                                          capture_output=True, timeout=60,
                                          env=clean_environment(TACIT_RUN_DIR=ours))
                    assert (done.returncode, done.stdout) == (1, b""), done
                    assert b"another user than the folder's owner listens there" in done.stderr
            # The user who listens may ask itself, and so may others where it owns the folder.
            done = subprocess.run([for_everybody(TACIT), "env", "--project", "p", "--format",
                                   "null"], capture_output=True, timeout=60,
                                  env=clean_environment(TACIT_RUN_DIR=theirs))
            assert done.returncode == 1 and b"No such file" in done.stderr
            os.symlink(theirs + "/s", theirs + "/keeper.sock")
            done = subprocess.run([for_everybody(TACIT), "env", "--project", "p", "--format",
                                   "null"], capture_output=True, timeout=60,
                                  env=clean_environment(TACIT_RUN_DIR=theirs))
            assert (done.returncode, done.stdout) == (0, b"A=planted\0")
        finally:
            impostor.terminate()
            impostor.wait(60)
            impostor.stdout.close()


def test_a_link_in_the_sockets_place_is_replaced_at_the_start_and_its_target_left_alone(tmp_path):
    with Server() as server:
        server.make_project("p")
        server.stop()
        precious = tmp_path / "precious"
        precious.write_text("kept")
        os.symlink(precious, server.keeper_socket)
        server.start()
        assert not os.path.islink(server.keeper_socket) and precious.read_text() == "kept"
        assert server.deliver("p").status == 200
        os.unlink(server.keeper_socket)
        os.symlink(precious, server.keeper_socket)  # its owner may; nobody is served a file
        done = server.cli("env", "--project", "p", "--format", "json")
        assert (done.returncode, done.stdout) == (1, b"")
        assert done.stderr.startswith(b"tacit: unavailable: ")
        server.stop()
        assert precious.read_text() == "kept"
