"""Receipts: which version was last delivered to whom, against what is stored."""
import datetime
import os
import re
import signal
import socket

import pytest

from harness import ROOT, Server, wait_until
from rawhttp import ask, over_tcp, over_unix, request
from test_contract_http import ALWAYS, RATE, TIME, check_head
from test_delivery import STRANGER, as_peer, env_of, status_of, with_allow

needs_root = pytest.mark.skipif(not ROOT, reason="changes its user")
HOST = socket.gethostname()
CANARY = "canary-of-receipts"


@pytest.fixture(scope="module")
def server():
    with Server() as one:
        one.make_project("barrier")
        yield one


@pytest.fixture
def project(server, request):
    """A project of the test's own."""
    return server.make_project(re.sub(r"[^A-Za-z0-9]", "-", request.node.name)[:64])


def answer_of(server, project):
    answer = server.owner("GET", "/projects/%s/deliveries" % project)
    assert answer.status == 200, answer.body
    return answer


def lines(server, project):
    return answer_of(server, project).data()["deliveries"]


def brief(server, project):
    """[("A", "stale"), …]"""
    return [(line["key"], line["state"]) for line in lines(server, project)]


def deliver(server, project):
    assert server.deliver(project).status == 200


def pass_barrier(server):
    """Returns when all that was delivered before is noted: a batch has all that waits."""
    at = [line["lastDeliveredAt"] for line in lines(server, "barrier")]
    if not at:
        server.put("barrier", "A", "1")
    deliver(server, "barrier")
    wait_until(lambda: [line["lastDeliveredAt"] for line in lines(server, "barrier")]
               not in (at, [None]))


def version(answer):
    return int(answer.headers["ETag"].strip('"'))


def put(server, project, name, value=CANARY):
    """Stores it; the version."""
    answer = server.owner("POST", "/projects/%s/secrets" % project, {"key": name, "value": value})
    assert answer.status == 200
    return version(answer)


# --- the answer ---

def test_a_project_without_secrets_and_one_without_deliveries(server, project):
    assert answer_of(server, project).body == b'{"data":{"deliveries":[],"omittedConsumers":0}}'
    stored = put(server, project, "A")
    assert answer_of(server, project).body.decode() == (
        '{"data":{"deliveries":[{"key":"A","state":"never","storedVersion":%d,'
        '"deliveredVersion":null,"lastDeliveredAt":null,"consumer":null}],"omittedConsumers":0}}'
        % stored)


def test_a_delivery_to_the_byte(server, project):
    stored = put(server, project, "A")
    before = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(milliseconds=50)
    deliver(server, project)
    after = datetime.datetime.now(datetime.timezone.utc)
    pass_barrier(server)
    body = answer_of(server, project).body.decode()
    at = re.search(TIME, body).group()
    assert body == (
        '{"data":{"deliveries":[{"key":"A","state":"current","storedVersion":%d,'
        '"deliveredVersion":%d,"lastDeliveredAt":"%s","consumer":{"uid":%d,"unit":null,'
        '"runtime":null,"host":"%s"}}],"omittedConsumers":0}}'
        % (stored, stored, at, os.geteuid(), HOST))
    assert before <= datetime.datetime.fromisoformat(at.replace("Z", "+00:00")) <= after


def test_what_a_running_process_has_is_seen_to_grow_stale_and_new(server, project):
    first = put(server, project, "A")
    put(server, project, "B")
    deliver(server, project)
    pass_barrier(server)
    assert brief(server, project) == [("A", "current"), ("B", "current")]

    second = put(server, project, "A", "another value")
    put(server, project, "NEW")
    assert server.owner("DELETE", "/projects/%s/secrets/B" % project).status == 200
    assert brief(server, project) == [("A", "stale"), ("B", "removed"), ("NEW", "never")]
    stale, removed, never = lines(server, project)
    assert (stale["storedVersion"], stale["deliveredVersion"]) == (second, first)
    assert removed["storedVersion"] is None and removed["deliveredVersion"]
    assert never["deliveredVersion"] is None and never["lastDeliveredAt"] is None
    assert stale["consumer"] == removed["consumer"] == never["consumer"] is not None

    deliver(server, project)
    pass_barrier(server)
    assert brief(server, project) == [("A", "current"), ("NEW", "current")]
    assert lines(server, project)[0]["lastDeliveredAt"] > stale["lastDeliveredAt"]


