#!/usr/bin/env python3
"""tacit against nginx, Redis and etcd in one run: alternating, pinned alike, each server our own.

    ./dev bench peers                all rows but `big`
    ./dev bench peers list upsert    these only
    ./dev bench peers big            a store of 5 million secrets, which takes minutes to fill

Prints each figure with its target. Each group of rows has a section in bench/RESULTS.md, which is
replaced as soon as the group is measured: a run that is cut off keeps what it has, and several runs
make one page. Fails on no figure: a machine may be busy.
"""
import argparse
import os
import sys

from peers import balance, big, footprint, openloop, reads, tls, writes
from peers.report import print_table, write_group
from peers.rows import Plan, not_measured
from peers.system import CORES, TACIT, note

GROUPS = {
    "list": reads.list_rows,
    "pipelined": reads.pipelined_rows,
    "upsert": writes.upsert_rows,
    "single": writes.single_rows,
    "balance": balance.balance_rows,
    "openloop": openloop.open_loop_rows,
    "run": footprint.run_rows,
    "memory": footprint.memory_rows,
    "start": footprint.start_rows,
    "limiter": reads.limiter_rows,
    "range": reads.range_rows,
    "tls": tls.tls_rows,
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
    parser.add_argument("--big-store", default="", metavar="FOLDER",
                        help="keep the big store here, and use it again")
    parser.add_argument("--no-results", action="store_true", help="leave bench/RESULTS.md alone")
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
    command = " ".join(["./dev bench peers"] + sys.argv[1:])
    all_rows = []
    for name in names:
        note(name)
        plan = Plan(rounds=given.rounds, seconds=given.seconds, projects_in_big=given.big_projects,
                    big_store=given.big_store)
        plan.state("%d rounds, %d s each after 1 s of warm-up, every server fresh in every round, "
                   "loopback" % (plan.rounds, plan.seconds))
        try:
            rows = GROUPS[name](plan)
        except SystemExit as why:  # one group less is no reason to lose the others
            note(str(why))
            rows = [not_measured(name, "", str(why).replace("\n", " "))]
        plan.state_others()
        if not given.no_results:
            write_group(name, list(GROUPS), command, rows, plan)
        all_rows += rows
    print_table(all_rows)


if __name__ == "__main__":
    main()
