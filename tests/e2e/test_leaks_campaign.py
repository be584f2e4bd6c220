"""The short form of ./dev torture leaks: one round, and each process crashing in the middle."""
import os
import signal
import sys
import time

import pytest

from harness import BUILD, ROOT, TACIT, Server
from test_tls import make_pki, tls_server  # noqa: F401

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "torture"))

import leaks  # noqa: E402

pytestmark = [
    pytest.mark.skipif(not ROOT, reason="needs root: reads the memory of other processes"),
    pytest.mark.skipif(BUILD in ("asan", "tsan"),
                       reason="a sanitizer keeps copies and freed memory of its own"),
]


@pytest.fixture(autouse=True)
def choose_seed():
    seed = int(os.environ.get("TACIT_SEED", time.time_ns() % 1_000_000_000))
    print("TACIT_SEED=%d" % seed)
    leaks.RANDOM.seed(seed)


def test_one_round_leaves_no_value_anywhere():
    with Server(log_level="debug", limits_failed_auth_per_minute=0, threads=2) as server:
        campaign = leaks.started(server)
        campaign.run(1)
        assert campaign.faults() == {}
        assert all(campaign.searched.values()) and len(campaign.controls) > 10


def test_what_goes_over_tls_leaves_none_either(pki):
    with tls_server(pki, log_level="debug", threads=2) as server:
        campaign = leaks.started(server, pki.certificate)
        campaign.values_over_http()
        campaign.another_machine(0)
        campaign.look_at_everything()
        assert campaign.faults() == {}


def test_a_value_in_an_answer_a_log_a_file_would_be_found():
    """The control of the search itself, in each spelling."""
    with Server() as server:
        campaign = leaks.started(server)
        canary = campaign.canary("planted")
        for place in ("answers", "log", "files", "proc"):
            for needle in canary.needles:
                campaign.hits.clear()
                campaign.look(place, b"x" + needle + b"x")
                assert campaign.faults() == {"planted": {place: 1}}


@pytest.mark.parametrize("how", [signal.SIGSEGV, signal.SIGABRT])
@pytest.mark.parametrize("which", ["api", "keeper"])
def test_a_crash_in_the_middle_of_a_value_leaves_none(which, how):
    hits, left = leaks.crash(TACIT, which, how)
    print("the control leaves", left)
    assert hits == []
