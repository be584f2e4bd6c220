#!/usr/bin/env python3
"""Memory of both processes when idle, and the time from the start to the first 200.

A fresh folder and a free port each time; medians of several starts. Prints the limits that the
project has set itself beside the figures, but fails on nothing: a machine may be busy.
"""
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

TACIT = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))),
                     "build", "release", "tacit")
STARTS = 15


def resident_kilobytes(pid):
    with open("/proc/%d/smaps_rollup" % pid) as rollup:
        return next(int(line.split()[1]) for line in rollup if line.startswith("Rss:"))


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def first_answer(port, deadline):
    """Asks /readyz until it is answered 200."""
    while time.monotonic() < deadline:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
                connection.sendall(b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n")
                if connection.recv(64).startswith(b"HTTP/1.1 200"):
                    return time.monotonic()
        except OSError:
            time.sleep(0.0005)
    raise SystemExit("bench: the server did not answer")


def start_once(data, measure_memory):
    port = free_port()
    environment = {k: v for k, v in os.environ.items() if not k.startswith("TACIT_")}
    began = time.monotonic()
    server = subprocess.Popen([TACIT, "serve", "--data", data, "--listen", "127.0.0.1:%d" % port],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                              env=environment)
    try:
        milliseconds = (first_answer(port, began + 30) - began) * 1000
        memory = None
        if measure_memory:
            time.sleep(1)  # idle: let the start's own work settle
            with open("/proc/%d/task/%d/children" % (server.pid, server.pid)) as children:
                api = int(children.read().split()[0])
            memory = resident_kilobytes(server.pid), resident_kilobytes(api)
        return milliseconds, memory
    finally:
        server.terminate()
        server.wait()


def main():
    folder = tempfile.mkdtemp(prefix="tacit-bench-")
    os.chmod(folder, 0o755)
    try:
        fresh, again, memory = [], [], None
        for i in range(STARTS):
            data = os.path.join(folder, str(i))
            milliseconds, memory = start_once(data, measure_memory=i == STARTS - 1)
            fresh.append(milliseconds)
            again.append(start_once(data, measure_memory=False)[0])
        keeper, api = memory
        print("resident when idle   keeper %.1f MB + api %.1f MB = %.1f MB   (limit 30 MB)"
              % (keeper / 1024, api / 1024, (keeper + api) / 1024))
        print("first 200, new store        median %.1f ms   max %.1f ms   (limit 200 ms)"
              % (statistics.median(fresh), max(fresh)))
        print("first 200, existing store   median %.1f ms   max %.1f ms   (limit 200 ms)"
              % (statistics.median(again), max(again)))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
