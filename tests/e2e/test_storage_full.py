"""The short form of ./dev torture full: a tmpfs that fills up and is emptied."""
import os
import random
import sys

import pytest

from harness import ROOT

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "torture"))

import full  # noqa: E402

pytestmark = pytest.mark.skipif(not ROOT, reason="needs root: it mounts a tmpfs")

SEED = int(os.environ.get("TACIT_SEED", random.randrange(1 << 32)))


def test_a_full_disk_refuses_writes_and_nothing_else_and_they_go_on_by_themselves():
    campaign, met = full.run(SEED, 25)
    assert campaign.wrong == [], "TACIT_SEED=%d" % SEED
    assert campaign.full >= 5 and campaign.roomy >= 3 and met == 0
    assert campaign.ledger.acknowledged >= 10 and campaign.ledger.unknown >= 20


def test_the_same_when_the_reserve_was_missed():
    campaign, met = full.run(SEED, 10, misses=True)
    assert campaign.wrong == [], "TACIT_SEED=%d" % SEED
    assert met >= 1
