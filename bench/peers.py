#!/usr/bin/env python3
"""tacit against nginx, Redis and etcd in one run: alternating, pinned alike, each server our own.

    ./dev bench peers                all rows but `big`; writes bench/RESULTS.md
    ./dev bench peers list upsert    these only; prints, writes nothing
    ./dev bench peers big            a store of 5 million secrets: takes long; writes its section

Prints each figure with its target from the issue. Fails on no figure: a machine may be busy.
"""
import argparse
import os
import statistics
import sys

from peers import big, footprint, openloop, reads, writes
from peers.report import print_table, write_results
from peers.rows import ATTEMPTS, WAIT_SECONDS, Plan, not_measured
from peers.system import CORES, TACIT, note

GROUPS = {
    "list": reads.list_rows,
    "pipelined": reads.pipelined_rows,
    "upsert": writes.upsert_rows,
    "single": writes.single_rows,
    "openloop": openloop.open_loop_rows,
    "run": footprint.run_rows,
    "memory": footprint.memory_rows,
    "start": footprint.start_rows,
    "limiter": reads.limiter_rows,
    "range": reads.range_rows,
    "big": big.big_rows,
}


def parse_arguments():
    parser = argparse.ArgumentParser(
        prog="./dev bench peers", description=__doc__.split("\n", maxsplit=1)[0],
        epilog="NAME: " + " ".join(GROUPS))
    parser.add_argument("names", nargs="*", metavar="NAME", help="rows to measure; default: all "
                        "but big")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=5, help="of each measurement")
    parser.add_argument("--big-projects", type=int, default=200_000,
                        help="projects of 25 secrets in the big store")
    given = parser.parse_args()
    for name in given.names:
        if name not in GROUPS:
            parser.error("no rows are called %s: %s" % (name, " ".join(GROUPS)))
    return given


def main():
    given = parse_arguments()
    if not os.path.exists(TACIT):
        raise SystemExit("bench: build first: ./dev build")
    if len(CORES) < 2:
        raise SystemExit("bench: needs two cores, one for the server, one for the client")
    names = given.names or [name for name in GROUPS if name != "big"]
    plan = Plan(rounds=given.rounds, seconds=given.seconds, projects_in_big=given.big_projects)
    plan.state("%d rounds, %d s each after 1 s of warm-up, every server fresh in every round, "
               "loopback" % (plan.rounds, plan.seconds))
    plan.state("reads: server on core %d, wrk (1 thread) on core %d, tacit with TACIT_THREADS=1"
               % (CORES[0], CORES[1]))
    plan.state("tacit: limits.reads_per_minute and writes_per_minute 0, log.level warn, all else "
               "as by default (block cache 64 MB; rendered lists: an eighth of the memory, of all "
               "threads together)")
    rows = []
    for name in names:
        note(name)
        try:
            rows += GROUPS[name](plan)
        except SystemExit as why:  # one row less is no reason to lose the others
            note(str(why))
            rows.append(not_measured(name, "", str(why).replace("\n", " ")))
    if plan.others_shares:
        plan.state("CPU that others took meanwhile, of one core: median %.0f %%, most %.0f %%; a "
                   "measurement waits up to %d s for a quiet machine, and of up to %d the one with "
                   "least of it counts" % (100 * statistics.median(plan.others_shares),
                                           100 * max(plan.others_shares), WAIT_SECONDS, ATTEMPTS))
    print_table(rows)
    print(plan.settings[-1])
    command = " ".join(["./dev bench peers"] + sys.argv[1:])
    if not given.names:
        write_results("Against others", command, rows, plan)
    elif given.names == ["big"]:
        write_results("A big store", command, rows, plan)


if __name__ == "__main__":
    main()
