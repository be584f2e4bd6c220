"""A value goes in a thousand times, in every way there is, and is found only where it may be."""
import base64
import glob
import os
import subprocess
import urllib.parse

import pytest

from harness import ROOT, SUBKEY_INSTANCE, TACIT, Server, clean_environment, derive, files_with
from rawhttp import WAYS, over_tcp, over_unix, request

# Nothing else in the program or its answers looks like these. lastFour of the value is "tail".
CANARY = "cAnArY-7f3q-%d-Qx9-tail"
CORE = "cAnArY-7f3q"
ROUNDS = 1000


def forms():
    """The ways in which the canary could be written somewhere."""
    raw = CORE.encode()
    found = [raw, raw.upper(), raw.lower(), raw.hex().encode(), raw.hex().upper().encode(),
             urllib.parse.quote(CORE).encode(), raw.decode().encode("utf-16-le"),
             "".join("\\u%04x" % ord(c) for c in CORE).encode()]
    for shift in range(3):  # base64 in each position, without the ends that depend on neighbours
        text = base64.b64encode(b"x" * shift + raw)
        found.append(text[4 if shift else 0:-4])
    return found


def as_escapes(text):
    return "".join("\\u%04x" % ord(c) for c in text)


def requests_with(value, keys):
    """Each endpoint and each error, the value wherever a client might put it."""
    key, reader, foreign = keys
    p = "/api/v1/projects/p/secrets"
    body = '{"key":"A","value":"%s"}' % value
    yield request("POST", p, (), body, key)
    yield request("POST", p, (), '{"key":"A","value":"%s"}' % as_escapes(value), key)
    yield request("POST", p, (), body, reader)
    yield request("POST", p, (), body, foreign)
    yield request("POST", p, (), body, "nonsense")
    yield request("POST", p, (), body)
    yield request("POST", p, (), body, value)
    yield request("POST", "/api/v1/projects/none/secrets", (), body, key)
    yield request("POST", "/api/v1/projects/full/secrets", (), body.replace('"A"', '"NEW"'), key)
    yield request("POST", "/api/v1/nothing", (), body, key)
    yield request("PUT", p, (), body, key)
    yield request("DELETE", p, (), body, key)
    yield request("GET", p, (), body, key)
    yield request("POST", p, [("Content-Type", "text/plain")], body, key)
    yield request("POST", p, [("Content-Type", "text/" + value)], body, key)
    yield request("POST", p, (), body[:-1], key)
    yield request("POST", p, (), body + value, key)
    yield request("POST", p, (), '{"key":"A","value":"%s\\u0000"}' % value, key)
    yield request("POST", p, (), '{"key":"A","value":"%s\\ud800"}' % value, key)
    yield request("POST", p, (), '{"key":"A","value":"%s"}' % (value * 300), key)
    yield request("POST", p, (), '{"key":"%s","value":"v"}' % value, key)
    yield request("POST", p, (), '{"key":"A","value":["%s"]}' % value, key)
    yield request("POST", p, (), '{"key":"A","%s":"v"}' % value, key)
    yield request("POST", p, (), '{"key":"A","value":"%s","value":"%s"}' % (value, value), key)
    yield request("POST", p, (), value, key)
    yield request("POST", "/api/v1/projects", (), '{"name":"x","id":"%s!"}' % value, key)
    yield request("POST", "/api/v1/api-keys", (), '{"name":"x","expiresAt":"%s"}' % value, key)
    yield request("POST", "/api/v1/api-keys", (), '{"name":"x","projects":["%s"]}' % value, key)
    yield request("DELETE", p + "/" + value, (), None, key)
    yield request("GET", p + "?value=" + value, (), None, key)
    yield request("GET", "/api/v1/projects/%s/secrets" % value, (), None, key)
    yield request("GET", "/" + value, (), None, key)
    yield request("GET", p, [("X-Request-Id", value + "!")], None, key)
    yield request("GET", p, [("If-None-Match", '"%s"' % value)], None, key)
    yield request("GET", "/livez", [("Cookie", value), ("User-Agent", value), ("Referer", value)])
    yield request("GET", p, (), None, key)
    yield request("GET", "/api/v1/projects", (), None, key)
    yield request("GET", "/api/v1/api-keys", (), None, key)
    # The connection ends behind these.
    yield request("POST", p, [("Transfer-Encoding", "chunked")], None, key) + body.encode()
    yield request("POST", p, [("Content-Length", "70000")], None, key) + body.encode()
    yield request("GET", "/%s%s" % (value, "x" * 1024))
    yield request("GET", "/", [("A", value + "x" * 8192)])
    yield b"%s\r\n\r\n" % value.encode()
    yield b"GET /%s HTTP/1.1\nHost: %s\n\n" % (value.encode(), value.encode())


