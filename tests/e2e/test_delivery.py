"""The socket that values come out of: who gets what, and that no answer turns into another."""
import contextlib
import json
import os
import pwd
import re
import signal
import stat
import subprocess
import sys
import threading
import time

import pytest

from harness import ROOT, Server, is_alive, wait_until
from rawhttp import over_unix, request

needs_root = pytest.mark.skipif(not ROOT, reason="changes its user")
ALWAYS = ["cache-control", "content-length", "content-type", "date", "x-content-type-options",
          "x-request-id"]
STRANGER = 12345
# Sends what comes on stdin to the socket, then shows all that comes back.
PEER = """
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.settimeout(30)
s.connect(sys.argv[1])
s.sendall(sys.stdin.buffer.read())
s.shutdown(1)
while True:
    got = s.recv(65536)
    if not got: break
    sys.stdout.buffer.write(got)
"""


@pytest.fixture(scope="module")
def server():
    with Server() as one:
        one.make_project("p")
        one.make_project("empty")
        one.put("p", "A", "canary-value")
        yield one


def env_of(project, *fields):
    return request("GET", "/v1/projects/%s/env" % project, fields)


def ask(server, data, **how):
    with over_unix(server.keeper_socket) as wire:
        answer = wire.send(data, **how).answer()
        assert answer is not None, "closed without an answer"
        return answer


def as_peer(server, data, uid, gid=None, groups=()):
    """The raw answer that a process of that user gets."""
    become = ["setpriv", "--reuid", str(uid), "--regid", str(gid or uid)]
    become += ["--groups", ",".join(map(str, groups))] if groups else ["--clear-groups"]
    done = subprocess.run(become + [sys.executable, "-S", "-c", PEER, server.keeper_socket],
                          input=data, capture_output=True, timeout=60, cwd="/")
    assert done.returncode == 0, done.stderr
    return done.stdout


def status_of(raw):
    return int(raw.split(b" ", 2)[1])


def with_allow(text, **settings):
    """A server whose settings file says this."""
    import tempfile
    file = tempfile.NamedTemporaryFile("w", suffix=".toml")
    file.write(text)
    file.flush()
    own = Server(arguments=["--config", file.name], **settings)
    own.kept_file = file
    return own


# --- the four answers ---

def test_200_to_the_byte(server):
    answer = ask(server, env_of("p"))
    revision = server.owner("GET", "/projects/p/secrets").headers["ETag"]
    assert answer.status == 200
    assert answer.body.decode() == (
        '{"data":{"project":"p","revision":%s,"env":{"A":"canary-value"},"withheld":[]}}'
        % revision.strip('"'))
    assert answer.get("ETag") == revision
    assert answer.names() == sorted(ALWAYS + ["etag"])
    assert answer.get("Content-Type") == "application/json"
    assert answer.get("Cache-Control") == "no-store"


def test_an_empty_project_is_200(server):
    answer = ask(server, env_of("empty"))
    assert (answer.status, answer.json["data"]["env"]) == (200, {})
    body = '{"data":{"project":"empty","revision":%d,"env":{},"withheld":[]}}'
    assert answer.body.decode() == body % answer.json["data"]["revision"]


def test_404_to_the_byte(server):
    for project in ("none", "a" * 64, "a" * 65, "-bad", "%70", "p%00"):
        answer = ask(server, env_of(project))
        assert answer.status == 404, project
        assert answer.body == b'{"error":{"code":"NOT_FOUND","message":"Not found"}}'
        assert answer.names() == ALWAYS


REFUSED = (b'{"error":{"code":"FORBIDDEN","message":"This user may not read the project"}}')


@needs_root
def test_403_to_the_byte_whether_the_project_exists_or_not(server):
    seen = set()
    for uid in (STRANGER, pwd.getpwnam("nobody").pw_uid):
        for project in ("p", "none", "empty", "%70", "a" * 65):
            raw = as_peer(server, env_of(project), uid)
            assert status_of(raw) == 403 and raw.endswith(b"\r\n\r\n" + REFUSED), raw
            raw = re.sub(rb"Date: [^\r]*\r\n", b"", raw)
            seen.add(re.sub(rb"X-Request-Id: [^\r]*\r\n", b"", raw))
    assert len(seen) == 1


