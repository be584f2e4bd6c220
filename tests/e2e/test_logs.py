"""The log: one line a request, with what an operator needs, and never a secret's name or value."""
import contextlib
import json
import os
import pty
import re
import subprocess
import time

import pytest

from harness import TACIT, Server, clean_environment, wait_until
from rawhttp import ask, over_tcp, request

FIELDS = ["time", "level", "process", "event", "method", "route", "status", "microseconds",
          "request_id", "api_key_id"]
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"


def lines(server):
    return [json.loads(line) for line in server.log().splitlines()]


def line_of(server, request_id):
    """The one line of that request."""
    def found():
        return [one for one in lines(server) if one.get("request_id") == request_id]
    wait_until(found, 10)
    assert len(found()) == 1, found()
    return found()[0]


@pytest.fixture(scope="module")
def server():
    with Server(limits_failed_auth_per_minute=0) as one:
        one.make_project("p")
        one.key = one.make_key()
        one.key_id = one.call("GET", "/user/me", key=one.key).data()["id"]
        yield one


SECRET = {"key": "CANARY_NAME", "value": "canary-value-1234"}
P = "/api/v1/projects"
# method, target, with the key, body, status, route
ROWS = [
    ("GET", P, True, None, 200, P),
    ("POST", P, True, {"name": "n", "id": "made"}, 201, P),
    ("GET", P + "/p", True, None, 200, P + "/*"),
    ("DELETE", P + "/made", True, None, 200, P + "/*"),
    ("GET", P + "/p/secrets", True, None, 200, P + "/*/secrets"),
    ("GET", P + "/none/secrets", True, None, 404, P + "/*/secrets"),
    ("POST", P + "/p/secrets", True, SECRET, 200, P + "/*/secrets"),
    ("POST", P + "/p/secrets", True, b"{canary", 400, P + "/*/secrets"),
    ("DELETE", P + "/p/secrets/CANARY_NAME", True, None, 200, P + "/*/secrets/*"),
    ("DELETE", P + "/p/secrets/canary-name", True, None, 400, P + "/*/secrets/*"),
    ("GET", "/api/v1/api-keys", True, None, 200, "/api/v1/api-keys"),
    ("DELETE", "/api/v1/api-keys/none", True, None, 404, "/api/v1/api-keys/*"),
    ("GET", "/api/v1/user/me", True, None, 200, "/api/v1/user/me"),
    ("GET", "/api/v1/user/me", False, None, 401, "/api/v1/user/me"),
    ("POST", P + "/p/secrets", False, SECRET, 401, P + "/*/secrets"),
    ("GET", "/livez", False, None, 200, "/livez"),
    ("GET", "/readyz?canary=1", False, None, 200, "/readyz"),
    ("GET", "/canary", False, None, 404, ""),
    ("PUT", P + "/p/secrets/CANARY_NAME", True, b"", 405, "/api/v1/projects/*/secrets/*"),
]


def test_one_line_a_request(server):
    for i, (method, target, with_key, body, status, route) in enumerate(ROWS):
        own = "row-%d" % i
        began = time.monotonic()
        if method == "POST" and body is None:
            body = b""
        answer = ask(server, request(method, target, [("X-Request-Id", own)], body,
                                     server.key if with_key else None))
        took = (time.monotonic() - began) * 1e6
        assert answer.status == status, (method, target, answer)
        line = line_of(server, own)
        assert list(line) == FIELDS
        assert re.fullmatch(TIME, line["time"])
        assert (line["level"], line["process"], line["event"]) == ("info", "api", "request")
        assert line["method"] == (method if method in ("GET", "POST", "DELETE") else "other")
        assert (line["route"], line["status"]) == (route, status)
        assert 0 <= line["microseconds"] <= took
        assert line["api_key_id"] == (server.key_id if with_key and route and status != 405 else "")


def test_nothing_of_a_secret_or_a_key_is_in_the_log(server):
    for method, target, with_key, body, *_ in ROWS:
        body = b"" if method == "POST" and body is None else body
        ask(server, request(method, target, (), body, server.key if with_key else None))
    server.put("p", "CANARY_NAME", "canary-value-1234")
    assert server.values("p")["CANARY_NAME"] == "canary-value-1234"
    log = server.log().lower()
    assert "canary" not in log
    assert server.key.lower() not in log and server.key[8:].lower() not in log


