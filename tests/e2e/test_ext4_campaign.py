"""The short form of ./dev torture ext4: power cuts of the real program."""
import os
import sys
import time

import pytest

from harness import ROOT

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "torture"))

import ext4  # noqa: E402
import kill  # noqa: E402

ROUNDS = 20


def can_mount():
    if not ROOT:
        return False
    try:
        ext4.Disk().remove()
        return True
    except (OSError, ext4.subprocess.CalledProcessError):
        return False


pytestmark = pytest.mark.skipif(not can_mount(),
                                reason="needs root and a loop device: mounts a file system")


@pytest.fixture(name="seed", scope="module")
def choose_seed():
    seed = int(os.environ.get("TACIT_SEED", time.time_ns() % 1_000_000_000))
    print("TACIT_SEED=%d" % seed)
    return seed


@pytest.fixture(name="points", scope="module")
def find_points():
    return kill.census()


def test_nothing_acknowledged_is_lost(seed, points):
    with ext4.campaign(seed, points) as campaign:
        for number in range(ROUNDS):
            assert campaign.round(number) == [], (seed, number)
        print(campaign.report())
        assert campaign.unknown > 5  # the cuts came while changes were under way


def test_a_server_that_does_not_sync_is_found_wanting(seed, points):
    faults, _ = ext4.control(seed, points)
    assert faults
