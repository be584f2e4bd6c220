#!/usr/bin/env python3
"""A store that was damaged while nobody used it.

    ./dev torture damage [--seed N] [--each N]

Of every file of a store whose server had ended, N times each: one bit, one byte, a cut, two blocks
of 64 bytes that change places; and the list of files is cut behind each of its records, and each
record is told to be longer than the list. Of a store whose server was killed, the same with its
logs, and cuts between their records. Each of these files is also missing, empty, or a copy of the
next one of its kind. Then a server starts on it.
Refused with status 1, an answer of 5xx, or everything as it was: all three
are right. A value, a label, a count or an absence that is not as it was is wrong. The root key and
the lock are no part of the store. The control: a server that does not know how far the store had
come (tacit-planted-floorless) must be wrong behind some cut of the list between records.
"""
import collections
import concurrent.futures
import copy
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "e2e"))

from errors import Asker  # noqa: E402
from harness import PROBE, Server  # noqa: E402
from ledger import Ledger, Script  # noqa: E402
from verdict import parser_of  # noqa: E402

FLOORLESS = os.path.join(os.path.dirname(PROBE), "tacit-planted-floorless")
KINDS = ("bit", "byte", "cut", "blocks")
WHOLE_FILES = ("gone", "empty", "next")
BLOCK = 64


class Whole:
    """A store that was served, killed, served again and ended, or killed once more."""

    def __init__(self, seed, is_killed=False):
        self.folder = tempfile.mkdtemp(prefix="damage-")
        os.chmod(self.folder, 0o777)
        self.data = os.path.join(self.folder, "data")
        self.ledger = Ledger()
        for turn in range(3):
            server = Server(data=self.data).start()
            Script(seed + turn).run(Asker(server), self.ledger)
            server.kill() if turn == 1 or is_killed else server.stop()
        server.forget_limiter()
        store = os.path.join(self.data, "store")
        self.files = sorted(name for name in os.listdir(store)
                            if os.path.isfile(os.path.join(store, name)) and name != "LOCK"
                            and os.path.getsize(os.path.join(store, name)) > 0)

    def remove(self):
        shutil.rmtree(self.folder, ignore_errors=True)