class Watched:
    """Sees to it that nothing that comes back holds the canary."""

    def __init__(self):
        self.looked_at = 0

    def check(self, text, where):
        self.looked_at += 1
        for form in forms():
            assert form not in text, (where, form, text[:500])


@pytest.fixture(scope="module")
def served():
    """A server that has seen the canary a thousand times. What it answered was looked at."""
    with Server(limits_failed_auth_per_minute=0, log_level="debug", limits_head_seconds=1,
                limits_body_seconds=1) as server:
        watched = Watched()
        server.make_project("p")
        server.make_project("full", secretLimit=1)
        server.put("full", "A", "x")
        server.make_project("other")
        keys = (server.make_key(), server.make_key(permissions=["read"], projects=["p"]),
                server.make_key(permissions=["write"], projects=["other"]))
        sent = 0
        unfinished = []
        while sent < ROUNDS:
            value = CANARY % sent
            for i, data in enumerate(requests_with(value, keys)):
                with over_tcp(server) as wire:
                    how = WAYS[i % 3] if len(data) < 500 else "whole"
                    answer = wire.send(data, how, sent).answer()
                    assert answer is not None, data[:100]
                    watched.check(answer.raw, data[:100])
                sent += 1
            for cut in (b'{"key":"A","value":"%s' % value.encode(), b""):  # clients that give up
                wire = over_tcp(server)
                wire.send(request("POST", "/api/v1/projects/p/secrets",
                                  [("Content-Length", "500"), ("A", value)], None, keys[0]) + cut)
                if len(unfinished) < 4:
                    unfinished.append(wire)
                else:
                    wire.raw.close()
        for wire in unfinished:  # and clients that are too slow
            answer = wire.answer()
            assert answer.status == 408
            watched.check(answer.raw, "too slow")
        server.put("p", "LD_PRELOAD", CANARY % 0)
        server.put("p", "FINAL", CANARY % 0)
        server.watched = watched
        yield server


def test_no_answer_holds_it(served):
    assert served.watched.looked_at >= ROUNDS


def test_no_answer_of_the_delivery_but_the_one(served):
    watched = Watched()
    with over_unix(served.keeper_socket) as wire:
        for target in ("/v1/projects/none/env", "/v1/" + CORE, "/v1/projects/%s/env" % CORE):
            wire.send(request("GET", target))
            watched.check(wire.answer().raw, target)
        tag = served.deliver("p").headers["ETag"]
        wire.send(request("GET", "/v1/projects/p/env", [("If-None-Match", tag)]))
        watched.check(wire.answer().raw, "304")
    answer = served.deliver("p")
    assert answer.data()["env"]["FINAL"] == CANARY % 0
    assert answer.body.count(CORE.encode()) == len(
        [v for v in answer.data()["env"].values() if CORE in v])  # the withheld one is not there


def test_no_line_of_the_log_holds_it(served):
    log = served.log().encode()
    Watched().check(log, "log")
    assert b'"event":"request"' in log and b"FINAL" not in log and b"LD_PRELOAD" not in log


def test_no_file_holds_it(served):
    assert files_with(served.data, b"full") != []  # the id of a project: the search finds what is
    segment = "/dev/shm/tacit-" + derive(served.root_key(), SUBKEY_INSTANCE, 16).hex()
    with open(segment, "rb") as shared:
        Watched().check(shared.read(), segment)
    for form in forms():
        assert files_with(served.data, form) == []


def test_no_file_holds_it_after_restarts(served):
    served.restart(9)
    served.restart(15)
    served.stop()
    try:
        for form in forms():
            assert files_with(served.data, form) == []
    finally:
        served.start()
    assert served.values("p")["FINAL"] == CANARY % 0