MALFORMED = [
    b"\0\0\0\0\r\n\r\n", b"hello\r\n\r\n", b"GET / HTTP/1.1\n\n",
    b"GET /v1/projects/p/env HTTP/2.0\r\nHost: x\r\n\r\n",
    b"GET /" + b"a" * 2000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /v1/projects/p/env HTTP/1.1\r\nA: " + b"x" * 9000,
    b"GET /v1/projects/p/env HTTP/1.1\r\n\r\n",
    b"POST /v1/projects/p/env HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    request("POST", "/v1/projects/p/env", body=b"{}"), request("DELETE", "/v1/projects/p/env"),
    request("GET", "/"), request("GET", "/v1/projects/p/secrets"), request("GET", "/livez"),
    request("HEAD", "/v1/projects/p/env"), env_of("p", ("If-None-Match", "*")),
    env_of("p", ("Authorization", "Bearer tac_x")),
]


@needs_root
def test_a_refused_peer_is_told_403_whatever_it_sends(server):
    for data in MALFORMED:
        raw = as_peer(server, data, STRANGER)
        assert status_of(raw) == 403, (data[:60], raw)
        assert b"canary" not in raw and b"\r\nConnection: close\r\n" in raw
        assert raw.count(b"HTTP/1.1 ") == 1


@needs_root
def test_a_refused_peer_gets_one_answer_only(server):
    raw = as_peer(server, env_of("p") * 10, STRANGER)
    assert raw.count(b"HTTP/1.1 403") == 1


HOLD = """
import resource, socket, sys
kept = []
for _ in range(int(sys.argv[2])):
    kept.append(socket.socket(socket.AF_UNIX))
    kept[-1].connect(sys.argv[1])
    try:
        kept[-1].sendall(sys.argv[3].encode())
    except OSError:
        pass
print("open", flush=True)
sys.stdin.read()
"""


@contextlib.contextmanager
def held_connections(server, count, said=b""):
    """Of one other user."""
    holder = subprocess.Popen(
        ["prlimit", "--nofile=5000", "setpriv", "--reuid", str(STRANGER), "--regid", str(STRANGER),
         "--clear-groups", sys.executable, "-S", "-c", HOLD, server.keeper_socket,
         str(count), said],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd="/")
    try:
        assert holder.stdout.readline() == b"open\n"
        yield
    finally:
        holder.stdin.close()
        holder.wait(60)
        holder.stdout.close()
        wait_until(lambda: is_served(server), 20)


@needs_root
def test_a_stranger_cannot_switch_delivery_off(server):
    with held_connections(server, 4500):
        time.sleep(0.5)  # until the keeper has accepted them
        assert is_served(server)


@needs_root
def test_a_user_who_may_read_cannot_take_the_last_descriptor():
    """Of a keeper that may have few. They wait for five minutes, the other for one."""
    own = with_allow('[[delivery.allow]]\nproject = "p"\nuid = %d\n' % STRANGER)
    command = ["prlimit", "--nofile=400", *own.command()]
    own.command = lambda: command
    with own as server:
        server.make_project("p")
        server.put("p", "A", "v")
        tag = server.deliver("p").headers["ETag"]
        wait = request("GET", "/v1/projects/p/env?wait=300", [("If-None-Match", tag)])
        with held_connections(server, 450, wait):
            wait_until(lambda: len(os.listdir("/proc/%d/fd" % server.pid)) > 40)
            assert is_served(server)


def is_served(server):
    with over_unix(server.keeper_socket) as wire:
        try:
            answer = wire.send(env_of("p")).answer()
        except OSError:
            return False
        return answer is not None and answer.status == 200


@needs_root
def test_an_api_key_opens_nothing_here(server):
    key = server.make_key()
    raw = as_peer(server, env_of("p", ("Authorization", "Bearer " + key)), STRANGER)
    assert status_of(raw) == 403


def test_503_while_the_api_is_stopped_and_never_404():
    with Server() as server:
        server.make_project("p")
        server.put("p", "A", "v")
        api = server.api_pid()
        os.kill(api, signal.SIGSTOP)
        try:
            got = []

            def fetch(project):
                got.append((project, ask(server, env_of(project))))
            threads = [threading.Thread(target=fetch, args=(one,)) for one in ("p", "none") * 3]
            began = time.monotonic()
            for one in threads:
                one.start()
            for one in threads:
                one.join()
            assert time.monotonic() - began < 20
            for project, answer in got:
                assert answer.status == 503, project
                assert answer.body == (b'{"error":{"code":"SERVICE_UNAVAILABLE",'
                                       b'"message":"Not available now: try again"}}')
                assert answer.get("Retry-After") == "1"
                assert answer.names() == sorted(ALWAYS + ["retry-after"])
        finally:
            os.kill(api, signal.SIGCONT)
        wait_until(lambda: ask(server, env_of("p")).status == 200, 10)
        assert ask(server, env_of("none")).status == 404