def test_requests_that_cannot_be_taken_have_a_line_too(server):
    for data, status in ((b"GET / HTTP/1.1\n\n", 400),
                         (request("POST", "/canary"), 411),
                         (request("POST", "/canary", [("Content-Length", "65537")]), 413),
                         (b"GET /" + b"canary" * 500, 414),
                         (request("GET", "/", [("Canary%d" % i, "canary")
                                               for i in range(70)]), 431)):
        answer = ask(server, data)
        assert answer.status == status
        line = line_of(server, answer.get("X-Request-Id"))
        assert list(line) == FIELDS and line["status"] == status
    assert "canary" not in server.log().lower()


def test_the_owner_has_no_api_key_id(server):
    answer = server.owner("GET", "/user/me", headers={"X-Request-Id": "by-owner"})
    assert answer.status == 200
    assert line_of(server, "by-owner")["api_key_id"] == ""


def test_a_refused_key_has_no_id(server):
    other = "x" if server.key[-1] != "x" else "y"
    for i, key in enumerate(("nonsense", server.key[:-1] + other)):
        ask(server, request("GET", "/api/v1/user/me", [("X-Request-Id", "bad-%d" % i)], key=key))
        assert line_of(server, "bad-%d" % i)["api_key_id"] == ""


def test_every_line_is_json_with_the_same_beginning(server):
    for line in lines(server):
        assert list(line)[:4] == ["time", "level", "process", "event"]
        assert line["process"] in ("api", "keeper")
        assert line["level"] in ("error", "warn", "info", "debug")


def test_a_request_id_cannot_forge_a_line(server):
    before = len(lines(server))
    for own in ('x","status":200,"a":"', "x\\n{}", "\x1b[31m", "a b"):
        ask(server, request("GET", "/livez", [("X-Request-Id", own)]))
    wait_until(lambda: len(lines(server)) >= before + 4, 10)
    assert len(lines(server)) == before + 4


def test_deliveries_have_a_line(server):
    server.put("p", "A", "canary-value-of-a")
    request_id = server.deliver("p").headers["X-Request-Id"]

    def delivered():
        return [one for one in lines(server) if one.get("request_id") == request_id]
    wait_until(delivered, 10)
    last = delivered()[-1]
    assert (last["process"], last["event"], last["status"]) == ("keeper", "delivery", 200)
    assert (last["project"], last["uid"]) == ("p", os.geteuid())
    assert "canary" not in server.log()


def test_refused_deliveries_have_a_line(server):
    answer = server.deliver("none")
    assert answer.status == 404

    def refused():
        return [one["status"] for one in lines(server)
                if one.get("request_id") == answer.headers["X-Request-Id"]]
    wait_until(refused, 10)
    assert refused() == [404]


def test_pipelined_requests_have_a_line_each(server):
    with over_tcp(server) as wire:
        wire.send(b"".join(request("GET", "/livez", [("X-Request-Id", "pipe-%d" % i)])
                           for i in range(500)))
        for _ in range(500):
            wire.answer()

    def found():
        return [one["request_id"] for one in lines(server)
                if one.get("request_id", "").startswith("pipe-")]
    wait_until(lambda: len(found()) >= 500, 10)
    assert found() == ["pipe-%d" % i for i in range(500)]


def serve_into_pipes(server):
    """On any port; who reads stdout learns which."""
    return subprocess.Popen([TACIT, "serve", "--data", server.data],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            env=clean_environment(TACIT_LISTEN="127.0.0.1:0"))


def test_what_the_log_left_out_is_told_at_the_end():
    """Nobody reads until there is nothing more to write."""
    with Server() as server:
        server.stop()
        process = serve_into_pipes(server)
        try:
            server.port = int(process.stdout.readline().decode().rsplit(":", 1)[1])
            with over_tcp(server) as wire:
                for _ in range(1000):
                    assert wire.send(request("GET", "/livez")).answer().status == 200
            os.set_blocking(process.stderr.fileno(), False)
            text = b""
            with contextlib.suppress(BlockingIOError):
                while True:
                    text += os.read(process.stderr.fileno(), 1 << 20)
            os.set_blocking(process.stderr.fileno(), True)
            process.terminate()
            text += process.stderr.read()
            assert process.wait(60) == 0
            found = [json.loads(line) for line in text.splitlines()]
            shown = [one for one in found if one.get("route") == "/livez"]
            assert 100 < len(shown) < 1000
            told = sum(one["count"] for one in found if "left out" in one["event"])
            assert len(shown) + told == 1000
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
            process.stderr.close()


@pytest.mark.parametrize("level, requests, serving", [
    ("error", False, False), ("warn", False, False), ("info", True, True), ("debug", True, True)])
def test_levels(level, requests, serving):
    with Server(log_level=level) as server:
        assert ask(server, request("GET", "/livez")).status == 200
        server.stop()
        events = [one["event"] for one in lines(server)]
        assert ("request" in events) == requests
        assert ("serving" in events) == serving
        if level in ("error", "warn"):
            assert events == []


