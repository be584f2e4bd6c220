"""A captured api process against the keeper; tests/probe/false_api.cpp plays it.

Whatever it says, the keeper gives no wrong answer, keeps its memory bounded, and either serves on
(503) or ends with its status; it never hangs.
"""
import contextlib
import os
import re
import signal
import subprocess
import threading
import time

import pytest

from harness import BUILD, PROBE, ROOT, Server, UnixConnection, exchange, is_alive, wait_until

pytestmark = pytest.mark.skipif(not os.path.exists(PROBE), reason="tacit-probe was not built")

STATUS_API_DIED = 4
ENDS_SECONDS_MAX = 60
MIB = 1 << 20

# What ends the channel, and with it the server.
OUT_OF_PLACE = """no_bytes junk too_long cut_off something_behind unknown_outcome asks_the_keeper
    drains_the_keeper ready_again fewer_than_said more_than_said absent_after_records unsorted
    same_name_twice answer_to_nothing record_too_large flood_of_small""".split()
# What is in its place, but opens nothing: delivery is refused and the server serves on.
DOES_NOT_OPEN = ["forged", "too_short_to_open"]


def false_api(name, **settings):
    return Server(binary=PROBE, environment={"PROBE_CHANNEL": name}, **settings)


def status_of_end(server, seconds=ENDS_SECONDS_MAX):
    wait_until(lambda: server.process.poll() is not None, seconds)
    return server.process.returncode


def peak_bytes(pid):
    with open("/proc/%d/status" % pid) as status:
        return int(re.search(r"VmHWM:\s+(\d+) kB", status.read()).group(1)) * 1024


@pytest.mark.parametrize("name, status", [("absent", 404), ("empty", 200)])
def test_the_control_is_believed(name, status):
    """What keeps to the rules is answered as it says, so the lies below are heard as well."""
    with false_api(name) as server:
        for _ in range(3):
            assert server.deliver("p").status == status
        assert server.stop() == 0


@pytest.mark.parametrize("name", OUT_OF_PLACE)
def test_a_message_out_of_place_ends_the_server(name):
    with false_api(name) as server:
        api = server.api_pid()
        answer = server.deliver("p")
        assert (answer.status, answer.code()) == (503, "SERVICE_UNAVAILABLE")
        assert status_of_end(server) == STATUS_API_DIED
        wait_until(lambda: not is_alive(api))


@pytest.mark.parametrize("name", DOES_NOT_OPEN)
def test_what_does_not_open_is_not_delivered(name):
    with false_api(name) as server:
        for _ in range(3):
            assert server.deliver("p").status == 503
        assert "does not open" in server.log()
        assert server.stop() == 0


def test_a_second_answer_is_not_taken():
    with false_api("answers_twice") as server:
        for _ in range(3):
            assert server.deliver("p").status == 404
        assert server.stop() == 0


@pytest.mark.skipif(not ROOT, reason="the keeper is not dumpable: only root sees its descriptors")
def test_descriptors_that_nobody_asked_for_are_dropped():
    with false_api("with_descriptors") as server:
        assert server.deliver("p").status == 404
        before = len(os.listdir("/proc/%d/fd" % server.pid))
        for _ in range(50):
            assert server.deliver("p").status == 404
        # 100 came with each answer.
        assert len(os.listdir("/proc/%d/fd" % server.pid)) < before + 10
        assert server.stop() == 0


def deliver_many(server, count):
    """The statuses of that many deliveries at once."""
    statuses = []

    def one():
        with contextlib.closing(UnixConnection(server.keeper_socket)) as connection:
            answer = exchange(connection, "GET", "/v1/projects/p/env")
            statuses.append(answer.status)
    threads = [threading.Thread(target=one) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return statuses


@pytest.mark.skipif(BUILD in ("asan", "tsan"), reason="a sanitizer has memory of its own")
@pytest.mark.parametrize("name, deliveries, mib_max", [
    ("flood_of_small", 1, 64), ("flood_of_large", 1, 320), ("flood_of_many", 20, 320),
    ("flood_of_late", 3, 32)])
def test_a_flood_stays_within_memory(name, deliveries, mib_max):
    """256 MiB of records at a time, in however many answers; and nothing for what nobody asked."""
    with false_api(name) as server:
        peak = [peak_bytes(server.pid)]
        assert peak[0] < 32 * MIB  # the control: what it is without a flood
        watching = threading.Event()

        def watch():
            with contextlib.suppress(OSError, AttributeError):
                while not watching.wait(0.02):
                    peak[0] = max(peak[0], peak_bytes(server.pid))
        watcher = threading.Thread(target=watch)
        watcher.start()
        statuses = deliver_many(server, deliveries)
        watching.set()
        watcher.join()
        print("%s: peak %d MiB" % (name, peak[0] // MIB))
        assert set(statuses) == {503}
        assert peak[0] < mib_max * MIB
        if name != "flood_of_late" and deliveries == 1:
            assert peak[0] > 8 * MIB
        server.process.send_signal(signal.SIGTERM)
        # It may have met the server on its way out.
        assert status_of_end(server) in (0, STATUS_API_DIED)


def test_an_api_that_does_not_answer_is_503_in_time():
    with false_api("silent") as server:
        began = time.monotonic()
        assert set(deliver_many(server, 5)) == {503}
        assert time.monotonic() - began < 40
        assert server.stop() == 0


def test_an_api_that_does_not_read_is_503_in_time_and_the_server_can_be_ended():
    """More asks than the socket pair holds; each would wait for room for ever."""
    with false_api("deaf") as server:
        began = time.monotonic()
        assert set(deliver_many(server, 600)) == {503}
        assert time.monotonic() - began < 50
        server.process.send_signal(signal.SIGTERM)
        assert status_of_end(server) == STATUS_API_DIED


def test_an_api_that_does_not_end_is_not_waited_for():
    with false_api("stays") as server:
        api = server.api_pid()
        assert server.deliver("p").status == 404
        server.process.send_signal(signal.SIGTERM)
        assert status_of_end(server) == STATUS_API_DIED
        assert "did not end as asked" in server.log()
        wait_until(lambda: not is_alive(api))  # the keeper's end was its end


def is_confined(pid):
    with open("/proc/%d/status" % pid) as status:
        return "Seccomp:\t2" in status.read()


def test_a_start_that_never_gets_ready_can_be_ended():
    server = false_api("never_ready")
    try:
        with open(server.log_path, "ab") as log:
            server.process = subprocess.Popen(server.command(), stdout=subprocess.PIPE, stderr=log,
                                              env=server.environment())
        wait_until(lambda: os.path.exists(server.keeper_socket))
        wait_until(lambda: server.api_pid() and is_alive(server.api_pid()))
        wait_until(lambda: is_confined(server.pid))
        server.process.send_signal(signal.SIGTERM)
        assert status_of_end(server) == 0
        assert server.process.stdout.read() == b""
    finally:
        server.__exit__()
