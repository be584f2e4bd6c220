"""The short form of ./dev torture errors: system calls that fail while a server runs or starts."""
import json
import os
import random
import shutil
import subprocess
import sys

import pytest

from harness import wait_until

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "torture"))

import errors  # noqa: E402
from remote import Runtime  # noqa: E402
from test_bad_starts import refused  # noqa: E402

pytestmark = pytest.mark.skipif(not shutil.which("strace"), reason="needs strace")

SEED = int(os.environ.get("TACIT_SEED", random.randrange(1 << 32)))


def sweep(start, call, error, numbers, prepared=None):
    said = []
    campaign = errors.Campaign(SEED, said.append)
    campaign.sweep(start, call, error, numbers, prepared)
    assert campaign.faults == 0, ("TACIT_SEED=%d" % SEED, said)
    return campaign


@pytest.mark.parametrize("call", ["write", "fdatasync"])
def test_a_write_that_fails_for_no_room_is_refused_and_the_server_goes_on(call):
    campaign = sweep("running", call, "ENOSPC", range(4, 9))
    assert set(campaign.statuses) == {(call, 0)}
    assert campaign.unknown >= 3 and campaign.acknowledged > 5


@pytest.mark.parametrize("call", ["write", "fdatasync"])
def test_a_write_that_fails_otherwise_ends_the_server_with_5(call):
    campaign = sweep("running", call, "EIO", range(4, 7))
    assert set(campaign.statuses) == {(call, 5)}


@pytest.mark.parametrize("error", errors.ERRORS)
def test_a_start_that_fails_changes_nothing(error):
    prepared = errors.Prepared(SEED)
    try:
        campaign = sweep("again", "openat", error, range(60, 72, 2), prepared)
        campaign.sweep("again", "renameat", error, range(1, 3), prepared)
        assert campaign.faults == 0 and campaign.runs >= 6
    finally:
        prepared.remove()


def test_a_file_of_runtimes_that_cannot_be_read_is_not_taken_for_a_new_one(tmp_path):
    with errors.Server() as server:
        server.make_project("p")
        for name in ("one", "two"):  # the newest book lies where a new one would go
            Runtime(tmp_path, name).enrol(server, name=name)
        assert server.stop() == 0
        path = server.data + "/runtimes"
        with open(path, "rb") as file:
            before = file.read()
        plain = server.command()
        server.command = lambda: ["strace", "-o", os.devnull, "-P", path, "-e", "trace=pread64",
                                  "-e", "inject=pread64:error=EIO", *plain]
        refused(server, "cannot read", path, "Input/output error")
        server.command = lambda: plain
        with open(path, "rb") as file:
            assert file.read() == before
        server.start()
        listed = server.cli("runtime", "list", "--json").stdout
        assert {one["id"] for one in json.loads(listed)["runtimes"]} == {"one", "two"}


def fail_in_keeper(server, call, error, number):
    """strace, which makes the keeper's n-th call fail from now on."""
    tracer = subprocess.Popen(
        ["strace", "-f", "-qq", "-o", os.devnull, "-p", str(server.pid), "-e", "trace=" + call,
         "-e", "inject=%s:error=%s:when=%d" % (call, error, number)], stderr=subprocess.DEVNULL)

    def is_traced():
        with open("/proc/%d/status" % server.pid) as status:
            return "TracerPid:\t0\n" not in status.read()
    wait_until(is_traced)
    return tracer


@pytest.mark.parametrize("error", errors.ERRORS)
@pytest.mark.parametrize("call, number", [("pwrite64", 1), ("pwrite64", 2), ("fdatasync", 1)])
def test_a_change_of_who_is_enrolled_that_fails_is_said_and_loses_nobody(tmp_path, call, number,
                                                                         error):
    """Each call with which the keeper writes its file."""
    with errors.Server() as server:
        server.make_project("p")
        server.put("p", "A", "a value")
        kept, gone = (Runtime(tmp_path, name).enrol(server, name=name) for name in ("kept", "gone"))
        for asked, words in ((["enrol", "--project", "p", "--name", "new", "--public-key",
                               Runtime(tmp_path, "new").public_key], b"could not be written"),
                             (["revoke", "gone"], b"only until the server starts again")):
            tracer = fail_in_keeper(server, call, error, number)
            done = server.cli("runtime", *asked)
            assert done.returncode == 1 and words in done.stderr, done.stderr
            tracer.terminate()
            tracer.wait()
        assert (kept.verdict(server.url), gone.verdict(server.url)) == ("", "unauthorized")
        server.kill()
        server.start()
        wait_until(lambda: kept.verdict(server.url) == "")
        assert server.cli("runtime", "revoke", "kept").returncode == 0
        assert kept.verdict(server.url) == "unauthorized"


def test_what_is_not_as_acknowledged_would_be_found():
    """The control: a run without faults, judged by a ledger that was changed."""
    prepared = errors.Prepared(SEED)
    try:
        with errors.Server(data=prepared.data) as server:
            ledger = prepared.ledger
            assert ledger.faults(server) == []
            project = next(one for one, there in ledger.projects.items() if there == {True})
            at = (project, "KEY_0")
            right = ledger.values.get(at, {None})
            ledger.values[at] = {"another value"}
            assert ledger.faults(server) != []
            ledger.values[at] = right
            assert ledger.faults(server) == []
            server.make_project("made-by-nobody")
            assert ledger.faults(server) != []
    finally:
        prepared.remove()
