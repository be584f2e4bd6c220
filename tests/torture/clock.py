#!/usr/bin/env python3
"""A server whose clock is set by up to a year, forward and back, as often as one likes.

  ./dev torture clock [--jumps N] [--seed N]

The server is tacit-probe, which is tacit but for where it reads its clocks
(tests/probe/clocks.cpp). After each jump of the time of day, drawn by the seed, and sometimes a
kill: updatedAt has not gone back, createdAt is what it was, the Date of answers is the new time
(the control: the clock was set), the limits are neither used up nor given anew. Half of the jumps
come without a limit of writes, so that there are more of them. Before, the controls: servers with a
fault planted in their clocks must be found wanting.
"""
import calendar
import contextlib
import os
import random
import signal
import struct
import tempfile
import time

import kill
from harness import PROBE, Server, exchange
from verdict import must_be_right, must_find, parser_of

SECOND = 1_000_000_000
YEAR = 366 * 86400
WRITES = 30  # a minute: one more every two seconds
PLANTED = ["backwards", "limiter_by_day"]


class Clocks:
    """The file that tells the server what to add to its clocks."""

    def __init__(self, folder):
        self.path = os.path.join(folder, "clocks")
        self.set()

    def set(self, day_seconds=0, boot_seconds=0, boot_is_day=False):
        self.day_seconds = day_seconds
        told = struct.pack("<qqq", day_seconds * SECOND, boot_seconds * SECOND, boot_is_day)
        with open(self.path, "wb" if not os.path.exists(self.path) else "r+b") as file:
            file.write(told)


@contextlib.contextmanager
def started(binary=PROBE, **settings):
    """(server, its clocks); a project "p" and the owner's key to it."""
    with tempfile.TemporaryDirectory(prefix="tacit-clock-") as folder:
        os.chmod(folder, 0o755)
        clocks = Clocks(folder)
        settings = {"limits_reads_per_minute": 120, "limits_writes_per_minute": WRITES, **settings}
        with Server(binary=binary, environment={"PROBE_CLOCK": clocks.path}, **settings) as server:
            server.make_project("p")
            server.key = server.make_key()
            yield server, clocks


def put(server, connection, name, value="value"):
    return exchange(connection, "POST", "/api/v1/projects/p/secrets",
                    {"key": name, "value": value}, {"Authorization": "Bearer " + server.key})


def date_of(answer):
    return calendar.timegm(time.strptime(answer.headers["Date"], "%a, %d %b %Y %H:%M:%S GMT"))


def as_text(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


class Budget:
    """What the write limit may grant: WRITES at once, and what has grown back since."""

    def __init__(self, limited):
        self.limited = limited
        self.began = time.monotonic()
        self.granted = 0

    def fault(self, answer):
        grown = (time.monotonic() - self.began) * WRITES / 60
        if answer.status == 200:
            self.granted += 1
            if self.limited and self.granted > WRITES + grown + 1:
                return "the limiter granted %d writes in %.1f s" % (
                    self.granted, time.monotonic() - self.began)
        elif answer.status != 429:
            return "%d for a write" % answer.status
        elif int(answer.headers["Retry-After"]) > 60 // WRITES:
            return "locked out for %s s" % answer.headers["Retry-After"]
        elif self.granted < WRITES or not self.limited:
            return "refused after %d writes" % self.granted
        return None


class Campaign:
    def __init__(self, server, clocks, seed, limited, boot_is_day):
        self.server, self.clocks, self.boot_is_day = server, clocks, boot_is_day
        self.draw = random.Random(seed)
        self.rows = {}
        self.budget = Budget(limited)
        self.refused = self.kills = 0

    def jump(self):
        """What is wrong after one, in words."""
        size = self.draw.choice([1, 60, 3600, 86400, 30 * 86400, YEAR])
        offset = self.draw.choice([-1, 1]) * self.draw.randint(1, size)
        if self.draw.random() < 0.3:
            offset = 0
        self.clocks.set(offset, boot_is_day=self.boot_is_day)
        if self.draw.random() < 0.1 or self.kills == 0:  # once at least
            self.server.restart(signal.SIGKILL)
            self.kills += 1
        return ["set by %+d s: %s" % (offset, fault) for fault in self.look()]

    def look(self):
        before = int(time.time()) + self.clocks.day_seconds
        with contextlib.closing(self.server.connect()) as connection:
            for _ in range(self.draw.randint(1, 6)):
                name = "K%d" % self.draw.randrange(10)
                answer = put(self.server, connection, name)
                if (fault := self.budget.fault(answer)) is not None:
                    yield fault
                if not before - 1 <= date_of(answer) <= before + 60:
                    yield "Date is %s at %s" % (answer.headers["Date"], as_text(before))
                if answer.status == 200:
                    yield from self.times(name, answer.data()["secret"])
                else:
                    self.refused += 1
        listed = self.server.owner("GET", "/projects/p/secrets").data()["secrets"]
        if {row["key"]: row for row in listed} != self.rows:
            yield "listed are %s, answered was %s" % (listed, self.rows)

    def times(self, name, row):
        known = self.rows.get(name)
        self.rows[name] = row
        now = as_text(time.time() + self.clocks.day_seconds - 1)
        if known is None:
            if row["createdAt"] != row["updatedAt"]:
                yield "made at %s, changed at %s" % (row["createdAt"], row["updatedAt"])
        elif row["createdAt"] != known["createdAt"] or row["updatedAt"] < known["updatedAt"]:
            yield "went back in time: %s, then %s" % (known, row)
        if row["updatedAt"] < now:
            yield "changed at %s, says %s" % (now, row["updatedAt"])


def run(jumps, seed, limited, binary=PROBE, boot_is_day=False):
    """(the campaign, what was wrong; it ends there)"""
    more = {} if limited else {"limits_writes_per_minute": 0}
    with started(binary, **more) as (server, clocks):
        one = Campaign(server, clocks, seed, limited, boot_is_day)
        for _ in range(jumps):
            faults = one.jump()
            if faults:
                return one, faults
        return one, []


def control(name, seed):
    if name == "limiter_by_day":
        return run(60, seed, True, boot_is_day=True)[1]
    return run(60, seed, False, binary=kill.planted(name))[1]


def main():
    asked = parser_of("clock", jumps=1000).parse_args()
    print("seed %d" % asked.seed, flush=True)
    for name in PLANTED:
        must_find(name, control(name, asked.seed))
    for limited in (True, False):
        one, faults = run(asked.jumps // 2, asked.seed, limited)
        must_be_right(faults, "seed %d" % asked.seed)
        print("%s: %d jumps and %d kills in %.0f s, %d writes granted, %d refused" % (
            "limited" if limited else "without a limit", asked.jumps // 2, one.kills,
            time.monotonic() - one.budget.began, one.budget.granted, one.refused))


if __name__ == "__main__":
    main()
