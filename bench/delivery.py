#!/usr/bin/env python3
"""Delivery and `tacit run` under load: how long a delivery takes, many at the same time, what they
do to the API meanwhile, and how soon a thousand waiting `run`s hear of a change.

Prints each figure beside the limit that the project has set itself, but fails on nothing but a
wrong answer: a machine may be busy. `./dev bench delivery`; --peers N for other than 1,000,
--runs-only for what concerns `run`.
"""
import argparse
import contextlib
import json
import os
import re
import select
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "tests", "e2e"))
os.environ.setdefault("TACIT_BIN", os.path.join(ROOT, "build", "release", "tacit"))
from harness import TACIT, Server, clean_environment, wait_until  # noqa: E402

BENCH = os.path.join(ROOT, "build", "release", "tacit-bench")
WOKEN = os.path.join(ROOT, "build", "release", "tacit-woken")
VALUES = 25


def say(what, figure, limit=""):
    print("%-66s %-16s %s" % (what, figure, limit and "at most " + limit), flush=True)


def share(times, part):
    return sorted(times)[min(len(times) - 1, int(len(times) * part))]


def milliseconds(seconds):
    return "%.2f ms" % (seconds * 1000)


def head_of(project, *fields):
    return ("GET /v1/projects/%s HTTP/1.1\r\nHost: x\r\n%s\r\n"
            % (project, "".join("%s: %s\r\n" % one for one in fields))).encode()


def connect(server):
    one = socket.socket(socket.AF_UNIX)
    one.connect(server.keeper_socket)
    return one


def read_answer(one):
    held = b""
    while b"\r\n\r\n" not in held:
        got = one.recv(65536)
        assert got, "closed without an answer: %r" % held
        held += got
    head, body = held.split(b"\r\n\r\n", 1)
    size = re.search(rb"Content-Length: (\d+)", head)
    while size and len(body) < int(size.group(1)):
        got = one.recv(65536)
        assert got, "cut off"
        body += got
    return int(head.split()[1]), body


def check(answer, project, values):
    status, body = answer
    assert status == 200, (status, body)
    data = json.loads(body)["data"]
    assert data["project"] == project and data["env"] == values, "a wrong delivery"


def fill(server, project):
    server.make_project(project)
    values = {"KEY_%02d" % i: "%s value %d " % (project, i) + "x" * 30 for i in range(VALUES)}
    for name, value in values.items():
        server.put(project, name, value)
    return values


def one_after_the_other(server, values, count=500):
    fresh, kept = [], []
    with contextlib.closing(connect(server)) as stays:
        for _ in range(count):
            began = time.perf_counter()
            with contextlib.closing(connect(server)) as one:
                one.sendall(head_of("p/env"))
                check(read_answer(one), "p", values)
            fresh.append(time.perf_counter() - began)
            began = time.perf_counter()
            stays.sendall(head_of("p/env"))
            check(read_answer(stays), "p", values)
            kept.append(time.perf_counter() - began)
    for name, times in (("a connection each", fresh), ("one connection", kept)):
        say("delivery of %d values, %s: median, p99" % (VALUES, name),
            "%s, %s" % (milliseconds(share(times, .5)), milliseconds(share(times, .99))), "5 ms")


def all_at_once(server, projects, peers):
    """Each peer asks, then all are read: seconds until the last one was right."""
    names = list(projects)
    ones = [(connect(server), names[i % len(names)]) for i in range(peers)]
    began = time.perf_counter()
    for one, name in ones:
        one.sendall(head_of(name + "/env"))
    for one, name in ones:
        check(read_answer(one), name, projects[name])
    took = time.perf_counter() - began
    for one, _ in ones:
        one.close()
    return took


def api_latency(server, seconds, meanwhile=None):
    """p99 of lists at a steady rate, in nanoseconds, and what was done meanwhile."""
    with tempfile.NamedTemporaryFile() as report:
        bench = subprocess.Popen(
            [BENCH, "mixed", "--url", server.url, "--rate", "2000", "--connections", "16",
             "--duration", str(seconds), "--warm-up", "1", "--json", report.name],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            env=clean_environment(TACIT_TOKEN=server.admin_key))
        done = 0
        while meanwhile is not None and bench.poll() is None:
            meanwhile()
            done += 1
        _, error = bench.communicate()
        assert bench.returncode == 0, error
        with open(report.name) as file:
            return find(json.load(file), "p99"), done


def find(tree, name):
    """The first member of that name."""
    if isinstance(tree, dict):
        if name in tree and not isinstance(tree[name], (dict, list)):
            return tree[name]
        tree = list(tree.values())
    for one in tree if isinstance(tree, list) else []:
        found = find(one, name)
        if found is not None:
            return found
    return None