def test_levels_that_there_are_not():
    for wrong in ("loud", "", "INFO", "trace"):
        status, _, stderr = Server(log_level=wrong).run_to_end()
        assert status == 1 and "TACIT_LOG_LEVEL" in stderr


def test_a_start_says_where_things_are():
    with Server() as server:
        wait_until(lambda: any(one["event"] == "serving" for one in lines(server)), 10)
        serving = next(one for one in lines(server) if one["event"] == "serving")
        assert serving["url"] == server.url
        assert serving["data"] == server.data
        assert serving["root_key"] == server.data + "/root.key"
        assert serving["delivery"] == server.keeper_socket
        assert server.api_socket in server.log()  # no API key yet: where to make one


def test_plain_lines_on_a_terminal():
    """stderr is a terminal: lines for people. stdout is not: its one line."""
    with Server() as server:
        server.stop()
        leader, follower = pty.openpty()
        process = subprocess.Popen(server.command(), stdout=subprocess.PIPE, stderr=follower,
                                   env=server.environment())
        os.close(follower)
        try:
            line = process.stdout.readline().decode()
            assert re.fullmatch(r"listening on http://127\.0\.0\.1:\d+\n", line)
            server.process, server.port = process, int(line.rsplit(":", 1)[1])
            assert ask(server, request("GET", "/livez", [("X-Request-Id", "seen")])).status == 200
            text = ""
            while "seen" not in text or not text.endswith("\n"):
                text += os.read(leader, 65536).decode()
            plain = TIME + r' info api: request method="GET" route="/livez" status=200 ' \
                r'microseconds=\d+ request_id="seen" api_key_id=""'
            assert re.search(plain, text), text
            assert "{" not in text
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
            os.close(leader)


def test_a_first_key_is_shown_on_a_terminal_only_once():
    with Server() as server:
        server.stop()

        def start_on_terminal():
            leader, follower = pty.openpty()
            process = subprocess.Popen(server.command(), stdout=follower, stderr=subprocess.PIPE,
                                       env=server.environment())
            os.close(follower)
            text = ""
            while "listening on" not in text or not text.endswith("\n"):
                text += os.read(leader, 65536).decode()
            process.terminate()
            log = process.stderr.read().decode()
            process.wait(60)
            os.close(leader)
            process.stderr.close()
            return text, log
        text, log = start_on_terminal()
        keys = re.findall(r"tac_[0-9A-Za-z]{36}", text)
        assert len(keys) == 1 and keys[0] not in log
        again, log = start_on_terminal()
        assert "tac_" not in again + log
        server.start()
        assert server.call("GET", "/user/me", key=keys[0]).data()["role"] == "admin"


def test_the_log_survives_a_reader_that_went_away():
    """stderr is a pipe whose other end is closed: requests are still answered."""
    with Server() as server:
        server.stop()
        process = serve_into_pipes(server)
        try:
            server.port = int(process.stdout.readline().decode().rsplit(":", 1)[1])
            process.stderr.close()
            for _ in range(20):
                assert ask(server, request("GET", "/livez")).status == 200
            assert process.poll() is None
        finally:
            process.kill()
            process.wait()
            process.stdout.close()


def test_the_log_waits_for_no_reader():
    """stderr is a pipe that nobody reads, as of a pager that stands still: requests and deliveries
    are answered, and what the log has left out is told once it is read again."""
    with Server() as server:
        server.make_project("p")
        server.stop()
        process = serve_into_pipes(server)
        try:
            server.port = int(process.stdout.readline().decode().rsplit(":", 1)[1])
            with over_tcp(server) as wire:
                for _ in range(1000):  # three times what a pipe holds
                    assert wire.send(request("GET", "/livez")).answer().status == 200
                for _ in range(5):
                    assert server.deliver("p").status == 200
                text = b""
                while b"left out" not in text:
                    text += os.read(process.stderr.fileno(), 1 << 20)
                    assert wire.send(request("GET", "/livez")).answer().status == 200
            process.terminate()
            text += process.stderr.read()
            assert process.wait(60) == 0
            found = [json.loads(line) for line in text.splitlines()]
            told = [one for one in found if "left out" in one["event"] and one["process"] == "api"]
            assert told and all(one["level"] == "warn" for one in told)
            shown = [one for one in found if one.get("route") == "/livez"]
            assert 100 < len(shown) < 1000
            assert 1000 < len(shown) + sum(one["count"] for one in told) < 1100
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
            process.stderr.close()
