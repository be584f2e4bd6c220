"""Clocks that are set, and a machine that slept: the short form of ./dev torture clock, and what is
told apart there. No lock-out, no way around a limit, no time that goes back."""
import contextlib
import os
import subprocess
import sys
import threading
import time

import pytest

from harness import ROOT, Server, UnixConnection, exchange, wait_until

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "torture"))

import clock  # noqa: E402
from clock import WRITES, YEAR, put, started  # noqa: E402

PERIOD = 60  # seconds, of every limit


@pytest.fixture(name="seed", scope="module")
def choose_seed():
    seed = int(os.environ.get("TACIT_SEED", time.time_ns() % 1_000_000_000))
    print("TACIT_SEED=%d" % seed)
    return seed


@pytest.mark.parametrize("limited", [True, False])
def test_a_clock_that_is_set_again_and_again(seed, limited):
    one, faults = clock.run(60, seed, limited)
    assert faults == []
    # The limit was reached, and it was started again.
    assert bool(one.refused) == limited and one.kills


@pytest.mark.parametrize("name", clock.PLANTED)
def test_a_server_with_a_planted_fault_is_found_wanting(name, seed):
    assert clock.control(name, seed)


def use_up(server):
    with contextlib.closing(server.connect()) as connection:
        for number in range(WRITES + 5):
            answer = put(server, connection, "K%d" % (number % 5))
        assert answer.status == 429
        return int(answer.headers["Retry-After"])


def granted_now(server):
    with contextlib.closing(server.connect()) as connection:
        answers = [put(server, connection, "K%d" % (number % 5)) for number in range(WRITES + 10)]
    for one in answers:
        if one.status == 429:
            assert 1 <= int(one.headers["Retry-After"]) <= PERIOD // WRITES
            assert int(one.headers["X-RateLimit-Reset"]) <= PERIOD
    return sum(one.status == 200 for one in answers)


def test_a_year_of_sleep_fills_a_bucket_once():
    with started() as (server, clocks):
        use_up(server)
        clocks.set(boot_seconds=YEAR)
        assert WRITES <= granted_now(server) <= WRITES + 5


@pytest.mark.parametrize("seconds", [1, PERIOD, 3600, YEAR])
def test_a_time_since_boot_that_went_back_locks_nobody_out(seconds):
    """As in another time namespace, or a machine restored from a picture of itself."""
    with started() as (server, clocks):
        clocks.set(boot_seconds=YEAR)
        use_up(server)
        clocks.set(boot_seconds=YEAR - seconds)
        began = time.monotonic()
        with contextlib.closing(server.connect()) as connection:
            answer = put(server, connection, "K0")
            assert answer.status in (200, 429)
            if answer.status == 429:
                assert int(answer.headers["Retry-After"]) <= PERIOD // WRITES
            # And it grows back as it always does.
            wait_until(lambda: put(server, connection, "K0").status == 200)
        assert granted_now(server) <= 1 + (time.monotonic() - began) * WRITES / PERIOD


def test_an_api_key_lives_by_the_time_of_day():
    with started() as (server, clocks):
        until = clock.as_text(time.time() + 3600) + "Z"
        brief = server.make_key(expiresAt=until)

        def status():
            return server.call("GET", "/projects/p/secrets", key=brief).status
        assert status() == 200
        clocks.set(day_seconds=YEAR)
        assert status() == 401
        assert server.call("GET", "/projects/p/secrets", key=server.key).status == 200
        clocks.set(day_seconds=-YEAR)
        assert status() == 200


def test_what_waits_is_not_woken_and_not_forgotten():
    """Connections that are kept, and a request that is held for a change."""
    with started() as (server, clocks):
        with contextlib.closing(server.connect()) as kept, \
                contextlib.closing(UnixConnection(server.keeper_socket)) as keeper:
            assert put(server, kept, "A").status == 200
            revision = server.deliver("p").headers["ETag"]
            answers = []
            held = threading.Thread(target=lambda: answers.append(exchange(
                keeper, "GET", "/v1/projects/p/env?wait=300", None, {"If-None-Match": revision})))
            held.start()
            for day in (YEAR, -YEAR):
                clocks.set(day_seconds=day)
                # Two ticks of the timer that walks the connections, which must do nothing.
                time.sleep(2.1)
                assert answers == []
            assert put(server, kept, "A", "another value").status == 200
            held.join(60)
            assert answers[0].status == 200
            assert answers[0].data()["env"] == {"A": "another value"}


class Elsewhere(Server):
    """In a time namespace of its own: the kernel's own word for the time since boot."""
    boot_seconds = 0

    def command(self):
        return ["unshare", "--time", "--boottime", str(self.boot_seconds)] + super().command()


def test_in_another_time_namespace_nobody_is_locked_out():
    probe = ["unshare", "--time", "--boottime", "1000000", "cat", "/proc/uptime"]
    told = subprocess.run(probe, capture_output=True, text=True, check=False)
    if not ROOT or told.returncode != 0 or float(told.stdout.split()[0]) < 1000000:
        pytest.skip("needs root, time namespaces, and Linux 6.3 to enter one by exec")
    with Elsewhere(limits_writes_per_minute=WRITES) as server:
        server.make_project("p")
        server.key = server.make_key()
        server.boot_seconds = YEAR
        server.restart()
        use_up(server)
        server.boot_seconds = 0
        server.restart()
        with contextlib.closing(server.connect()) as connection:
            wait_until(lambda: put(server, connection, "K0").status == 200)
        assert granted_now(server) < WRITES