def test_a_secret_made_again_is_not_taken_for_the_one_that_was_delivered(server, project):
    put(server, project, "A")
    deliver(server, project)
    pass_barrier(server)
    server.owner("DELETE", "/projects/%s/secrets/A" % project)
    put(server, project, "A")
    assert brief(server, project) == [("A", "stale")]


def test_a_project_made_again_starts_without_receipts(server, project):
    put(server, project, "A")
    deliver(server, project)
    pass_barrier(server)
    assert server.owner("DELETE", "/projects/" + project).status == 200
    assert server.owner("GET", "/projects/%s/deliveries" % project).status == 404
    server.make_project(project)
    assert lines(server, project) == []


# --- what is a receipt, and what is none ---

def test_withheld_names_are_never_delivered(server, project):
    put(server, project, "A")
    put(server, project, "LD_PRELOAD")
    deliver(server, project)
    pass_barrier(server)
    assert brief(server, project) == [("A", "current"), ("LD_PRELOAD", "never")]


def test_304_is_no_receipt(server, project):
    put(server, project, "A")
    tag = server.deliver(project).headers["ETag"]
    pass_barrier(server)
    before = lines(server, project)
    assert server.deliver(project, {"If-None-Match": tag}).status == 304
    pass_barrier(server)
    assert lines(server, project) == before


def test_a_peer_that_goes_before_it_has_the_whole_answer_leaves_no_receipt(server, project):
    for i in range(25):  # more than a socket holds
        put(server, project, "K%d" % i, "\U0001F512" * 4096)
    with over_unix(server.keeper_socket) as wire:
        wire.send(env_of(project))
        wait_until(lambda: wire.raw.recv(1, socket.MSG_PEEK) == b"H")
    pass_barrier(server)
    assert {state for _, state in brief(server, project)} == {"never"}
    deliver(server, project)
    pass_barrier(server)
    assert {state for _, state in brief(server, project)} == {"current"}


@needs_root
def test_consumers_stand_apart_by_user_and_who_is_refused_leaves_no_receipt():
    with with_allow('[[delivery.allow]]\nproject = "p"\nuid = %d\n' % STRANGER) as server:
        server.make_project("barrier")
        server.make_project("p")
        stored = put(server, "p", "A")
        assert status_of(as_peer(server, env_of("p"), STRANGER)) == 200
        pass_barrier(server)
        put(server, "p", "A", "second")
        deliver(server, "p")
        assert status_of(as_peer(server, env_of("p"), STRANGER + 1)) == 403
        assert status_of(as_peer(server, env_of("barrier"), STRANGER)) == 403
        pass_barrier(server)
        seen = [(line["consumer"]["uid"], line["state"]) for line in lines(server, "p")]
        assert seen == [(0, "current"), (STRANGER, "stale")]
        assert lines(server, "p")[1]["deliveredVersion"] == stored
        assert {line["consumer"]["uid"] for line in lines(server, "barrier")} == {0}


# --- nobody waits for them ---

def test_receipts_change_no_revision_and_no_list(server, project):
    put(server, project, "A")
    before = server.owner("GET", "/projects/%s/secrets" % project)
    shown = server.owner("GET", "/projects/" + project).body
    tag = server.deliver(project).headers["ETag"]
    pass_barrier(server)
    assert brief(server, project) == [("A", "current")]
    after = server.owner("GET", "/projects/%s/secrets" % project)
    assert (after.body, after.headers["ETag"]) == (before.body, before.headers["ETag"])
    assert server.owner("GET", "/projects/" + project).body == shown
    assert server.deliver(project, {"If-None-Match": tag}).status == 304