def test_503_when_the_api_dies_under_a_request():
    with Server() as server:
        server.make_project("p")
        api = server.api_pid()
        os.kill(api, signal.SIGSTOP)
        with over_unix(server.keeper_socket) as wire:
            wire.send(env_of("p"))
            time.sleep(0.1)
            os.kill(api, signal.SIGKILL)
            answer = wire.answer()
            assert answer is not None and answer.status == 503
        wait_until(lambda: server.process.poll() is not None, 10)
        assert server.process.returncode == 4 and not is_alive(api)


# --- what comes out ---

def test_the_revision_moves_with_every_change(server):
    server.make_project("rev")
    seen = [ask(server, env_of("rev")).json["data"]["revision"]]
    for change in (("put", "A", "1"), ("put", "A", "1"), ("put", "B", "2"), ("rm", "A", None)):
        if change[0] == "put":
            server.put("rev", change[1], change[2])
        else:
            server.owner("DELETE", "/projects/rev/secrets/A")
        seen.append(ask(server, env_of("rev")).json["data"]["revision"])
    assert seen == sorted(set(seen))
    assert ask(server, env_of("rev")).json["data"]["env"] == {"B": "2"}
    server.owner("DELETE", "/projects/rev")
    assert ask(server, env_of("rev")).status == 404
    server.make_project("rev")
    assert ask(server, env_of("rev")).json["data"]["revision"] > seen[-1]
    server.owner("DELETE", "/projects/rev")


def test_if_none_match(server):
    tag = ask(server, env_of("p")).get("ETag")
    for same in (tag, "W/" + tag, "*", '"x", ' + tag):
        answer = ask(server, env_of("p", ("If-None-Match", same)))
        assert (answer.status, answer.body, answer.get("ETag")) == (304, b"", tag)
        assert "content-length" not in answer.names()
    for other in ('"0"', tag.strip('"'), '"x"'):
        assert ask(server, env_of("p", ("If-None-Match", other))).status == 200
    assert ask(server, env_of("none", ("If-None-Match", "*"))).status == 404


WITHHELD = ["PATH", "IFS", "ENV", "BASH_ENV", "SHELLOPTS", "BASHOPTS", "LD_PRELOAD", "LD_AUDIT",
            "LD_LIBRARY_PATH", "LD_", "LD_X", "DYLD_INSERT_LIBRARIES", "DYLD_X", "GCONV_PATH",
            "NODE_OPTIONS", "NODE_PATH", "PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "PERL5LIB",
            "PERL5OPT", "RUBYLIB", "RUBYOPT", "JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS"]
NEAR = ["PATHS", "APATH", "IFSX", "ENVIRONMENT", "LD", "LDX", "ALD_PRELOAD", "NODE_ENV", "PYTHON",
        "PYTHONUNBUFFERED", "HOME", "SHELL", "DYLD", "JAVA_HOME", "BASH", "RUBY"]


def test_withheld_names():
    with Server(limits_secrets_per_project=100) as server:
        server.make_project("p")
        for name in WITHHELD + NEAR:
            server.put("p", name, "value of " + name)
        data = ask(server, env_of("p")).json["data"]
        assert data["withheld"] == sorted(WITHHELD)
        assert data["env"] == {name: "value of " + name for name in sorted(NEAR)}
        for name in WITHHELD:
            assert "value of %s\"" % name not in json.dumps(data)
        server.settings["delivery_deliver_names"] = "NODE_OPTIONS, LD_PRELOAD,PATH"
        server.restart()
        data = ask(server, env_of("p")).json["data"]
        allowed = {"NODE_OPTIONS", "LD_PRELOAD", "PATH"}
        assert data["withheld"] == sorted(set(WITHHELD) - allowed)
        assert set(data["env"]) == set(NEAR) | allowed


# --- [[delivery.allow]] ---