def damage(path, kind, rng):
    """Changes the file; what was done."""
    with open(path, "rb") as file:
        bytes_ = bytearray(file.read())
    at = rng.randrange(len(bytes_))
    if kind == "bit":
        bytes_[at] ^= 1 << rng.randrange(8)
    elif kind == "byte":
        bytes_[at] ^= rng.randrange(1, 256)
    elif kind == "cut":
        del bytes_[at:]
    else:
        other = rng.randrange(len(bytes_))
        first, second = sorted((at // BLOCK * BLOCK, other // BLOCK * BLOCK))
        if first == second or bytes_[first:first + BLOCK] == bytes_[second:second + BLOCK]:
            return None
        a, b = bytes_[first:first + BLOCK], bytes_[second:second + BLOCK]
        bytes_[second:second + BLOCK], bytes_[first:first + BLOCK] = a, b
        at = (first, second)
    with open(path, "wb") as file:
        file.write(bytes_)
    return "%s at %s" % (kind, at)


def replace(path, kind):
    """The whole file; what was done."""
    folder, name = os.path.split(path)
    if kind == "gone":
        os.remove(path)
    elif kind == "empty":
        os.truncate(path, 0)
    else:
        alike = sorted(one for one in os.listdir(folder)
                       if kind_of(one) == kind_of(name) and one != name)
        if not alike:
            return None
        other = next((one for one in alike if one > name), alike[0])
        shutil.copyfile(os.path.join(folder, other), path)
        kind = "a copy of " + other
    return kind


def lengthen(path, begin):
    """The record that begins there is told to have 32 KiB more."""
    with open(path, "r+b") as file:
        file.seek(begin + 5)
        high_byte = file.read(1)[0]
        file.seek(begin + 5)
        file.write(bytes([high_byte ^ 0x80]))


def record_ends(path):
    """Where a log or a list of files ends behind each of its records: in blocks of 32 KiB, each
    piece of a record behind a checksum (4 bytes), a length (2) and a kind."""
    with open(path, "rb") as file:
        bytes_ = file.read()
    at = 0
    while at + 7 <= len(bytes_):
        if at % 32768 > 32768 - 7:
            at += 32768 - at % 32768
            continue
        at += 7 + int.from_bytes(bytes_[at + 4:at + 6], "little")
        yield at


def judge(ledger, server):
    """("right" or "error", []) or ("wrong", what)."""
    faults = ledger.faults(server)
    if not faults:
        return "right", []
    if any(one.startswith("the list of projects") for one in faults):
        for project, there in ledger.projects.items():
            faults += ledger.faults_of(server, project) if there == {True} else []
    wrong = [one for one in faults if not is_error(one)]
    return ("wrong", wrong) if wrong else ("error", [])


def is_error(line):
    """`shop: list 200, delivery 503`: neither is an absence, and one at least is an error."""
    if line.startswith("the list of projects is "):
        return line.split()[-1].startswith("5")
    if ": list " not in line:
        return False
    statuses = [int(one.rsplit(" ", 1)[1]) for one in line.split(": ", 1)[1].split(", ")]
    return all(one == 200 or one >= 500 for one in statuses)


def run_once(whole, name, kind, seed, binary=None):
    """What came of one damage; `kind` is one of KINDS, ("length", where a record begins), or the
    size to cut the file to."""
    folder = tempfile.mkdtemp(prefix="damage-")
    os.chmod(folder, 0o777)
    try:
        data = os.path.join(folder, "data")
        subprocess.run(["cp", "-a", whole.data, data], check=True)
        path = os.path.join(data, "store", name)
        if kind in KINDS:
            done = damage(path, kind, random.Random(seed))
        elif kind in WHOLE_FILES:
            done = replace(path, kind)
        elif isinstance(kind, tuple):
            lengthen(path, kind[1])
            done = "%s at %d" % kind
        else:
            os.truncate(path, kind)
            done = "cut at %d" % kind
        if done is None:
            return None
        server = Server(binary, data)
        try:
            server.start()
            came_of, faults = judge(copy.deepcopy(whole.ledger), server)
        except RuntimeError:
            came_of, faults = "refused", []
            if server.process.returncode != 1:
                came_of, faults = "wrong", ["ended with %s" % server.process.returncode]
        if server.process.poll() is None:
            server.kill()
        else:
            server.stop(signal.SIGKILL)
        if came_of == "wrong":
            faults.append(server.log()[-600:])
        return came_of, "%s, %s (seed %d): %s" % (name, done, seed, "; ".join(faults))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def run_all(whole, jobs, workers, binary=None):
    """Counts by file and outcome, and the lines of what was wrong."""
    counts, wrong = collections.Counter(), []
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        for job, came_of in zip(jobs, pool.map(lambda one: run_once(whole, *one, binary), jobs)):
            if came_of is None:
                continue
            counts[(kind_of(job[0]), came_of[0])] += 1
            if came_of[0] == "wrong":
                wrong.append(came_of[1])
    return counts, wrong


def of_records(whole, seed):
    """Cuts of the list of files between its records, and lengths of its records."""
    name = next(one for one in whole.files if one.startswith("MANIFEST"))
    path = os.path.join(whole.data, "store", name)
    *ends, size = record_ends(path)
    assert size == os.path.getsize(path)
    return ([(name, end, seed) for end in ends],
            [(name, ("length", begin), seed) for begin in [0] + ends])


def of_files(names, seed, each):
    return ([(name, kind, seed + number) for name in names
             for kind in KINDS for number in range(each)] +
            [(name, kind, seed) for name in names for kind in WHOLE_FILES])


def of_logs(whole, names, seed, each):
    """Cuts of logs between their records."""
    jobs = []
    for name in names:
        *ends, _ = record_ends(os.path.join(whole.data, "store", name))
        chosen = random.Random(seed).sample(ends, min(len(ends), 6 * each))
        jobs += [(name, end, seed) for end in chosen]
    return jobs


def run(seed, each, workers=2):
    """Counts by file and outcome, what was wrong, and of how many cuts the control was."""
    whole, killed = Whole(seed), Whole(seed, is_killed=True)
    try:
        cuts, lengths = of_records(whole, seed)
        jobs = of_files(whole.files, seed, each) + cuts + lengths
        counts, wrong = run_all(whole, jobs, workers)
        logs = [name for name in killed.files if name.endswith(".log")]
        more_counts, more_wrong = run_all(
            killed, of_files(logs, seed, 2 * each) + of_logs(killed, logs, seed, each),
            workers)
        _, control = run_all(whole, cuts, workers, FLOORLESS)
        return counts + more_counts, wrong + more_wrong, len(control)
    finally:
        whole.remove()
        killed.remove()


def kind_of(name):
    return "*." + name.rsplit(".", 1)[1] if "." in name else name.split("-")[0]


def main():
    arguments = parser_of("damage", each=12).parse_args()
    print("damage: --seed %d" % arguments.seed, flush=True)
    counts, wrong, control = run(arguments.seed, arguments.each)
    for line in wrong:
        print(line)
    for (name, came_of), count in sorted(counts.items()):
        print("  %-10s %-8s %5d" % (name, came_of, count))
    print("%d damages, %d wrong; control: wrong behind %d cuts"
          % (sum(counts.values()), len(wrong), control))
    return 1 if wrong or not control else 0


if __name__ == "__main__":
    sys.exit(main())