def test_nothing_of_a_value_is_in_a_receipt_or_a_log(server, project):
    put(server, project, "A")
    deliver(server, project)
    pass_barrier(server)
    assert CANARY.encode() not in answer_of(server, project).body
    assert CANARY[-4:].encode() not in answer_of(server, project).body
    assert CANARY not in server.log()


# --- a restart ---

def one_delivery(server):
    server.make_project("p")
    server.put("p", "A", "1")
    deliver(server, "p")


@pytest.mark.parametrize("whom", ["keeper", "both"])
def test_sigterm_keeps_what_was_just_delivered(whom):
    with Server() as server:
        one_delivery(server)
        if whom == "both":  # as systemd and a terminal do
            os.kill(server.api_pid(), signal.SIGTERM)
        assert server.stop() == 0
        server.start()
        kept = lines(server, "p")
        assert [line["state"] for line in kept] == ["current"]
        server.restart()
        assert lines(server, "p") == kept


def test_kill_9_keeps_what_was_noted():
    with Server() as server:
        one_delivery(server)
        wait_until(lambda: brief(server, "p") == [("A", "current")])
        kept = lines(server, "p")
        for whom in (server.kill, server.kill_api):
            whom()
            server.start()
            assert lines(server, "p") == kept


def test_after_kill_9_the_last_second_is_missing_at_most():
    with Server() as server:
        one_delivery(server)
        wait_until(lambda: brief(server, "p") == [("A", "current")])
        known = lines(server, "p")
        server.put("p", "A", "2")
        deliver(server, "p")
        server.kill()
        server.start()
        line, = lines(server, "p")
        assert line["state"] in ("current", "stale")  # stale: not sent yet, and said so
        if line["state"] == "stale":
            assert line["deliveredVersion"] == known[0]["deliveredVersion"]
        deliver(server, "p")
        wait_until(lambda: brief(server, "p") == [("A", "current")])


def test_a_burst_of_deliveries_is_noted_within_a_moment(server, project):
    put(server, project, "A")
    for _ in range(300):
        deliver(server, project)
    last = put(server, project, "A")
    deliver(server, project)
    pass_barrier(server)
    line, = lines(server, project)
    assert (line["state"], line["deliveredVersion"]) == ("current", last)


# --- who may read them ---

@pytest.fixture(scope="module")
def contract():
    with Server(limits_failed_auth_per_minute=0) as one:
        for name in ("p", "other"):
            one.make_project(name)
        one.put("p", "A", "1")
        one.admin = one.make_key()
        one.member = one.make_key(projects=["p"], permissions=["read", "write"])
        one.reader = one.make_key(projects=["p"], permissions=["read"])
        one.writer = one.make_key(projects=["p"], permissions=["write"])
        yield one


def api(server, method, target, key, fields=()):
    return ask(server, request(method, "/api/v1" + target, fields, None, key))


