"""Delivery to a runtime on another machine: the answers stay apart, nobody else gets values, and
what stands between can neither read, forge nor replay."""
import base64
import concurrent.futures
import contextlib
import json
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import tempfile

import pytest

from harness import (ORDINARY, ROOT, START_SECONDS_MAX, TACIT, Server, as_user, clean_environment,
                     files_with, for_everybody, wait_until)
from pki import Authority
from remote import Between, Runtime, packed, unpacked
from running import Run
from test_bad_starts import can_unshare
from test_tls import tls_server

needs_root = pytest.mark.skipif(not ROOT, reason="changes its user")
CANARY = "canary-of-another-machine"
SHOW = ["sh", "-c", 'echo "A=$A"; exec sleep 1000']


@pytest.fixture(scope="module")
def shared():
    # Many failures of one address are to be looked at one by one.
    with Server(limits_failed_auth_per_minute=0) as one:
        yield one


@pytest.fixture
def server(shared):
    """The server with a fresh project p and nobody enrolled."""
    shared.owner("DELETE", "/projects/p")
    shared.make_project("p")
    shared.put("p", "A", CANARY)
    assert shared.cli("runtime", "reset").returncode == 0
    return shared


@pytest.fixture
def runtime(server, tmp_path):
    return Runtime(tmp_path).enrol(server, name="web-1")