@pytest.mark.skipif(not ROOT, reason="the processes are not dumpable: only root sees them")
def test_no_argument_and_no_environment_holds_it(served):
    watched = Watched()
    for pid in (served.pid, served.api_pid()):
        for name in ("cmdline", "environ"):
            with open("/proc/%d/%s" % (pid, name), "rb") as file:
                watched.check(file.read(), name)
        for thread in glob.glob("/proc/%d/task/*/comm" % pid):
            with open(thread, "rb") as file:
                watched.check(file.read(), thread)


def test_no_argument_of_the_command_line_holds_it(served, tmp_path):
    """While tacit waits for a value, and while the command that it ran goes on."""
    environment = clean_environment(TACIT_DATA_DIR=served.data)
    setting = subprocess.Popen([TACIT, "secret", "set", "CLI", "--project", "p"],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
    setting.stdin.write((CANARY % 1).encode())
    setting.stdin.flush()
    with open("/proc/%d/cmdline" % setting.pid, "rb") as file:
        Watched().check(file.read(), "cmdline")
    out, _ = setting.communicate(timeout=60)
    Watched().check(out, "set")
    running = subprocess.Popen([TACIT, "run", "--project", "p", "--", "sh", "-c",
                                "echo ready; read x"], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)
    assert running.stdout.readline() == b"ready\n"
    with open("/proc/%d/cmdline" % running.pid, "rb") as file:
        Watched().check(file.read(), "cmdline")
    _, err = running.communicate(b"\n", timeout=60)
    Watched().check(err, "run")


COMMANDS = [
    (["secret", "list", "--project", "p"], {}),
    (["secret", "list", "--project", "p", "--json"], {}),
    (["secret", "set", "CLI", "--project", "p"], {}),
    (["secret", "set", "CLI", "--project", "p", "--json"], {}),
    (["secret", "set", "CLI", "--project", "none"], {}),
    (["secret", "set", "NEW", "--project", "full"], {}),
    (["secret", "set", "bad name", "--project", "p"], {}),
    (["secret", "set", "CLI", CANARY % 2, "--project", "p"], {}),
    (["secret", "set", "CLI", "--project", "p", "--value=" + CANARY % 2], {}),
    (["secret", "set", "CLI", "--project", "p", "--from-env", CANARY % 2], {}),
    (["secret", "set", "CLI", "--project", "p", "--from-env", "GIVEN"], {"GIVEN": CANARY % 2}),
    (["secret", "set", "CLI", "--project", "p"], {"TACIT_URL": "http://127.0.0.1:1",
                                                  "TACIT_TOKEN": CANARY % 2}),
    (["secret", "set", "CLI", "--project", "p"], {"TACIT_TOKEN": CANARY % 2}),
    (["env", "--project", "none", "--format", "json"], {}),
    (["run", "--project", "p", "--", "/none"], {}),
    (["run", "--project", "p", "--", "true"], {}),
]


def test_no_message_of_the_command_line_holds_it(served):
    watched = Watched()
    for arguments, more in COMMANDS:
        for value in (CANARY % 3, CANARY % 3 + "\0", CANARY % 3 * 300):
            done = served.cli(*arguments, stdin=value.encode(), **more)
            watched.check(done.stdout + done.stderr, arguments)


def test_the_last_four_are_all_that_is_shown(served):
    listed = served.owner("GET", "/projects/p/secrets").data()["secrets"]
    assert {one["key"]: one["lastFour"] for one in listed}["FINAL"] == "tail"
    # They are a piece of the value: in no file and no log line either.
    served.put("p", "ONLY", "0123456789-zQ~4")
    served.stop()
    try:
        assert files_with(served.data, b"zQ~4") == [] and "zQ~4" not in served.log()
    finally:
        served.start()
    listed = served.owner("GET", "/projects/p/secrets").data()["secrets"]
    assert {one["key"]: one["lastFour"] for one in listed}["ONLY"] == "zQ~4"


def test_no_core_file_is_left(served):
    for pid in (served.pid, served.api_pid()):
        with open("/proc/%d/limits" % pid) as file:
            limits = file.read()
        line = next(one for one in limits.splitlines() if one.startswith("Max core file size"))
        assert line.split()[4] == "0" or not os.access("/proc/%d/mem" % pid, os.R_OK) or ROOT