def cpu_ticks(pid):
    with open("/proc/%d/stat" % pid) as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def resident(pid, name="Pss"):
    with open("/proc/%d/smaps_rollup" % pid) as rollup:
        return next(int(line.split()[1]) for line in rollup if line.startswith(name + ":"))


def deliveries_noted(server):
    return server.log().count('"event":"delivery","project":"p"')


def read_moments(out, count, seconds=120):
    """What so many commands wrote: 8 bytes each, never torn."""
    held = b""
    end = time.monotonic() + seconds
    while len(held) < 8 * count:
        ready, _, _ = select.select([out], [], [], max(0, end - time.monotonic()))
        assert ready, "%d of %d" % (len(held) // 8, count)
        held += os.read(out, 65536)
    return struct.unpack("=%dQ" % count, held)


def waiting_runs(server, count, debounce):
    """Each run tells its command of the change with SIGUSR1; the command writes when it came."""
    before = resident(server.pid, "Rss")
    out, commands_end = os.pipe()
    runs = [subprocess.Popen([TACIT, "run", "--project", "p", "--on-change", "signal:USR1",
                              "--debounce", "%dms" % (debounce * 1000), "--", WOKEN],
                             stdout=commands_end, env=clean_environment(TACIT_DATA_DIR=server.data))
            for _ in range(count)]
    os.close(commands_end)
    try:
        assert set(read_moments(out, count)) == {0}
        # Each has asked twice: for the set, and to be told. The second is not answered yet.
        wait_until(lambda: held_connections(server) >= count, 120)
        time.sleep(1)
        say("memory of the keeper for each waiting run",
            "%.1f KB" % ((resident(server.pid, "Rss") - before) / count))
        say("memory of a waiting run (proportional), median",
            "%.1f MB" % (statistics.median(resident(one.pid) for one in runs[:20]) / 1024))
        ticks = cpu_ticks(server.pid)
        time.sleep(2)
        say("CPU of the keeper while %d wait" % count,
            "%.1f %%" % ((cpu_ticks(server.pid) - ticks) / 2))
        lasts = [one_change(server, out, count, debounce) for _ in range(3)]
        say("  the last, median of 3 changes", milliseconds(statistics.median(lasts)), "100 ms")
    finally:
        for one in runs:
            one.terminate()
        for one in runs:
            one.wait()
        os.close(out)


def one_change(server, out, count, debounce):
    """Beyond the debounce, from the answer to the write: the last command's, in seconds."""
    answers = deliveries_noted(server)
    server.put("p", "KEY_00", "changed at %d" % time.monotonic_ns())
    began = time.monotonic()
    times = [moment / 1e9 - began - debounce for moment in read_moments(out, count)]
    assert min(times) > -0.05, "a signal before its time"
    wait_until(lambda: held_connections(server) >= count)
    woken = deliveries_noted(server) - answers
    say("%d runs: change to signal, beyond the debounce: first, median, p99" % count,
        ", ".join(milliseconds(one) for one in (min(times), share(times, .5), share(times, .99))))
    say("answers of the keeper for that change, for each run", "%.3f" % (woken / count), "1")
    assert woken <= count, woken
    return max(times)


def held_connections(server):
    """Connections that the keeper has accepted."""
    descriptors = os.listdir("/proc/%d/fd" % server.pid)
    return len(descriptors) - held_connections.idle


def deliveries(server, peers):
    values = fill(server, "p")
    others = {"p%d" % i: fill(server, "p%d" % i) for i in range(20)}
    one_after_the_other(server, values)
    took = [all_at_once(server, {"p": values}, peers) for _ in range(5)]
    say("%d deliveries at the same time, one project, none wrong" % peers,
        milliseconds(statistics.median(took)))
    took = [all_at_once(server, others, peers) for _ in range(5)]
    say("the same of %d projects" % len(others), milliseconds(statistics.median(took)))
    alone = [api_latency(server, 4)[0] for _ in range(3)]

    def storm():
        all_at_once(server, others, peers)
        time.sleep(1)
    during = [api_latency(server, 4, storm) for _ in range(3)]
    quiet, busy = statistics.median(alone), statistics.median(one for one, _ in during)
    say("p99 of the API at 2,000/s, alone", milliseconds(quiet / 1e9))
    say("  with %d deliveries at once each second" % peers, milliseconds(busy / 1e9))
    say("  ratio", "%.2f" % (busy / quiet), "2")


def main():
    parse = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parse.add_argument("--peers", type=int, default=1000)
    parse.add_argument("--debounce", type=float, default=2)
    parse.add_argument("--runs-only", action="store_true")
    given = parse.parse_args()
    with Server(binary=TACIT) as server:
        held_connections.idle = len(os.listdir("/proc/%d/fd" % server.pid))
        server.admin_key = server.make_key()
        if given.runs_only:
            fill(server, "p")
        else:
            deliveries(server, given.peers)
        waiting_runs(server, given.peers, given.debounce)


if __name__ == "__main__":
    main()