GRANTS = """
[[delivery.allow]]
project = "by-uid"
uid = 12345

[[delivery.allow]]
project = "by-name"
uid = "nobody"

[[delivery.allow]]
project = "by-gid"
gid = 23456

[[delivery.allow]]
project = "by-both"
uid = 12345
gid = 23456

[[delivery.allow]]
project = "by-unit"
unit = "tacit-e2e.service"
"""
PROJECTS = ["by-uid", "by-name", "by-gid", "by-both", "by-unit", "other"]
# uid, gid, supplementary groups, the projects that it may read
PEERS = [
    (12345, 12345, (), {"by-uid"}),
    (12345, 23456, (), {"by-uid", "by-gid", "by-both"}),
    (12345, 12345, (1, 23456, 2), {"by-uid", "by-gid", "by-both"}),
    (54321, 23456, (), {"by-gid"}),
    (54321, 54321, (23456,), {"by-gid"}),
    (54321, 12345, (), set()),
    (54321, 54321, (12345,), set()),
    (23456, 54321, (), set()),
    ("nobody", "nogroup", (), {"by-name"}),
    (0, 0, (), set(PROJECTS)),
]


@needs_root
def test_who_may_read_what():
    with with_allow(GRANTS) as server:
        for one in PROJECTS:
            server.make_project(one)
            server.put(one, "A", "value of " + one)
        for uid, gid, groups, allowed in PEERS:
            for project in PROJECTS:
                raw = as_peer(server, env_of(project), uid, gid, groups)
                if project in allowed:
                    assert status_of(raw) == 200, (uid, gid, groups, project)
                    assert b"value of " + project.encode() in raw
                else:
                    assert status_of(raw) == 403 and b"value" not in raw, (uid, gid, project)
            assert status_of(as_peer(server, env_of("none"), uid, gid, groups)) == (
                404 if uid == 0 else 403)
        server.owner("DELETE", "/projects/by-uid")
        assert status_of(as_peer(server, env_of("by-uid"), STRANGER)) == 404
        server.make_project("by-uid")
        assert status_of(as_peer(server, env_of("by-uid"), STRANGER)) == 200


@needs_root
def test_a_known_peer_is_refused_a_project_for_each_request():
    with with_allow(GRANTS) as server:
        server.make_project("by-uid")
        server.make_project("other")
        raw = as_peer(server, env_of("by-uid") + env_of("other") + env_of("by-uid"), STRANGER)
        assert re.findall(rb"HTTP/1\.1 (\d+)", raw) == [b"200", b"403", b"200"]


@needs_root
def test_run_as_an_allowed_user(tmp_path):
    from harness import TACIT, as_user, clean_environment, for_everybody
    with with_allow(GRANTS) as server:
        server.make_project("by-uid")
        server.put("by-uid", "A", "for the bot")
        done = subprocess.run(
            as_user(str(STRANGER)) + [for_everybody(TACIT), "run", "--project", "by-uid", "--",
                                      "sh", "-c", 'echo "$A"'],
            capture_output=True, timeout=60, cwd="/",
            env=clean_environment(TACIT_RUN_DIR=os.path.dirname(server.keeper_socket)))
        assert (done.returncode, done.stdout, done.stderr) == (0, b"for the bot\n", b"")


@needs_root
def test_the_user_that_started_tacit_may_read():
    with Server(user="65534") as server:
        socket = server.keeper_socket
        server.own_peer = as_peer(server, env_of("none"), 65534, 65534)
        assert status_of(server.own_peer) == 404
        assert status_of(as_peer(server, env_of("none"), STRANGER)) == 403
        assert status_of(as_peer(server, env_of("none"), 0)) == 404
        assert os.stat(socket).st_uid == 65534


@needs_root
def test_the_api_user_of_a_server_of_root_may_not_read(server):
    """The api process is nobody there; what captures it must not read values here."""
    assert os.stat(server.api_socket).st_uid == pwd.getpwnam("nobody").pw_uid
    assert status_of(as_peer(server, env_of("p"), "nobody", "nogroup")) == 403


# --- the route and the wire ---

def test_other_routes_and_methods(server):
    for target in ("/", "/v1", "/v1/projects", "/v1/projects/p", "/v1/projects/p/env/", "/livez",
                   "/v1/projects//env", "/v1/projects/a/b/env", "/v2/projects/p/env",
                   "/api/v1/projects", "/v1/projects/p/ENV", "/v1/projects/p/secrets"):
        answer = ask(server, request("GET", target))
        # Not 404: that means that the project is not there, and nothing else.
        assert (answer.status, answer.code()) == (400, "VALIDATION_ERROR"), target
    for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
        answer = ask(server, request(method, "/v1/projects/p/env",
                                     [("Content-Length", "0")] if method[0] == "P" else ()))
        assert (answer.status, answer.get("Allow")) == (405, "GET"), method
    for query in ("?", "?a=b", "?wait=0"):
        assert ask(server, request("GET", "/v1/projects/p/env" + query)).status == 200


