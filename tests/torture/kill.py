#!/usr/bin/env python3
"""The server killed, at random moments and at named points, and reopened: what it acknowledged is
there, nothing is half there, counters equal rows, caps hold (checks.py).

  ./dev torture kill [--kills N] [--seed N] [--round N]

A round is one kill under writes of 8 clients (writers.py), drawn by seed and number:
  signal   kill -9 of the api process, the keeper or both, after a number of acknowledged changes
  start    kill -9 at a moment of the next start
  drain    kill -9 at a moment of a regular end, while memory is written out
  point    the process ends at the n-th passing of one of RocksDB's SyncPoints and KillPoints or of
           the commit thread's (tests/probe/points.cpp), from the start or from the first change on
Points are those that a first run has passed: a third of the rounds take one on a change's way from
the decision to the answer, and one in twelve "*", whatever comes n-th.
A fault ends the run with 1 and names seed and round; --round begins with that one, though threads
and kernel take the moments as they like.

Before, the controls: servers with a fault planted must be found wanting.
"""
import collections
import contextlib
import json
import os
import random
import signal
import sys
import time

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
sys.path[:0] = [os.path.join(ROOT, "tests", "e2e"), os.path.join(ROOT, "tests", "torture")]
os.environ.setdefault("TACIT_BIN", os.path.join(ROOT, "build", "release", "tacit"))
os.environ.setdefault("TACIT_PROBE_BIN", os.path.join(ROOT, "build", "release", "tacit-probe"))

import writers  # noqa: E402
from checks import Ledger, check  # noqa: E402
from harness import PROBE, TACIT, Server, is_alive, wait_until  # noqa: E402
from verdict import first_faults, must_be_right, must_find, parser_of  # noqa: E402

WRITERS = 8
# Of a change, from the decision to the answer.
COMMIT = ["commit: a change is decided", "commit: all of a group are decided",
          "DBImpl::WriteImpl:BeforeLeaderEnters", "DBImpl::WriteToWAL:log_entry",
          "WritableFileWriter::SyncInternal:0", "MemTable::Add:Encoded",
          "WriteThread::ExitAsBatchGroupLeader:Start", "commit: a group is written",
          "answer: is about to be sent", "answer: was sent"]
PLANTED = ["early_answer", "halves", "counter", "cap"]
CONTROL_ROUNDS = 150
KINDS = ["signal"] * 3 + ["start"] + ["drain"] + ["point"] * 7


def planted(name):
    return os.path.join(os.path.dirname(os.path.abspath(PROBE)), "tacit-planted-" + name)


def census():
    """How often a run passes each point: (until its first change and in its end, in between)."""
    told = []
    for changes in (0, 300):
        with Server(binary=PROBE, environment={"PROBE_POINT": "census"}) as server:
            ledger = Ledger()
            writers.prepare(server, ledger, WRITERS)
            if changes:
                server.key = server.make_key()
                busy, _ = writers.start(server, ledger, WRITERS, 0, changes)
                assert writers.end(busy) == []
            server.stop()
            line = next(one for one in server.log().splitlines() if one.startswith('{"points"'))
            told.append(json.loads(line)["points"])
    idle, busy = told
    return {name: (idle.get(name, 0), max(1, times - idle.get(name, 0)))
            for name, times in busy.items()}


class Plan:
    """What a round does."""

    def __init__(self, seed, number, points, kinds):
        draw = random.Random("%d/%d" % (seed, number))
        self.number = number
        self.seed = "%d/%d" % (seed, number)
        self.kind = draw.choice(kinds)
        self.big = draw.random() < 0.04
        self.changes = draw.choice([5, 40, 150, 400]) if not self.big else 1500
        self.changes = draw.randint(1, self.changes)
        self.whom = draw.choice(["api", "keeper", "both"])
        self.seconds = draw.uniform(0, 0.12)
        self.environment = {}
        self.point = None
        if self.kind == "point":
            self.choose_point(draw, points)

    def choose_point(self, draw, points):
        from_all = draw.choice([sorted(points)] * 7 + [COMMIT] * 4 + [["*"]])
        name = draw.choice(from_all)
        before, between = points.get(name, (1500, 3000))
        if before and draw.random() < 0.4:
            passing = "%d" % draw.randint(1, before)
        else:
            passing = "+%d" % draw.randint(1, draw.choice([3, between]))
        self.point = "%s, passing %s" % (name, passing)
        self.environment = {"PROBE_POINT": name, "PROBE_PASS": passing}

    def __str__(self):
        what = {"point": self.point, "signal": self.whom}.get(self.kind, "%.3f s" % self.seconds)
        return "round %d: %s (%s), %d changes%s" % (self.number, self.kind, what, self.changes,
                                                    " of 16 KB" if self.big else "")


