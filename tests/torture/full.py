#!/usr/bin/env python3
"""A disk that fills up and is emptied again, while a server writes to it.

    ./dev torture full [--seed N] [--rounds N]        as root: it mounts tmpfs of 192 MiB

In each round a file beside the store takes a random part of the disk. Below the reserve every write
must be refused with 507, lists and deliveries must be 200 and /readyz 503; above it writes must be
taken, by themselves, and /readyz must be 200. Now and then the server ends, or is killed, full or
not, and starts again when there is room. What was acknowledged must be there.

The same again with the reserve missed: a server that does not look before it writes
(tacit-planted-unreserved) meets the end of the disk in its log and in its tables.
"""
import contextlib
import os
import random
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "e2e"))

from harness import PROBE, ROOT, Server, exchange, wait_until  # noqa: E402
from ledger import Ledger, Script  # noqa: E402
from verdict import parser_of  # noqa: E402

UNRESERVED = os.path.join(os.path.dirname(PROBE), "tacit-planted-unreserved")
MIB = 1024 * 1024
DISK_MIB = 192
# The reserve is 64 MiB, and beside it lies what the store takes and gives back by itself.
FULL = (0, 4096, MIB, 20 * MIB, 40 * MIB)
ROOMY = (100 * MIB, DISK_MIB * MIB)
LARGE = "\U0001f511" * 4096  # 16 KiB: a log is 17 MiB, set aside in advance
LARGE_MAX = 4000
MET = "the disk was full in the middle of a write"


@contextlib.contextmanager
def small_disk():
    """A folder with a file system of its own at `disk`."""
    folder = tempfile.mkdtemp(prefix="full-")
    disk = os.path.join(folder, "disk")
    os.mkdir(disk)
    os.chmod(folder, 0o777)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=%dm,mode=0777" % DISK_MIB, "tmpfs", disk],
                   check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", disk], check=True)
        shutil.rmtree(folder)


def free(disk):
    about = os.statvfs(disk)
    return about.f_bavail * about.f_frsize


def fill(disk, leave=0):
    """Leaves so many bytes free."""
    path = os.path.join(disk, "filler")
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    size = free(disk) - leave
    if size <= 0:
        return
    with open(path, "wb") as filler:
        os.posix_fallocate(filler.fileno(), 0, size)


class Rounds:
    def __init__(self, folder, seed, misses):
        self.disk = os.path.join(folder, "disk")
        self.misses = misses
        self.rng = random.Random(seed)
        self.ledger = Ledger()
        self.seed = seed
        self.full = self.roomy = self.turn = 0
        self.wrong = []
        self.statuses = []
        self.server = Server(UNRESERVED if misses else None, os.path.join(self.disk, "data"))
        self.server.log_path = os.path.join(folder, "log")
        self.server.start()

    def fill(self, leave):
        fill(self.disk, leave)

    def free(self):
        return free(self.disk)

    def ask(self, method, target, body):
        status = self.server.owner(method, target, body).status
        self.statuses.append(status)
        return status

    def ready(self):
        with contextlib.closing(self.server.connect()) as connection:
            return exchange(connection, "GET", "/readyz").status

    def expect(self, what, found, wanted):
        if found != wanted:
            self.wrong.append("%s: %s, not %s, with %d bytes free" % (what, found, wanted,
                                                                     self.free()))

    def one(self, number):
        if number == 0 or self.rng.random() < 0.6:
            self.fill(FULL[self.full % len(FULL)])
            self.refuses(number)
        else:
            self.fill(self.rng.choice(ROOMY))
            self.takes(number)
        if self.rng.random() < 0.3:
            self.server.kill() if self.rng.random() < 0.5 else self.server.stop()
            self.fill(DISK_MIB * MIB)
            self.server.start()
            self.wrong += self.ledger.faults(self.server)

    def refuses(self, number):
        self.full += 1
        # Of a project that may not be there nothing is written anyway.
        all_there = all(there == {True} for there in self.ledger.projects.values())
        passed = set() if self.ledger.projects and all_there else {404}
        if self.misses:
            self.write_until_refused()
            passed |= {200, 201, 404, 409}  # until it has met the end of the disk
        self.statuses = []
        Script(self.seed + number, 8).run(self.ask, self.ledger)
        self.expect("writes", set(self.statuses) - passed - {507}, set())
        self.expect("/readyz", self.ready(), 503)
        self.read()

    def takes(self, number):
        self.roomy += 1
        wait_until(lambda: self.ready() == 200)
        self.statuses = []
        Script(self.seed + number, 8).run(self.ask, self.ledger)
        self.expect("writes that are 5xx", [one for one in self.statuses if one >= 500], [])
        self.expect("/readyz", self.ready(), 200)
        self.read()

    def read(self):
        for project, there in self.ledger.projects.items():
            if there == {True}:
                listed = self.server.owner("GET", "/projects/%s/secrets" % project)
                self.expect("the list", listed.status, 200)
                self.expect("the delivery", self.server.deliver(project).status, 200)

    def write_until_refused(self):
        status = 200
        for turn in range(LARGE_MAX):
            self.turn += 1
            value = LARGE[:-10] + "%010d" % self.turn
            status = self.ask("POST", "/projects/shop/secrets", {"key": "KEY_0", "value": value})
            self.ledger.put("shop", "KEY_0", value, status)
            if status != 200:
                break

    def finish(self):
        self.fill(DISK_MIB * MIB)
        self.wrong += self.ledger.faults(self.server)
        self.expect("the exit status", self.server.stop(), 0)
        self.server.start()
        self.wrong += self.ledger.faults(self.server)
        self.expect("the exit status", self.server.stop(), 0)
        self.server.forget_limiter()

    def met(self):
        """How often a write met the end of the disk."""
        return self.server.log().count(MET)


def run(seed, rounds, misses=False):
    """(the campaign, how often a write met the end of the disk)"""
    with small_disk() as folder:
        campaign = Rounds(folder, seed, misses)
        try:
            for number in range(rounds):
                campaign.one(number)
            campaign.finish()
            return campaign, campaign.met()
        finally:
            campaign.server.__exit__()


def main():
    arguments = parser_of("full", rounds=300).parse_args()
    print("full: --seed %d" % arguments.seed, flush=True)
    wrong = 0
    for misses in (False, True):
        campaign, met = run(arguments.seed, arguments.rounds, misses)
        for line in campaign.wrong:
            print(line)
        print("%s reserve: %d rounds full, %d with room; %d writes acknowledged, %d refused, %d of "
              "them in the middle; %d wrong"
              % ("without the" if misses else "with the", campaign.full, campaign.roomy,
                 campaign.ledger.acknowledged, campaign.ledger.unknown, met, len(campaign.wrong)),
              flush=True)
        wrong += len(campaign.wrong)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main() if ROOT else "full: run it as root: it mounts a tmpfs")
