"""Whoever is turned away cannot flood the log: at each door a line at once, then one a second with
the number of those that have none of their own."""
import json
import subprocess
import sys
import time

import pytest

from harness import ROOT, Server, wait_until
from remote import Runtime, packed

needs_root = pytest.mark.skipif(not ROOT, reason="changes its user")
STRANGERS = ("12345", "23456")
KNOCKS = 400
KNOCK = """
import socket, sys
for _ in range(int(sys.argv[2])):
    with socket.socket(socket.AF_UNIX) as one:
        one.settimeout(60)
        one.connect(sys.argv[1])
        one.shutdown(socket.SHUT_WR)
        while one.recv(4096):
            pass
"""


def knock(path, user):
    return subprocess.Popen(["setpriv", "--reuid", user, "--regid", user, "--clear-groups",
                             sys.executable, "-S", "-c", KNOCK, path, str(KNOCKS)], cwd="/")


def lines(server, **wanted):
    found = [json.loads(line) for line in server.log().splitlines() if line.startswith("{")]
    return [line for line in found
            if all(line.get(name) == value for name, value in wanted.items())]


def told(found):
    """How many were turned away, as the log says."""
    return sum(line.get("count", 1) for line in found)


@needs_root
@pytest.mark.parametrize("socket,event,why", [
    ("keeper.sock", "delivery", {"status": 403}),
    ("credentials.sock", "credential", {"refused": "the peer is not root"})])
def test_strangers_at_a_socket(socket, event, why):
    with Server() as server:
        path = server.keeper_socket.replace("keeper.sock", socket)
        began = time.monotonic()
        for one in [knock(path, user) for user in STRANGERS]:
            assert one.wait(60) == 0
        for user in STRANGERS:
            wanted = dict(why, event=event, uid=int(user))
            wait_until(lambda: told(lines(server, **wanted)) == KNOCKS)
            found = lines(server, **wanted)
            assert len(found) <= 2 + (time.monotonic() - began), found
            assert "count" not in found[0] and "count" in found[1]


@needs_root
def test_what_was_counted_is_said_before_the_end():
    with Server() as server:
        assert knock(server.keeper_socket, STRANGERS[0]).wait(60) == 0
        assert server.stop() == 0
        assert told(lines(server, event="delivery", status=403)) == KNOCKS


def test_strangers_on_the_network_and_a_runtime_at_the_same_address(tmp_path):
    """Beyond so many failures a minute of an address 429; an enrolled runtime is not refused for
    its address."""
    with Server(threads=2, limits_failed_auth_per_minute=5) as server:
        server.make_project("p")
        server.put("p", "A", "value")
        runtime = Runtime(tmp_path).enrol(server)
        began = time.monotonic()
        answers = [server.call("POST", "/runtime", packed(b"\1" + bytes(80)),
                               headers={"Content-Type": "application/json"})
                   for _ in range(KNOCKS)]
        codes = [(one.status, one.code()) for one in answers]
        refused = (429, "RATE_LIMITED")
        assert codes[:5] == 5 * [(503, "SERVICE_UNAVAILABLE")]
        assert codes[5] == refused and codes.count(refused) >= KNOCKS // 2
        assert set(codes) == {refused, codes[0]}
        assert all(int(one.headers["Retry-After"]) >= 1 for one in answers)
        assert runtime.env(server.url) == (0, {"A": "value"}, "")
        wanted = {"event": "request", "route": "/api/v1/runtime"}
        wait_until(lambda: told(lines(server, status=429, **wanted))
                   + told(lines(server, status=503, **wanted)) == KNOCKS)
        seconds = time.monotonic() - began
        for status in (429, 503):
            assert len(lines(server, status=status, **wanted)) <= 2 * (2 + seconds)
        assert len(lines(server, status=200, **wanted)) == 2