def test_malformed_requests_of_a_known_peer(server):
    expected = [400, 400, 400, 400, 414, 431, 400, 411, 413, 405]
    for data, status in zip(MALFORMED, expected):
        answer = ask(server, data)
        assert answer.status == status, data[:60]


def test_a_request_in_any_cut(server):
    data = env_of("p", ("X-Request-Id", "mine"))
    for how in ("bytes", "split"):
        answer = ask(server, data, how=how)
        assert (answer.status, answer.get("X-Request-Id")) == (200, "mine")


def test_keep_alive_and_pipelining(server):
    with over_unix(server.keeper_socket) as wire:
        wire.send((env_of("p") + env_of("none") + env_of("empty")) * 20)
        assert [wire.answer().status for _ in range(60)] == [200, 404, 200] * 20
        wire.send(env_of("p", ("Connection", "close")))
        assert wire.answer().get("Connection") == "close"
        assert wire.answer() is None


def test_curl_is_a_client(server):
    done = subprocess.run(["curl", "-sS", "-w", "%{http_code}", "--unix-socket",
                           server.keeper_socket, "http://localhost/v1/projects/p/env"],
                          capture_output=True, timeout=60)
    assert done.stdout.endswith(b"200") and b"canary-value" in done.stdout


def test_the_socket_and_its_folder(server):
    about = os.stat(server.keeper_socket)
    folder = os.stat(os.path.dirname(server.keeper_socket))
    assert stat.S_ISSOCK(about.st_mode) and stat.S_IMODE(about.st_mode) == 0o666
    assert stat.S_IMODE(folder.st_mode) == 0o755
    assert about.st_uid == folder.st_uid == os.geteuid()


def test_peers_that_read_slowly_hold_nobody_up():
    """5 MB each to 20 peers that do not read; another is served; then they get theirs whole."""
    value = "\U0001f511" * 4096
    with Server(limits_secrets_per_project=300) as server:
        server.make_project("large")
        server.make_project("small")
        server.put("small", "A", "v")
        for i in range(300):
            server.put("large", "K%d" % i, value)
        slow = [over_unix(server.keeper_socket).send(env_of("large")) for _ in range(20)]
        for _ in range(20):
            began = time.monotonic()
            assert ask(server, env_of("small")).json["data"]["env"] == {"A": "v"}
            assert time.monotonic() - began < 5
        for wire in slow:
            answer = wire.answer()
            assert answer.status == 200 and answer.body.count(value.encode()) == 300
            wire.raw.close()


def test_peers_that_leave_in_the_middle():
    value = "x" * 4096
    with Server(limits_secrets_per_project=300) as server:
        server.make_project("large")
        for i in range(300):
            server.put("large", "K%d" % i, value)
        for i in range(50):
            wire = over_unix(server.keeper_socket).send(env_of("large") * 3)
            if i % 2:
                wire.raw.recv(1000)
            wire.raw.close()
        assert len(ask(server, env_of("large")).json["data"]["env"]) == 300


def test_many_at_once(server):
    got = []

    def fetch():
        for _ in range(20):
            got.append(ask(server, env_of("p")).body)
    threads = [threading.Thread(target=fetch) for _ in range(16)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert len(got) == 320 and len(set(got)) == 1


def test_a_delivery_is_one_version_of_the_project():
    """Two secrets that are always written one behind the other are never seen far apart."""
    with Server() as server:
        server.make_project("p")
        server.put("p", "A", "0")
        server.put("p", "B", "0")
        stop = threading.Event()

        def write():
            i = 0
            while not stop.is_set():
                i += 1
                server.put("p", "A", str(i))
                server.put("p", "B", str(i))
        writer = threading.Thread(target=write)
        writer.start()
        try:
            last = 0
            for _ in range(200):
                data = ask(server, env_of("p")).json["data"]
                a, b = int(data["env"]["A"]), int(data["env"]["B"])
                assert a - b in (0, 1) and data["revision"] >= last
                last = data["revision"]
        finally:
            stop.set()
            writer.join()
