"""The short form of ./dev torture kill: nothing that was acknowledged is lost by kills, nothing is
half there; and the campaign finds servers that do lose it."""
import os
import sys
import time

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "torture"))

import kill  # noqa: E402

ROUNDS = 40


@pytest.fixture(name="seed", scope="module")
def choose_seed():
    seed = int(os.environ.get("TACIT_SEED", time.time_ns() % 1_000_000_000))
    print("TACIT_SEED=%d" % seed)
    return seed


@pytest.fixture(name="points", scope="module")
def find_points():
    points = kill.census()
    assert {"commit: a group is written", "answer: is about to be sent"} <= set(points)
    return points


def test_nothing_acknowledged_is_lost(seed, points):
    with kill.campaign(seed, points) as campaign:
        for number in range(ROUNDS):
            assert campaign.round(number) == [], (seed, number)
        print(campaign.report())
        assert sum(campaign.kills.values()) + campaign.not_reached == ROUNDS
        # Kills came, at points, and while changes were under way.
        assert len(campaign.killed_at) > 5
        assert campaign.unknown > 10


@pytest.mark.parametrize("name", kill.PLANTED)
def test_a_server_with_a_planted_fault_is_found_wanting(name, seed, points):
    faults, _ = kill.control(name, seed, points)
    assert faults