def listed(server):
    done = server.cli("runtime", "list", "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


# --- the answers ---

def test_the_values_arrive_byte_for_byte(server, runtime):
    values = {"A": "x", "B": " \t'\"$\\ é🔑\n\x01", "C": "v" * 4096, "D": "🔑" * 4096}
    for name, value in values.items():
        server.put("p", name, value)
    assert runtime.env(server.url) == (0, values, "")
    assert server.values("p") == values


def test_empty_absent_refused_unauthorized_and_unavailable_stay_apart(server, runtime, tmp_path):
    server.make_project("other")
    try:
        assert runtime.verdict(server.url) == ""
        server.owner("DELETE", "/projects/p/secrets/A")
        assert runtime.env(server.url) == (0, {}, "")
        assert runtime.verdict(server.url, "other") == "refused"
        assert runtime.verdict(server.url, "nobody-has-it") == "refused"
        server.owner("DELETE", "/projects/p")
        assert runtime.verdict(server.url) == "no such project"
        stranger = Runtime(tmp_path, "stranger").pin(listed(server)["serverKey"])
        assert stranger.verdict(server.url) == "unauthorized"
        assert stranger.verdict(server.url, "other") == "unauthorized"
        with socket.socket() as nobody:
            nobody.bind(("127.0.0.1", 0))
            url = "http://127.0.0.1:%d" % nobody.getsockname()[1]
            assert runtime.verdict(url) == "unavailable"
    finally:
        server.owner("DELETE", "/projects/other")


def test_withheld_names_are_said_and_left_out(server, runtime):
    server.put("p", "LD_PRELOAD", "/evil.so")
    status, values, said = runtime.env(server.url)
    assert (status, values) == (0, {"A": CANARY})
    assert "withheld" in said and "LD_PRELOAD" in said and "evil" not in said


def test_receipts_name_the_runtime_and_its_host(server, runtime):
    assert runtime.verdict(server.url) == ""

    def receipt():
        lines = server.owner("GET", "/projects/p/deliveries").data()["deliveries"]
        return [(one["key"], one["state"], one["consumer"]) for one in lines
                if one["consumer"] and one["consumer"]["runtime"]]

    consumer = {"uid": None, "unit": None, "runtime": "web-1", "host": socket.gethostname()}
    wait_until(lambda: receipt() == [("A", "current", consumer)])
    server.put("p", "A", "another")
    assert receipt() == [("A", "stale", consumer)]
    shown = server.cli("deliveries", "--project", "p").stdout.decode()
    assert "runtime:web-1@" + socket.gethostname() in shown


def test_many_at_once_each_get_their_own(server, tmp_path):
    def one(number):
        project = "many-%d" % number
        server.make_project(project)
        server.put(project, "A", "value %d" % number)
        runtime = Runtime(tmp_path, project).enrol(server, project)
        return [runtime.env(server.url, project=project)[1] for _ in range(3)]

    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        got = list(pool.map(one, range(24)))
    for number in range(24):
        assert got[number] == 3 * [{"A": "value %d" % number}]
        server.owner("DELETE", "/projects/many-%d" % number)


# --- who is let in ---

def test_a_revoked_runtime_is_out_at_once_and_for_good(server, runtime):
    assert runtime.verdict(server.url) == ""
    assert server.cli("runtime", "revoke", "web-1").returncode == 0
    assert runtime.verdict(server.url) == "unauthorized"
    assert server.cli("runtime", "revoke", "web-1").returncode == 1
    server.restart(signal.SIGKILL)
    assert runtime.verdict(server.url) == "unauthorized"
    runtime.enrol(server, name="web-2")
    assert runtime.verdict(server.url) == ""
    server.restart(signal.SIGKILL)
    assert runtime.verdict(server.url) == ""


def test_an_enrolment_expires(server, tmp_path):
    runtime = Runtime(tmp_path)
    date = subprocess.run(["date", "-u", "+%Y-%m-%dT%H:%M:%S.%3NZ", "-d", "now + 3 seconds"],
                          capture_output=True, check=True).stdout.decode().strip()
    runtime.enrol(server, expires=date)
    wait_until(lambda: runtime.verdict(server.url) == "unauthorized")
    done = server.cli("runtime", "enrol", "--project", "p", "--public-key", runtime.public_key,
                      "--expires", "2001-01-01")
    assert done.returncode == 1 and b"expiresAt must be a time to come" in done.stderr


def test_an_enrolment_is_of_one_key_and_one_project(server, runtime):
    for more in (["--project", "p", "--name", "web-9"], ["--project", "q", "--name", "web-1"]):
        done = server.cli("runtime", "enrol", "--public-key", runtime.public_key, *more)
        assert done.returncode == 1 and b"taken, or the key is enrolled" in done.stderr
        assert b"see what there is with: tacit runtime list" in done.stderr
    assert [one["id"] for one in listed(server)["runtimes"]] == ["web-1"]
    assert listed(server)["runtimes"][0]["publicKey"] == runtime.public_key


@needs_root
@pytest.mark.parametrize("reads", [False, True])
def test_nobody_but_the_owner_gives_orders(tmp_path, reads):
    """Neither a stranger nor who may read the project."""
    config = tmp_path / "settings.toml"
    config.write_text('[[delivery.allow]]\nproject = "p"\nuid = %s\n' % ORDINARY if reads else "")
    with Server(arguments=["--config", str(config)]) as server:
        server.make_project("p")
        runtime = Runtime(tmp_path).enrol(server, name="web-1")
        before = listed(server)

        def tacit(*words):
            return subprocess.run(
                as_user(ORDINARY) + [for_everybody(server.binary), *words, "--run-dir",
                                     os.path.dirname(server.keeper_socket)], capture_output=True)
        reading = tacit("env", "--project", "p", "--format", "json")
        assert reading.returncode == (0 if reads else 1), reading.stderr
        for order in (["list"], ["revoke", "web-1"], ["reset"],
                      ["enrol", "--project", "p", "--public-key", runtime.public_key]):
            done = tacit("runtime", *order)
            assert (done.returncode, done.stdout) == (1, b"")
            assert done.stderr == (b"tacit: refused: only the user that started the server, and "
                                   b"root, may ask or tell the keeper about runtimes\n")
        assert listed(server) == before


def test_the_api_takes_no_orders(server, runtime):
    key = server.make_key()
    for method in ("GET", "POST", "DELETE"):
        assert server.call(method, "/runtimes", key=key).status == 404
        assert server.owner(method, "/runtimes").status == 404
    assert runtime.verdict(server.url) == ""


# --- what stands between ---

def test_nothing_that_passes_or_lies_on_the_disk_shows_a_value(server, runtime):
    with Between(server) as between:
        assert runtime.env(between.url)[1] == {"A": CANARY}
    assert len(between.seen) == 2
    for request, _, answer in between.seen:
        for body in (unpacked(request), unpacked(json.dumps(json.loads(answer)["data"])), answer):
            assert CANARY.encode() not in body and b'"env"' not in body
    assert files_with(server.data, CANARY.encode()) == []
    assert CANARY not in server.log()


def test_a_recorded_conversation_gets_nothing(server, runtime):
    with Between(server) as between:
        assert runtime.verdict(between.url) == ""
    (hello, _, welcome), (ask, _, answer) = between.seen
    assert between.forward(ask)[0] == 503
    status, welcome_again = between.forward(hello)
    assert status == 200 and welcome_again != welcome
    assert between.forward(ask)[0] == 503
    # Nor do the recorded answers, given to the runtime again.
    recorded = [(200, welcome), (200, answer)]
    with Between(server, lambda number, *_: recorded[number % 2]) as replay:
        assert runtime.verdict(replay.url) == "unavailable"


def test_no_byte_that_passes_can_be_changed(server, runtime):
    def changer(exchange, in_answer, at):
        def change(number, body, forward):
            if number == exchange and not in_answer:
                sealed = bytearray(unpacked(body))
                sealed[at % len(sealed)] ^= 1
                body = packed(bytes(sealed))
            status, answer = forward(body)
            if number == exchange and in_answer:
                sealed = bytearray(unpacked(json.dumps(json.loads(answer)["data"])))
                sealed[at % len(sealed)] ^= 1
                answer = json.dumps({"data": json.loads(packed(bytes(sealed)))}).encode()
            return status, answer
        return change

    for exchange in (0, 1):
        for in_answer in (False, True):
            for at in (0, 1, 20, -17, -1):
                with Between(server, changer(exchange, in_answer, at)) as between:
                    verdict = runtime.verdict(between.url)
                # Another key in the hello: the keeper answers somebody else, whoever reads it.
                assert verdict == "unavailable", (exchange, in_answer, at)
    assert runtime.verdict(server.url) == ""


LIES = [(status, json.dumps({"error": {"code": code, "message": "A lie"}}).encode())
        for status, code in ((401, "UNAUTHORIZED"), (403, "FORBIDDEN"), (404, "NOT_FOUND"),
                             (503, "SERVICE_UNAVAILABLE"), (500, "INTERNAL_ERROR"))]
LIES += [(200, b'{"data":{"project":"p","revision":9,"env":{"A":"lie"},"withheld":[]}}'),
         (200, b'{"data":{"message":""}}'), (200, packed(b"x" * 65)), (304, b""), (200, b"{"),
         (200, json.dumps({"data": json.loads(packed(b"y" * 65))}).encode())]


@pytest.mark.parametrize("exchange", [0, 1])
def test_whatever_the_api_says_by_itself_is_unavailable(server, runtime, tmp_path, exchange):
    cache = ("--cache", str(tmp_path / "cache"))
    assert runtime.env(server.url, *cache)[1] == {"A": CANARY}
    for lie in LIES:
        def change(number, body, forward, lie=lie):
            return lie if number % 2 == exchange else forward(body)
        with Between(server, change) as between:
            assert runtime.verdict(between.url) == "unavailable", lie
            # No lie deletes a copy.
            status, values, said = runtime.env(server.url, *cache)
            assert (status, values) == (0, {"A": CANARY}), (lie, said)


def test_an_answer_to_somebody_else_is_none(server, runtime, tmp_path):
    """An api that gives one runtime what was sealed for another."""
    server.make_project("other")
    other = Runtime(tmp_path, "other").enrol(server, "other")
    try:
        for swapped in (0, 1):
            with Between(server) as record:
                assert other.verdict(record.url, "other") == ""

            def change(number, body, forward, swapped=swapped, record=record):
                if number == swapped:
                    return 200, record.seen[number][2]
                return forward(body)
            with Between(server, change) as between:
                assert runtime.verdict(between.url) == "unavailable"
    finally:
        server.owner("DELETE", "/projects/other")


def test_another_servers_keeper_is_not_taken_for_this_one(server, tmp_path):
    runtime = Runtime(tmp_path)
    done = server.cli("runtime", "enrol", "--project", "p", "--public-key", runtime.public_key)
    other = base64.urlsafe_b64encode(b"\x09" + bytes(30) + b"\x40").decode().rstrip("=")
    assert done.returncode == 0
    runtime.pin(other)
    status, values, said = runtime.env(server.url)
    assert (status, values) == (1, None)
    assert "unavailable" in said and "compare the server's key" in said


@pytest.mark.parametrize("body", [
    b"", b"{}", b"[]", b'{"message":5}', b'{"message":""}', b'{"message":"="}',
    b'{"message":"AA=="}', b'{"message":"AB"}', b'{"message":"AAAA","more":1}',
    b'{"message":"' + b"A" * 400 + b'"}'])
def test_a_body_that_is_no_message_is_refused_before_the_keeper(server, body):
    headers = {"Content-Type": "application/json"}
    answer = server.call("POST", "/runtime", body, headers=headers)
    assert (answer.status, answer.code()) == (400, "VALIDATION_ERROR")


def test_bytes_that_are_no_message_of_a_runtime_say_nothing(server, runtime):
    for sealed in (b"\0", b"\1", b"\2", b"\1" + bytes(80), b"\1" + b"\x09" * 80, b"\2" + bytes(32),
                   b"\2" + bytes(255), b"\xff" * 200):
        answer = server.call("POST", "/runtime", packed(sealed),
                             headers={"Content-Type": "application/json"})
        assert (answer.status, answer.code()) == (503, "SERVICE_UNAVAILABLE")
    assert runtime.verdict(server.url) == ""


def test_other_ways_to_the_endpoint(server):
    assert server.call("GET", "/runtime").status == 405
    answer = server.call("POST", "/runtime", b"x", headers={"Content-Type": "text/plain"})
    assert answer.status == 415


# --- run ---

def test_run_follows_a_change(server, runtime):
    options = (*runtime.options(server.url), "--on-change", "restart", "--debounce", "50ms")
    with Run(None, *options, command=SHOW) as run:
        assert run.line() == "A=" + CANARY
        for value in ("second", "third"):
            server.put("p", "A", value)
            assert run.line() == "A=" + value
        assert run.end(signal.SIGTERM)[0] == -signal.SIGTERM


@needs_root
def test_run_outlives_a_time_without_threads(server):
    """As when the command itself has used up what its group may have."""
    user = 100_000 + os.getpid()

    def of_two_tasks():
        resource.setrlimit(resource.RLIMIT_NPROC, (2, 2))
        os.setgroups([])
        os.setgid(user)
        os.setuid(user)
    with tempfile.TemporaryDirectory(prefix="tacit-e2e-") as folder:
        runtime = Runtime(folder).enrol(server)
        for path in (folder, runtime.file):
            os.chown(path, user, user)
        with Run(None, *runtime.options(server.url), "--on-change", "restart", command=SHOW,
                 executable=for_everybody(TACIT), preexec_fn=of_two_tasks) as run:
            assert run.line() == "A=" + CANARY
            said = run.line(2)
            assert "no more threads" in said and "the command keeps running" in said, said
            assert run.end(signal.SIGTERM)[0] == -signal.SIGTERM


@pytest.mark.skipif(not can_unshare(), reason="needs root that may mount")
def test_run_ends_with_its_command_while_a_resolver_does_not_answer(server, runtime, tmp_path):
    """It would be waited for for minutes."""
    hosts = tmp_path / "hosts"
    hosts.write_text("127.0.0.1 tacit.test\n")
    (tmp_path / "nsswitch.conf").write_text("hosts: files dns\n")
    script = """for one in hosts nsswitch.conf resolv.conf
        do mount --bind "$0/$one" "/etc/$one"; done; exec "$@" """
    options = (*runtime.options("http://tacit.test:%d" % server.port), "--on-change", "restart")
    with socket.socket(type=socket.SOCK_DGRAM) as resolver:
        resolver.bind(("127.%d.%d.153" % (os.getpid() >> 8 & 255, os.getpid() & 255), 53))
        resolver.settimeout(START_SECONDS_MAX)
        (tmp_path / "resolv.conf").write_text("nameserver %s\noptions timeout:30 attempts:5\n"
                                              % resolver.getsockname()[0])
        run = subprocess.Popen(
            ["unshare", "-m", "--propagation", "private", "sh", "-ec", script, str(tmp_path),
             os.path.abspath(TACIT), "run", "--project", "p", *options, "--", "sh", "-c",
             "echo begun; read line; exit 7"],
            env=clean_environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        try:
            assert run.stdout.readline() == b"begun\n"
            hosts.write_text("")  # the next question looks further
            server.put("p", "A", "another value")
            assert resolver.recv(512)
            run.stdin.close()
            assert run.wait(START_SECONDS_MAX) == 7
        finally:
            run.kill()
            run.wait()
            run.stdin.close()
            run.stdout.close()


def test_run_outlives_the_server_and_its_own_enrolment(server, runtime):
    options = (*runtime.options(server.url), "--on-change", "restart", "--debounce", "50ms")
    with Run(None, *options, command=SHOW) as run:
        assert run.line() == "A=" + CANARY
        port = server.port
        server.kill()  # in the middle of a held question
        assert "unavailable" in run.line(2)
        server.settings["listen"] = "127.0.0.1:%d" % port
        try:
            server.start()
            server.put("p", "A", "after")
            assert run.line(2) == "tacit: the keeper answers again: changes are followed"
            assert run.line() == "A=after"
            run.line(2)  # restarting
            assert server.cli("runtime", "revoke", "web-1").returncode == 0
            server.put("p", "A", "not for it")
            assert "unauthorized" in run.line(2)
            assert run.says_nothing_for(0.5)
        finally:
            server.settings["listen"] = "127.0.0.1:0"
        assert run.end(signal.SIGTERM)[0] == -signal.SIGTERM


def test_a_run_that_follows_says_each_new_trouble(server, runtime):
    server.make_project("other")
    try:
        runtime.enrol(server, "other")
        with Run(None, *runtime.options(server.url), "--on-change", "restart", command=SHOW) as run:
            assert run.line() == "A=" + CANARY
            assert server.cli("runtime", "revoke", "web-1").returncode == 0
            server.put("p", "A", "not for it")
            assert run.line(2).startswith("tacit: refused: this runtime may not read project p ")
            server.owner("DELETE", "/projects/p")
            runtime.enrol(server, name="web-2")
            assert run.line(2).startswith("tacit: no such project: p ")
    finally:
        server.owner("DELETE", "/projects/other")


def test_a_cache_serves_while_nobody_answers_and_goes_with_the_enrolment(server, runtime,
                                                                         tmp_path):
    cache = ("--cache", str(tmp_path / "cache"))
    assert runtime.env(server.url, *cache)[1] == {"A": CANARY}
    with Between(server, lambda *_: (503, b"{}")) as between:
        # Bound to the address as well: this one has no copy of its own.
        assert runtime.env(between.url, *cache)[0] == 1
    assert server.cli("runtime", "revoke", "web-1").returncode == 0
    status, values, said = runtime.env(server.url, *cache)
    assert (status, values) == (1, None) and "unauthorized" in said
    assert os.listdir(tmp_path / "cache") in ([], ["key"])


@pytest.mark.parametrize("said", ["no such project", "refused"])
def test_the_keepers_other_verdicts_end_a_copy_too(server, runtime, tmp_path, said):
    cache = ("--cache", str(tmp_path / "cache"))
    server.make_project("other")
    try:
        runtime.enrol(server, "other")
        assert runtime.env(server.url, *cache)[1] == {"A": CANARY}
        if said == "refused":
            assert server.cli("runtime", "revoke", "web-1").returncode == 0
        else:
            server.owner("DELETE", "/projects/p")
        status, values, line = runtime.env(server.url, *cache)
        assert (status, values) == (1, None) and said in line
        assert os.listdir(tmp_path / "cache") == ["key"]
    finally:
        server.owner("DELETE", "/projects/other")


def test_a_cache_goes_with_the_enrolment_also_while_the_command_runs(server, runtime, tmp_path):
    cache = tmp_path / "cache"
    options = (*runtime.options(server.url), "--cache", str(cache), "--on-change", "signal:USR1")
    with Run(None, *options, command=SHOW) as run:
        assert run.line() == "A=" + CANARY
        assert (cache / "p.set").exists()
        assert server.cli("runtime", "revoke", "web-1").returncode == 0
        server.put("p", "A", "not for it")
        assert run.line(2) == "tacit: removed the set of project p from the cache %s" % cache
        assert run.line(2).startswith("tacit: unauthorized: this runtime is not enrolled")
        assert not (cache / "p.set").exists()


def test_over_https_the_certificate_is_checked_as_well(tmp_path):
    authority = Authority(str(tmp_path))
    authority.server = authority.issue("server")
    with tls_server(authority) as server:
        server.make_project("p")
        server.put("p", "A", CANARY)
        runtime = Runtime(tmp_path).enrol(server)
        url = "https://127.0.0.1:%d" % server.port
        status, values, said = runtime.env(url)
        assert (status, values) == (1, None) and "unavailable" in said and "certificate" in said
        trust = {"TACIT_CA_FILE": authority.certificate}
        done = runtime.tacit("env", "--project", "p", "--format", "json", *runtime.options(url),
                             **trust)
        assert json.loads(done.stdout) == {"A": CANARY}, done.stderr
        options = (*runtime.options(url), "--on-change", "restart", "--debounce", "50ms")
        with Run(None, *options, command=SHOW, environment=trust) as run:
            assert run.line() == "A=" + CANARY
            server.put("p", "A", "second")
            assert run.line() == "A=second"
            assert run.end(signal.SIGTERM)[0] == -signal.SIGTERM  # also while a question is held


# --- the identity file ---

def test_an_identity_is_nobody_elses_and_never_replaced(server, tmp_path):
    runtime = Runtime(tmp_path)
    assert os.stat(runtime.file).st_mode & 0o777 == 0o600
    again = runtime.tacit("runtime", "keygen", "--identity", runtime.file)
    assert again.returncode == 1 and b"is there already" in again.stderr
    unpinned = runtime.env(server.url)
    assert unpinned[0] == 1 and "trusts no server yet" in unpinned[2]
    runtime.enrol(server)
    assert os.stat(runtime.file).st_mode & 0o777 == 0o600
    other = runtime.tacit("runtime", "pin", "--identity", runtime.file, "--server-key",
                          runtime.public_key)
    assert other.returncode == 1 and b"trusts another server" in other.stderr
    assert runtime.verdict(server.url) == ""
    os.chmod(runtime.file, 0o640)
    assert "chmod 0600" in runtime.env(server.url)[2]
    os.chmod(runtime.file, 0o600)
    with open(runtime.file, "r+") as file:
        file.truncate(40)
    assert "is not an identity file" in runtime.env(server.url)[2]


def test_server_and_identity_go_together(server, runtime):
    done = runtime.tacit("env", "--project", "p", "--format", "json", "--server", server.url)
    assert done.returncode == 2 and b"--identity" in done.stderr
    done = runtime.tacit("env", "--project", "p", "--format", "json", "--identity", runtime.file)
    assert done.returncode == 2
    secret = open(runtime.file).read().split()[4]
    done = runtime.tacit("runtime", "pin", "--identity", runtime.file, "--server-key", secret[:-1])
    assert done.returncode == 2 and secret[:20].encode() not in done.stderr


# --- the keeper's own file ---

def book(server):
    return os.path.join(server.data, "runtimes")


@pytest.fixture
def own_server(tmp_path):
    with Server() as one:
        one.make_project("p")
        one.put("p", "A", CANARY)
        yield one


def marks_are_kept(server):
    """The mark is kept soon after an order: a write that follows is behind it."""
    server.put("p", "BARRIER", "1")


def test_an_older_copy_of_the_file_lets_nobody_in(own_server, tmp_path):
    server = own_server
    runtime = Runtime(tmp_path).enrol(server, name="web-1")
    marks_are_kept(server)
    shutil.copy(book(server), tmp_path / "copy")
    assert server.cli("runtime", "revoke", "web-1").returncode == 0
    marks_are_kept(server)
    newest = tmp_path / "newest"
    shutil.copy(book(server), newest)
    server.stop()
    shutil.copy(tmp_path / "copy", book(server))
    server.start()
    wait_until(lambda: "missing or older than the store" in server.log())
    assert runtime.verdict(server.url) == "unavailable"
    for order in (["revoke", "web-1"],
                  ["enrol", "--project", "p", "--public-key", runtime.public_key]):
        done = server.cli("runtime", *order)
        assert done.returncode == 1 and b"tacit runtime reset" in done.stderr
    assert listed(server)["inDoubt"] is True
    # The right copy ends the doubt,
    server.stop()
    shutil.copy(newest, book(server))
    server.start()
    wait_until(lambda: runtime.verdict(server.url) != "unavailable")
    assert runtime.verdict(server.url) == "unauthorized"
    # and so does a reset, with the old copy in its place again: not even what is in it comes back.
    server.stop()
    shutil.copy(tmp_path / "copy", book(server))
    server.start()
    wait_until(lambda: server.cli("runtime", "reset").returncode == 0)
    assert runtime.verdict(server.url) == "unauthorized"
    runtime.enrol(server, name="web-1")
    server.restart()
    wait_until(lambda: runtime.verdict(server.url) != "unavailable")
    assert runtime.verdict(server.url) == ""


def test_without_the_file_nobody_is_let_in(own_server, tmp_path):
    server = own_server
    runtime = Runtime(tmp_path).enrol(server)
    cache = ("--cache", str(tmp_path / "cache"))
    marks_are_kept(server)
    before = runtime.env(server.url, *cache)[1]
    server.settings["listen"] = "127.0.0.1:%d" % server.port
    server.stop()
    os.unlink(book(server))
    server.start()
    wait_until(lambda: "missing or older than the store" in server.log())
    assert runtime.verdict(server.url) == "unavailable"
    status, values, said = runtime.env(server.url, *cache)
    assert (status, values) == (0, before) and "using the cached set" in said
    assert server.values("p")["A"] == CANARY  # what is local goes on
    assert server.cli("runtime", "reset").returncode == 0
    assert runtime.verdict(server.url) == "unauthorized"


def test_a_changed_file_stops_the_start_and_a_torn_write_does_not(own_server, tmp_path):
    server = own_server
    runtime = Runtime(tmp_path).enrol(server, name="web-1")
    marks_are_kept(server)
    server.stop()
    with open(book(server), "rb") as file:
        whole = bytearray(file.read())
    slot = 256 * 1024
    torn = whole.copy()
    torn[8] ^= 1  # the older slot: of the empty book
    with open(book(server), "wb") as file:
        file.write(torn)
    server.start()
    wait_until(lambda: runtime.verdict(server.url) == "")
    server.stop()
    for at in (slot + 20, slot + 60):
        forged = whole.copy()
        forged[8] ^= 1
        forged[at] ^= 1
        with open(book(server), "wb") as file:
            file.write(forged)
        status, _, said = server.run_to_end()
        assert status == 1 and "is damaged" in said
    with open(book(server), "wb") as file:
        file.write(whole)
    os.chmod(book(server), 0o644)
    status, _, said = server.run_to_end()
    assert status == 1 and "chmod 0600" in said
    os.chmod(book(server), 0o600)
    server.start()


def test_the_api_process_cannot_reach_the_file(own_server):
    """It lies beside store/, which alone the api process may look into (test_sandbox)."""
    about = os.stat(book(own_server))
    assert about.st_mode & 0o777 == 0o600 and about.st_uid == os.geteuid()
    links = set()
    for descriptor in os.listdir("/proc/%d/fd" % own_server.api_pid()) if ROOT else []:
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            links.add(os.readlink("/proc/%d/fd/%s" % (own_server.api_pid(), descriptor)))
    assert book(own_server) not in links and (links or not ROOT)
    assert re.search(r"runtimes", " ".join(os.listdir(own_server.data)))