# method, target, key, status, code, more headers
ANSWERS = [
    ("GET", "/projects/p/deliveries", "admin", 200, None, RATE),
    ("GET", "/projects/p/deliveries", "member", 200, None, RATE),
    ("GET", "/projects/p/deliveries", "reader", 200, None, RATE),
    ("GET", "/projects/p/deliveries?x=1", "reader", 200, None, RATE),
    ("GET", "/projects/p/deliveries", "writer", 403, "FORBIDDEN", RATE),
    ("GET", "/projects/other/deliveries", "admin", 200, None, RATE),
    ("GET", "/projects/other/deliveries", "reader", 404, "NOT_FOUND", RATE),
    ("GET", "/projects/none/deliveries", "reader", 404, "NOT_FOUND", RATE),
    ("GET", "/projects/none/deliveries", "admin", 404, "NOT_FOUND", RATE),
    ("GET", "/projects/-bad/deliveries", "admin", 404, "NOT_FOUND", RATE),
    ("GET", "/projects//deliveries", "admin", 404, "NOT_FOUND", []),
    ("GET", "/projects/p/deliveries/", "admin", 404, "NOT_FOUND", []),
    ("GET", "/projects/p/deliveries/A", "admin", 404, "NOT_FOUND", []),
    ("GET", "/projects/p/deliveries", None, 401, "UNAUTHORIZED", ["www-authenticate"]),
    ("GET", "/projects/none/deliveries", "nonsense", 401, "UNAUTHORIZED", ["www-authenticate"]),
    ("POST", "/projects/p/deliveries", "admin", 405, "METHOD_NOT_ALLOWED", ["allow"]),
    ("DELETE", "/projects/p/deliveries", "admin", 405, "METHOD_NOT_ALLOWED", ["allow"]),
]


@pytest.mark.parametrize("row", ANSWERS, ids=lambda row: "-".join(map(str, row[:4])))
def test_who_may_read(contract, row):
    method, target, key, status, code, more = row
    fields = [("Content-Length", "0")] if method == "POST" else []
    answer = api(contract, method, target, getattr(contract, key or "", key), fields)
    assert answer.status == status
    check_head(answer, ALWAYS + more)
    if code:
        assert answer.json["error"]["code"] == code
    if status == 405:
        assert answer.get("Allow") == "GET"


def test_a_foreign_and_a_missing_project_look_alike(contract):
    bodies = {api(contract, "GET", "/projects/%s/deliveries" % name, contract.reader).body
              for name in ("other", "none", "-bad", "a" * 65)}
    assert len(bodies) == 1


def test_it_is_a_read_to_the_rate_limits():
    with Server(limits_reads_per_minute=2) as server:
        server.make_project("p")
        key = server.make_key()
        with over_tcp(server) as wire:
            for left in (1, 0):
                answer = wire.send(request("GET", "/api/v1/projects/p/deliveries", (), None,
                                           key)).answer()
                assert answer.get("RateLimit").startswith('"read";r=%d;' % left)
            answer = wire.send(request("GET", "/api/v1/projects/p/deliveries", (), None,
                                       key)).answer()
            assert answer.status == 429


# --- the command line ---

def table(server, project):
    done = server.cli("deliveries", "--project", project)
    assert (done.returncode, done.stderr) == (0, b"")
    return [line.split() for line in done.stdout.decode().splitlines()]


def test_the_command(server, project):
    done = server.cli("deliveries", "--project", project)
    assert (done.returncode, done.stdout) == (0, b"")
    assert done.stderr.decode() == (
        "tacit: project %s has no secrets and no deliveries\n" % project)

    first = put(server, project, "A")
    assert table(server, project) == [
        ["KEY", "STORED", "DELIVERED", "STATE", "TO", "WHEN", "(UTC)"],
        ["A", str(first), "-", "never", "-", "-"]]
    deliver(server, project)
    pass_barrier(server)
    second = put(server, project, "A", "new")
    row = table(server, project)[1]
    assert row[:5] == ["A", str(second), str(first), "STALE", "uid:%d@%s" % (os.geteuid(), HOST)]
    assert row[5:] == lines(server, project)[0]["lastDeliveredAt"][:16].split("T")

    done = server.cli("deliveries", "--project", project, "--json")
    assert b'{"data":' + done.stdout.strip() + b"}" == answer_of(server, project).body


def test_refusals_of_the_command(server):
    done = server.cli("deliveries", "--project", "none")
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"none" in done.stderr
    for arguments in (["deliveries"], ["deliveries", "p"], ["deliveries", "--project", "-bad/"]):
        assert server.cli(*arguments).returncode == 2, arguments
