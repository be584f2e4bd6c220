#!/usr/bin/env python3
"""Cuts of power, many at a time.

    ./dev torture power [--seed N] [--cuts N] [--workers N]

Each worker is a kv_test with a store of its own on a disk that forgets what was not synced
(tests/unit/kv/power.cpp, fragile_disk.hpp): names too, and of unsynced bytes it keeps random
pieces. A cut comes at any operation of a first start, a start, of writing, of an end; the next
life begins with what it left. Counted is how often the store opened by itself, how often it
refused, how often recover then made one of what was left, and what was wrong. The control, a disk
that does not sync the log, must lose what was acknowledged.
"""
import concurrent.futures
import os
import re
import subprocess
import sys
import tempfile

from verdict import parser_of

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
TEST = os.environ.get("TACIT_KV_TEST", os.path.join(ROOT, "build", "release", "kv_test"))
CUTS_EACH = 250  # a process is not older
LINE = re.compile(r"(\d+) cuts, opened (\d+), cut while opening (\d+), refused (\d+), "
                  r"of them recovered (\d+), wrong (\d+); "
                  r"acknowledged (\d+), of unknown outcome (\d+)")


def work(seed, cuts, case="nothing_*"):
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR", "/dev/shm")) as folder:
        done = subprocess.run([TEST, "--run_test=power/" + case], capture_output=True, text=True,
                              env={**os.environ, "TACIT_SEED": str(seed), "TMPDIR": folder,
                                   "TACIT_POWER_CUTS": str(cuts)})
    return seed, done


def main():
    arguments = parser_of("power", cuts=10_000, workers=os.cpu_count()).parse_args()
    print("power: --seed %d" % arguments.seed, flush=True)
    jobs = [(arguments.seed + number, min(CUTS_EACH, arguments.cuts - at))
            for number, at in enumerate(range(0, arguments.cuts, CUTS_EACH))]
    sums, failed = [0] * 8, 0
    with concurrent.futures.ThreadPoolExecutor(arguments.workers) as pool:
        for seed, done in pool.map(lambda job: work(*job), jobs):
            counted = LINE.search(done.stdout)
            if counted:
                sums = [a + int(b) for a, b in zip(sums, counted.groups())]
            for line in done.stderr.splitlines():
                if line.startswith("cut "):
                    print("seed %d: %s" % (seed, line), flush=True)
            if done.returncode != 0 or not counted:
                failed += 1
                print("seed %d: exit %d\n%s%s" % (seed, done.returncode, done.stdout[-1500:],
                                                  done.stderr[-1500:]), flush=True)
        _, control = work(arguments.seed, 0, "a_log_*")
    print("%d cuts: opened by itself %d times, cut while opening %d, refused %d, of them "
          "recovered %d, wrong %d; "
          "%d writes acknowledged, %d of unknown outcome" % tuple(sums))
    print("control:", control.stdout.split("control: ")[-1].splitlines()[0])
    return 1 if failed or control.returncode != 0 else 0


if __name__ == "__main__":
    sys.exit(main())
