"""Rows about what tacit takes when it does little: `tacit run`, memory, time to start."""
import os
import statistics
import subprocess
import time

from peers.others import exchange
from peers.rows import Row, at_most
from peers.system import (TACIT, connect, free_port, note, raise_descriptor_limit,
                          resident_kilobytes)
from peers.tacit import PROJECT, Tacit

RUNS = 50
STARTS = 15
CONNECTIONS = 10_000


def milliseconds_of(command):
    began = time.perf_counter()
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return (time.perf_counter() - began) * 1000


def run_rows(_):
    with Tacit(projects=1) as server:
        through = [TACIT, "run", "--data", server.data, "--project", PROJECT % 0, "--", "true"]
        took = {"tacit run": [], "true": []}
        for _ in range(RUNS):
            took["tacit run"].append(milliseconds_of(through))
            took["true"].append(milliseconds_of(["true"]))
    with_tacit, alone = (statistics.median(times) for times in took.values())
    return [at_most("`tacit run -- true` over plain `true`", with_tacit - alone, 10,
                    "medians of %d: %.2f ms, %.2f ms" % (RUNS, with_tacit, alone), "%.1f", " ms")]


def resident(server):
    return sum(resident_kilobytes(pid) for pid in server.serving_pids())


class Empty(Tacit):
    """No project, no API key."""

    def prepare(self):
        pass


def open_connections(server, count):
    """Keep-alive connections that have had one answer each."""
    request = "".join(["GET %s HTTP/1.1\r\nHost: x\r\n" % server.list_url()[len(server.url):]]
                      + ["%s: %s\r\n" % pair for pair in server.headers().items()]) + "\r\n"
    length = len(exchange(server.list_url(), server.headers())[2])
    opened = []
    for _ in range(count):
        connection = connect(server.port, server.tls)
        connection.sendall(request.encode())
        got = b""
        while b"\r\n\r\n" not in got or len(got.split(b"\r\n\r\n", 1)[1]) < length:
            more = connection.recv(65536)
            if not more:
                raise SystemExit("bench: tacit closed connection %d" % len(opened))
            got += more
        opened.append(connection)
    return opened


def memory_rows(_):
    raise_descriptor_limit(CONNECTIONS + 4000)
    with Empty() as server:
        time.sleep(1)
        parts = [resident_kilobytes(pid) for pid in server.serving_pids()]
    settings = {"TACIT_LIMITS_CONNECTIONS": "12000", "TACIT_LIMITS_IDLE_SECONDS": "3600"}
    with Tacit(projects=1, settings=settings) as server:
        first = open_connections(server, 64)  # so that what all share is there already
        time.sleep(1)
        before = resident(server)
        note("  memory: opening %d connections" % CONNECTIONS)
        opened = open_connections(server, CONNECTIONS)
        time.sleep(1)
        grown = resident(server) - before
        for connection in first + opened:
            connection.close()
    return [
        at_most("resident memory of both processes, empty store, idle", sum(parts) / 1024, 25,
                "keeper %.1f MB, api %.1f MB" % tuple(part / 1024 for part in parts),
                "%.1f", " MB"),
        at_most("the same for each of %d open keep-alive connections" % CONNECTIONS,
                grown / CONNECTIONS, 4, "each has had one list; %.1f MB more" % (grown / 1024),
                "%.2f", " KB"),
    ]


def milliseconds_to_answer(server):
    """Starts it in its folder and asks /readyz until it is answered 200, then stops it cleanly."""
    server.port = free_port()
    began = time.monotonic()
    server.process = subprocess.Popen(server.command(), stdout=subprocess.DEVNULL,
                                      stderr=subprocess.DEVNULL, env=server.environment())
    try:
        while time.monotonic() < began + 60:
            if server.is_ready():
                return (time.monotonic() - began) * 1000
            time.sleep(0.0005)
        raise SystemExit("bench: tacit did not answer")
    finally:
        server.stop()


def start_rows(_):
    with Empty() as server:
        server.stop()
        again = [milliseconds_to_answer(server) for _ in range(STARTS)]
    new = []
    for _ in range(5):
        with Empty() as server:
            server.stop()
            for folder, _, names in os.walk(server.store, topdown=False):
                for name in names:
                    os.unlink(os.path.join(folder, name))
            for name in ("root.key", "runtimes"):
                os.unlink(os.path.join(server.data, name))
            new.append(milliseconds_to_answer(server))
    return [
        at_most("start to first 200, empty store, after a clean stop", statistics.median(again),
                50, "median of %d, slowest %.1f ms" % (STARTS, max(again)), "%.1f", " ms"),
        Row("start to first 200, no store yet", "%.1f ms" % statistics.median(new),
            "for information", None, "median of %d" % len(new)),
    ]
