"""The short form of ./dev torture full: a tmpfs that fills up and is emptied."""
import json
import os
import random
import sys

import pytest

from harness import ROOT, Server, wait_until
from remote import Runtime

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "torture"))

import full  # noqa: E402

pytestmark = pytest.mark.skipif(not ROOT, reason="needs root: it mounts a tmpfs")

SEED = int(os.environ.get("TACIT_SEED", random.randrange(1 << 32)))


def test_a_full_disk_refuses_writes_and_nothing_else_and_they_go_on_by_themselves():
    campaign, met = full.run(SEED, 25)
    assert campaign.wrong == [], "TACIT_SEED=%d" % SEED
    assert campaign.full >= 5 and campaign.roomy >= 3 and met == 0
    assert campaign.ledger.acknowledged >= 10 and campaign.ledger.unknown >= 20


def test_a_full_disk_is_told_with_the_room_that_is_wanted():
    with full.small_disk() as folder:
        with Server(data=os.path.join(folder, "disk", "data")) as server:
            server.make_project("p")
            full.fill(os.path.join(folder, "disk"), leave=1 << 20)
            done = server.cli("secret", "set", "A", "--project", "p", stdin=b"a value")
            assert done.returncode == 1 and b"(it keeps 64 MB free)" in done.stderr, done.stderr
            told = [line for line in map(json.loads, server.log().splitlines())
                    if line["event"].startswith("the disk is almost full")]
            assert len(told) == 1 and told[0]["free_bytes"] < told[0]["reserve_bytes"] == 64 << 20
            assert told[0]["free_files"] > 0


def test_no_change_of_who_is_enrolled_waits_for_room_on_the_disk(tmp_path):
    """Least of all a revocation: also a book that grows has its room."""
    with full.small_disk() as folder:
        server = Server(data=os.path.join(folder, "disk", "data"))
        with server:
            server.make_project("p")
            server.put("p", "A", "a value")
            out = Runtime(tmp_path, "out").enrol(server, name="out")
            kept = Runtime(tmp_path, "kept").enrol(server, name="kept")
            full.fill(os.path.join(folder, "disk"))
            for number in range(40):
                Runtime(tmp_path, "more-%d" % number).enrol(server, name="x" * 60 + str(number))
            assert out.verdict(server.url) == ""
            assert server.cli("runtime", "revoke", "out").returncode == 0
            server.kill()
            os.unlink(os.path.join(folder, "disk", "filler"))
            server.start()
            wait_until(lambda: kept.verdict(server.url) == "")
            assert out.verdict(server.url) == "unauthorized"


def test_the_same_when_the_reserve_was_missed():
    campaign, met = full.run(SEED, 10, misses=True)
    assert campaign.wrong == [], "TACIT_SEED=%d" % SEED
    assert met >= 1