class Campaign:
    def __init__(self, server, seed, points, kinds=KINDS, tacit=TACIT, probe=PROBE):
        self.server, self.seed, self.points, self.kinds = server, seed, points, kinds
        self.tacit, self.probe = tacit, probe
        self.ledger = Ledger()
        self.kills = collections.Counter()
        self.killed_at = collections.Counter()
        self.unknown = 0
        self.not_reached = 0

    def prepare(self):
        self.server.binary = self.tacit
        self.server.start()
        writers.prepare(self.server, self.ledger, WRITERS)
        self.server.key = self.server.make_key()
        self.server.stop()

    def round(self, number):
        """What is wrong after it, in words."""
        plan = Plan(self.seed, number, self.points, self.kinds)
        server = self.server
        server.binary = self.probe if plan.kind == "point" else self.tacit
        server.more_environment = plan.environment
        faults = []
        if plan.kind == "start":
            self.kill_at_start(plan)
        elif self.is_up():
            busy, goal = writers.start(server, self.ledger, WRITERS, plan.seed, plan.changes,
                                       plan.big)
            goal.over.wait(60)
            self.kill(plan)
            faults = ["%s: %s" % (plan, fault) for fault in writers.end(busy)]
        self.count(plan)
        server.binary, server.more_environment = self.tacit, {}
        if not self.is_up():
            return faults + ["%s: it does not open again: %s" % (plan, server.log()[-300:])]
        self.unknown += sum(len(slot.pending) for slots in self.ledger.secrets.values()
                            for slot in slots.values())
        faults += ["%s: %s" % (plan, fault) for fault in check(server, self.ledger)]
        self.end(signal.SIGKILL)
        return faults

    def is_up(self):
        """Starts it. A point may end it before it serves."""
        try:
            self.server.start()
        except RuntimeError:
            self.end(None)
            return False
        return True

    def kill_at_start(self, plan):
        self.server.spawn()
        time.sleep(plan.seconds)
        self.end(signal.SIGKILL)

    def kill(self, plan):
        if plan.kind == "signal" and plan.whom == "api":
            with contextlib.suppress(IndexError, OSError):
                os.kill(self.server.api_pid(), signal.SIGKILL)
                self.end(None)
                return
        if plan.kind == "signal" and plan.whom == "both":
            with contextlib.suppress(IndexError, OSError):
                os.kill(self.server.api_pid(), signal.SIGKILL)
        if plan.kind == "drain":
            self.server.process.send_signal(signal.SIGTERM)
            time.sleep(plan.seconds)
        # Points behind the last change are passed in a drain.
        self.end(signal.SIGTERM if plan.kind == "point" else signal.SIGKILL)

    def end(self, how):
        """How every round's server goes: by this signal or, without one, by itself. Returns when
        both processes are gone."""
        server = self.server
        apis = []
        with contextlib.suppress(IndexError, OSError):
            apis = [server.api_pid()]
        if how is not None and server.process.poll() is None:
            server.process.send_signal(how)
        server.process.wait(60)
        server.process.stdout.close()
        wait_until(lambda: not any(is_alive(pid) for pid in apis))

    def count(self, plan):
        if plan.kind != "point":
            self.kills[plan.kind] += 1
            return
        lines = [line for line in self.server.log().splitlines() if line.startswith('{"killed_at"')]
        new = len(lines) - sum(self.killed_at.values())
        for line in lines[len(lines) - new:]:
            self.killed_at[json.loads(line)["killed_at"]] += 1
        self.kills["point"] += new > 0
        self.not_reached += new == 0

    def report(self):
        kinds = ", ".join("%d %s" % (times, kind) for kind, times in sorted(self.kills.items()))
        return ("%d kills (%s) at %d different points, %d rounds did not reach theirs; %d changes "
                "acknowledged, %d of unknown outcome" % (
                    sum(self.kills.values()), kinds, len(self.killed_at), self.not_reached,
                    self.ledger.acknowledged, self.unknown))


@contextlib.contextmanager
def campaign(seed, points, **more):
    server = Server()
    try:
        one = Campaign(server, seed, points, **more)
        one.prepare()
        yield one
    finally:
        server.__exit__()


def control(name, seed, points):
    """The faults that were found in a server with a fault planted, and after how many rounds."""
    commit = {point: points[point] for point in COMMIT if point in points}
    with campaign(seed, commit, kinds=["point"], tacit=planted(name), probe=planted(name)) as one:
        return first_faults(CONTROL_ROUNDS, one.round)


def main():
    parser = parser_of("kill", kills=2000, round=0)
    parser.add_argument("--no-controls", action="store_true")
    asked = parser.parse_args()
    points = census()
    print("seed %d, %d points" % (asked.seed, len(points)), flush=True)
    for name in () if asked.no_controls else PLANTED:
        faults, rounds = control(name, asked.seed, points)
        must_find(name, faults, " in round %d" % rounds)
    with campaign(asked.seed, points) as one:
        number = asked.round
        while sum(one.kills.values()) < asked.kills:
            must_be_right(one.round(number), "seed %d" % asked.seed)
            number += 1
            if number % 100 == 0:
                print(one.report(), flush=True)
        print(one.report())


if __name__ == "__main__":
    main()
